"""Whether the daemon lives, whether it can work, and its figures: what monitoring asks for."""

from __future__ import annotations

import asyncio

from aiohttp import web

from fleetd.control import metrics
from fleetd.control.answers import HOUSE, answer
from fleetd.control.house import House
from fleetd.errors import StoreError

_STORE_WITHIN_S = 1.0

routes = web.RouteTableDef()


@routes.get("/metrics")
async def figures(request: web.Request) -> web.Response:
    """All figures, in Prometheus' text form."""
    body = await metrics.exposition(request.app[HOUSE])
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """200 while every supervised loop makes progress, else 503: end it and start it afresh."""
    late = _overdue(request.app[HOUSE])
    return answer({"healthy": not late, "loops_without_progress": late}, status=503 if late else 200)


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """200 while it can do its work: loops make progress and the store takes what it is given. Else 503.

    A broker that is away and a clock that is not synchronised are told, and make it no less ready.
    """
    house = request.app[HOUSE]
    late, store = _overdue(house), await _store_answers(house)
    ready = not late and store
    facts = {
        "ready": ready,
        "loops_without_progress": late,
        "store": store,
        "broker": house.relay.status().connected,
        "clock_synced": house.clock.synced,
    }
    return answer(facts, status=200 if ready else 503)


def _overdue(house: House) -> list[str]:
    return house.instruments.progress.overdue() if house.instruments else []


async def _store_answers(house: House) -> bool:
    try:
        async with asyncio.timeout(_STORE_WITHIN_S):
            await house.store.ledger.recent(1)
    except (StoreError, TimeoutError):
        return False
    return True
