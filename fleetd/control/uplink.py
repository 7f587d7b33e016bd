"""What the control API offers of orders to satellites: to list, give, confirm and cancel them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from fleetd.clock import iso_ms
from fleetd.control.answers import HOUSE, answer, number_of, read_body, refused
from fleetd.control.peer import peer_of
from fleetd.downlink.uplink import Uplink
from fleetd.errors import Refusal
from fleetd.marks import fresh_mark
from fleetd.records import Command, Stage, Value
from fleetd.store.telecommands import Telecommand

_MOST, _SOME = 10_000, 100

routes = web.RouteTableDef()


class OrderWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/uplink/{satellite}/orders."""

    order: str
    id: str | None = None
    args: dict[str, Value] = {}
    expires_in_s: Annotated[float, Meta(gt=0, le=86_400 * 366)] | None = None


class CancelWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/uplink/{satellite}/cancel."""

    id: str


@routes.get("/v1/uplink")
async def orders(request: web.Request) -> web.Response:
    """Orders that are under way, oldest first; with `all=1` the others, too."""
    house = request.app[HOUSE]
    most = int(number_of(request, "most", _SOME, 1, _MOST))
    unfinished = not number_of(request, "all", 0, 0, 1)
    listed = await house.store.telecommands.listed(unfinished=unfinished, most=most)
    satellite = request.query.get("satellite", "")
    return answer(_lines([each for each in listed if satellite in ("", each.command.device)]))


@routes.get("/v1/uplink/{satellite}")
async def known(request: web.Request) -> web.Response:
    """What a satellite can be told."""
    taken = _uplink(request).orders.values()
    return answer(
        [
            {"order": each.name, "help": each.help, "hazardous": each.hazardous, "again": each.idempotent}
            for each in taken
        ]
    )


@routes.post("/v1/uplink/{satellite}/orders")
async def give(request: web.Request) -> web.Response:
    """Give an order, or a second person's word for one: the order `confirm` with `command`, its id."""
    uplink, wish = _uplink(request), await read_body(request, OrderWish)
    now = request.app[HOUSE].clock.now()
    command = Command(
        id=wish.id or f"{wish.order[:32]}-{fresh_mark(6)}",
        device=uplink.satellite,
        action=wish.order,
        args=wish.args,
        issuer=peer_of(request).issuer,
        issued_at=now,
        expires_at=now + timedelta(seconds=wish.expires_in_s or uplink.expiry_s),
    )
    result = await uplink.submit(command)
    if result.stage is Stage.REFUSED:
        return refused(Refusal(result.rule or "refused", result.reason))
    return answer(result)


@routes.post("/v1/uplink/{satellite}/cancel")
async def cancel(request: web.Request) -> web.Response:
    """Give up an order that still waits."""
    uplink, wish = _uplink(request), await read_body(request, CancelWish)
    return answer(await uplink.cancel(wish.id, peer_of(request).issuer))


def _lines(listed: Sequence[Telecommand]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.command.id,
            "satellite": each.command.device,
            "order": each.command.action,
            "args": each.command.args,
            "issuer": each.command.issuer,
            "expires_at": iso_ms(each.command.expires_at),
            "stage": each.stage,
            "step": each.step,
            "counter": each.counter or None,
            "sends": each.sends,
            "reason": each.reason,
        }
        for each in listed
    ]


def _uplink(request: web.Request) -> Uplink:
    name, known = request.match_info["satellite"], request.app[HOUSE].uplinks
    if name not in known:
        there = ", ".join(known) or "none"
        raise Refusal("unknown-satellite", f"{name[:64]!r} is no satellite that takes orders; there are {there}")
    return known[name]
