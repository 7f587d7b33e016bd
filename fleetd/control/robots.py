"""What the control API offers for robots: their state, commands, and the stop of everything."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from fleetd.contact.antenna import Antenna
from fleetd.control.answers import HOUSE, MalformedRequest, answer, read_body, refused
from fleetd.control.house import House
from fleetd.control.peer import peer_of
from fleetd.errors import FleetError, Refusal
from fleetd.hub import Subscription
from fleetd.marks import fresh_mark
from fleetd.records import Command, Result, Stage, Value

_Seconds = Annotated[float, Meta(ge=0, le=60)]
_STOP_WAITS_S = 5.0

routes = web.RouteTableDef()


class CommandWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/commands. `wait_s` is real time, `expires_in_s` the daemon's."""

    device: str
    action: str
    id: str | None = None
    args: dict[str, Value] = {}
    expires_in_s: Annotated[float, Meta(gt=0, le=86_400 * 366)] | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    wait_s: _Seconds = 0.0


class ConfirmWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/commands/{id}/confirm: the robot that the command is for, so that nobody confirms blindly."""

    device: str
    wait_s: _Seconds = 0.0


class StopWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/stop: how long, in real time, to wait until all have obeyed that answer at all."""

    wait_s: _Seconds = _STOP_WAITS_S


@routes.get("/v1/robots")
async def robots(request: web.Request) -> web.Response:
    """All robots, a line each."""
    return answer(request.app[HOUSE].fleet.list())


@routes.get("/v1/robots/{name}")
async def robot(request: web.Request) -> web.Response:
    """All that is known of one robot."""
    return answer(request.app[HOUSE].fleet.show(request.match_info["name"]))


@routes.post("/v1/commands")
async def command(request: web.Request) -> web.Response:
    """Submit a command and wait for its outcome, as long as is asked; answers its results so far, newest last.

    For a group it answers one result for each of its robots, the newest.
    """
    house = request.app[HOUSE]
    wish = await read_body(request, CommandWish)
    if house.fleet.addressed(wish.device) is not None:
        return await _group_command(wish, house, peer_of(request).issuer)
    with house.hub.subscribe("control command", Result, capacity=10_000) as results:
        first = await house.dispatch.submit(_command(wish, house, peer_of(request).issuer))
        if first.stage is Stage.REFUSED:
            return refused(Refusal(first.rule or "refused", first.reason), results=[first])
        if not first.stage.final:
            await _finals(results, {first.id}, wish.wait_s)
    return answer(await house.dispatch.results(first.id) or [first])


async def _group_command(wish: CommandWish, house: House, issuer: str) -> web.Response:
    with house.hub.subscribe("control group command", Result, capacity=100_000) as results:
        newest = {each.id: each for each in await house.dispatch.submit_all(_command(wish, house, issuer))}
        waiting = {each.id for each in newest.values() if not each.stage.final}
        newest |= {result.id: result for result in await _finals(results, waiting, wish.wait_s)}
    return answer(list(newest.values()))


@routes.post("/v1/commands/{id}/confirm")
async def confirm(request: web.Request) -> web.Response:
    """A second person's word for a command that waits for it; answers its results so far, newest last."""
    house, command_id = request.app[HOUSE], request.match_info["id"]
    wish = await read_body(request, ConfirmWish)
    with house.hub.subscribe("control confirm", Result, capacity=10_000) as results:
        first = await house.dispatch.confirm(command_id, wish.device, peer_of(request).issuer)
        if not first.stage.final:
            await _finals(results, {first.id}, wish.wait_s)
    return answer(await house.dispatch.results(first.id) or [first])


@routes.get("/v1/commands/{id}")
async def course(request: web.Request) -> web.Response:
    """The results of a command so far, newest last."""
    command_id = request.match_info["id"]
    results = await request.app[HOUSE].dispatch.results(command_id)
    if not results:
        raise Refusal("unknown-command", f"no command with the id {command_id[:128]!r} was accepted here")
    return answer(results)


@routes.post("/v1/stop")
async def stop(request: web.Request) -> web.Response:
    """Stop every robot and every antenna; answers one result each, `succeeded` where it has obeyed.

    Robots that do not answer are not waited for: they are stopped once they do.
    """
    house, issuer = request.app[HOUSE], peer_of(request).issuer
    wait_s = await _stop_wait_s(request)
    with house.hub.subscribe("control stop", Result, capacity=100_000) as results:
        async with asyncio.TaskGroup() as tasks:
            antennas = [tasks.create_task(_stopped(each, issuer, house)) for each in house.antennas.values()]
            stops = tasks.create_task(house.dispatch.stop_all(issuer))
        robots = {result.id: result for result in stops.result()}
        waiting = {each.id for each in robots.values() if not each.stage.final and _answers(house, each.device)}
        robots |= {result.id: result for result in await _finals(results, waiting, wait_s)}
    return answer([*(each.result() for each in antennas), *(_explained(each, house) for each in robots.values())])


def _answers(house: House, device: str) -> bool:
    return house.fleet.member(device).poller.online.is_set()


async def _stop_wait_s(request: web.Request) -> float:
    """What the body asks for; one that cannot be understood keeps nothing from being stopped."""
    try:
        return (await read_body(request, StopWish)).wait_s
    except (MalformedRequest, web.HTTPRequestEntityTooLarge):
        return StopWish().wait_s


def _command(wish: CommandWish, house: House, issuer: str) -> Command:
    if wish.expires_in_s is not None and wish.expires_at is not None:
        raise MalformedRequest("give expires_in_s or expires_at, not both")
    now = house.clock.now()
    life_s = wish.expires_in_s or house.dispatch.command_expiry_s
    return Command(
        id=wish.id if wish.id is not None else f"api-{fresh_mark(8)}",
        device=wish.device,
        action=wish.action,
        args=wish.args,
        issuer=issuer,
        issued_at=now,
        expires_at=wish.expires_at or now + timedelta(seconds=life_s),
    )


async def _finals(results: Subscription, waiting: set[str], wait_s: float) -> list[Result]:
    """The final results of some commands that come within `wait_s` real seconds."""
    finals: list[Result] = []
    try:
        async with asyncio.timeout(wait_s):
            while waiting:
                result = await results.get()
                if isinstance(result, Result) and result.id in waiting and result.stage.final:
                    waiting.discard(result.id)
                    finals.append(result)
    except TimeoutError:
        pass
    return finals


async def _stopped(antenna: Antenna, issuer: str, house: House) -> Result:
    stage, reason = Stage.SUCCEEDED, ""
    try:
        await antenna.stop(by=issuer)
    except FleetError as error:
        stage, reason = Stage.FAILED, str(error)
    now, synced = house.clock.now(), house.clock.synced
    return Result(at=now, clock_synced=synced, id="", device=antenna.name, action="stop", stage=stage, reason=reason)


def _explained(result: Result, house: House) -> Result:
    if result.stage.final:
        return result
    if _answers(house, result.device):
        return msgspec.structs.replace(result, reason="has not confirmed it yet")
    device = house.fleet.member(result.device).poller.device
    reason = f"is {device.state}: {device.reason}; it is stopped as soon as it answers"
    return msgspec.structs.replace(result, reason=reason)
