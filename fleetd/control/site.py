"""What the control API offers of the site as a whole: its state, alarms, relay, audit, and the stream of records."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

import fleetd
from fleetd.contact.antennastatus import status_of
from fleetd.control.answers import HOUSE, MalformedRequest, answer, encode_line, number_of, read_body
from fleetd.control.house import House
from fleetd.control.peer import peer_of
from fleetd.hub import Subscription
from fleetd.records import Alarm, AnyRecord, ContactReport, DeviceStatus, Event, Frame, Reading, Result, Telemetry
from fleetd.store.audit import Head

_KINDS: dict[str, type] = {
    "reading": Reading,
    "frame": Frame,
    "status": DeviceStatus,
    "event": Event,
    "alarm": Alarm,
    "result": Result,
    "contact": ContactReport,
}
_WORDS = {kind: word for word, kind in _KINDS.items()} | {Telemetry: "reading"}
_WATCH_CAPACITY = 2_000
_BATCH = 200
_MOST_SHELF_S = 86_400.0 * 366  # what is longer than the register allows it refuses itself
SIGN_OF_LIFE_S = 15.0  # real time; an empty line then shows whether anybody still listens

WATCHERS = web.AppKey("watchers", set[asyncio.Task[Any] | None])

routes = web.RouteTableDef()


@routes.get("/v1/status")
async def status(request: web.Request) -> web.Response:
    """How the whole site stands."""
    house = request.app[HOUSE]
    return answer(
        {
            "site": house.site,
            "node": house.store.node,
            "boot": house.store.boot,
            "version": fleetd.__version__,
            "at": house.clock.now(),
            "clock_synced": house.clock.synced,
            "clock_rate": house.clock.rate,
            "fleet": house.fleet.summary(),
            "relay": house.relay.status(),
            "antennas": [status_of(antenna) for antenna in house.antennas.values()],
            "radios": [radio.status() for radio in house.radios.values()],
            "next_contact": next(iter(house.contacts.booked), None),
            "alarms": sum(alarm.active and alarm.shelved_by is None for alarm in house.alarms.list()),
            "devices": _devices(house),
        }
    )


@routes.get("/v1/alarms")
async def alarms(request: web.Request) -> web.Response:
    """Alarms that are active or that nobody has acknowledged yet."""
    return answer(request.app[HOUSE].alarms.list())


@routes.post("/v1/alarms/{device}/{name}/ack")
async def ack(request: web.Request) -> web.Response:
    """Acknowledge an alarm."""
    device, name = request.match_info["device"], request.match_info["name"]
    return answer(request.app[HOUSE].alarms.ack(device, name, peer_of(request).issuer))


class Shelving(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/alarms/{device}/{name}/shelve."""

    for_s: Annotated[float, Meta(gt=0)]
    why: Annotated[str, Meta(max_length=200)] = ""


@routes.post("/v1/alarms/{device}/{name}/shelve")
async def shelve(request: web.Request) -> web.Response:
    """Put an alarm on the shelf for a while."""
    house, wish = request.app[HOUSE], await read_body(request, Shelving)
    until = house.clock.now() + timedelta(seconds=min(wish.for_s, _MOST_SHELF_S))
    device, name = request.match_info["device"], request.match_info["name"]
    return answer(house.alarms.shelve(device, name, peer_of(request).issuer, until, wish.why))


@routes.post("/v1/alarms/{device}/{name}/unshelve")
async def unshelve(request: web.Request) -> web.Response:
    """Take an alarm from the shelf."""
    device, name = request.match_info["device"], request.match_info["name"]
    return answer(request.app[HOUSE].alarms.unshelve(device, name, peer_of(request).issuer))


@routes.get("/v1/relay")
async def relay(request: web.Request) -> web.Response:
    """How the relay to the broker stands."""
    return answer(request.app[HOUSE].relay.status())


@routes.get("/v1/audit")
async def audit(request: web.Request) -> web.Response:
    """The newest entries of the audit chain, newest last."""
    limit = number_of(request, "limit", 100, 1, 10_000)
    return answer(await request.app[HOUSE].store.audit.tail(int(limit)))


@routes.get("/v1/audit/verify")
async def verify(request: web.Request) -> web.Response:
    """Whether the audit chain is whole, and holds the head that `number` and `hash` name, noted elsewhere."""
    query = request.query
    noted = Head(number=int(number_of(request, "number", 0, 0, 2**53)), hash=query["hash"]) if "hash" in query else None
    return answer(await request.app[HOUSE].store.audit.verify(noted))


@routes.get("/v1/watch")
async def watch(request: web.Request) -> web.StreamResponse:
    """All records as they happen, one JSON object a line, until either side ends.

    `kinds` (a list with commas) and `device` choose. Whoever reads too slowly loses the oldest records, which a line of
    type `dropped` counts.
    """
    house, kinds, device = request.app[HOUSE], _kinds(request), request.query.get("device", "")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    with _counted(request), house.hub.subscribe("control watch", *kinds, capacity=_WATCH_CAPACITY) as records:
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            await _stream(records, response, device)
    return response


@contextlib.contextmanager
def _counted(request: web.Request) -> Iterator[None]:
    """Be among those whom the end of the daemon need not wait for."""
    watchers, task = request.app[WATCHERS], asyncio.current_task()
    watchers.add(task)
    try:
        yield
    finally:
        watchers.discard(task)


async def end_watching(application: web.Application) -> None:
    """Break off all streams: left to themselves they would last for ever."""
    watchers = application[WATCHERS]
    for task in tuple(watchers):
        if task is not None:
            task.cancel()


async def _stream(records: Subscription, response: web.StreamResponse, device: str) -> None:
    """Send until the client is gone, which raises ConnectionResetError."""
    told = 0
    while True:
        lines = await _lines(records, device)
        if records.dropped > told:
            lines += encode_line({"type": "dropped", "count": records.dropped - told})
            told = records.dropped
        if lines:
            await response.write(lines)


async def _lines(records: Subscription, device: str) -> bytes:
    try:
        async with asyncio.timeout(SIGN_OF_LIFE_S):
            batch = await records.get_batch(_BATCH)
    except TimeoutError:
        return b"\n"
    return b"".join(_line(record) for record in batch if not device or getattr(record, "device", "") == device)


def _line(record: AnyRecord) -> bytes:
    return encode_line(
        {"type": _WORDS.get(type(record), "record"), **msgspec.to_builtins(record, builtin_types=(datetime,))}
    )


def _kinds(request: web.Request) -> Sequence[type]:
    words = [word for word in request.query.get("kinds", "").split(",") if word]
    for word in words:
        if word not in _KINDS:
            raise MalformedRequest(f"there is no kind of record {word[:40]!r}; there are {', '.join(_KINDS)}")
    return [_KINDS[word] for word in words]


def _devices(house: House) -> list[dict[str, object]]:
    return [
        {
            "name": each.device.name,
            "capability": each.capability,
            "driver": each.driver,
            "link": each.link,
            "state": each.device.state,
            "reason": each.device.reason,
            "failures": each.device.failures,
        }
        for each in house.devices
    ]
