"""What the control API offers of frames off the air: to list, show, count and decode them anew."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from fleetd.clock import parse_utc
from fleetd.control.answers import HOUSE, MalformedRequest, answer, number_of, read_body
from fleetd.downlink.desk import Desk
from fleetd.errors import ConfigError, Refusal
from fleetd.store.frames import FrameWish

_MOST_FRAMES, _FRAMES = 10_000, 50
_HIGHEST = 2**53

routes = web.RouteTableDef()


class Replay(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/downlink/replay."""

    since: Annotated[datetime, Meta(tz=True)]
    until: Annotated[datetime, Meta(tz=True)] | None = None
    satellite: str = ""
    contact: str = ""


@routes.get("/v1/downlink/frames")
async def frames(request: web.Request) -> web.Response:
    """Archived frames: of a span, a satellite or a contact, or without any of these the newest."""
    desk, query = _desk(request), request.query
    most = int(number_of(request, "most", _FRAMES, 1, _MOST_FRAMES))
    try:
        since = parse_utc(query["since"]) if "since" in query else None
        until = parse_utc(query["until"]) if "until" in query else None
    except ConfigError as error:
        raise MalformedRequest(str(error)) from None
    satellite, contact = query.get("satellite", ""), query.get("contact", "")
    after = int(number_of(request, "after", 0, 0, _HIGHEST))
    if not (since or until or satellite or contact or after):
        return answer(await desk.newest(most))
    wish = FrameWish(since=since, until=until, satellite=satellite, contact=contact, after=after)
    return answer(await desk.frames(wish, most))


@routes.get(r"/v1/downlink/frames/{number:\d{1,15}}")
async def show(request: web.Request) -> web.Response:
    """One frame with its fields named, and what its decoder makes of it now."""
    return answer(await _desk(request).show(int(request.match_info["number"])))


@routes.get("/v1/downlink/stats")
async def stats(request: web.Request) -> web.Response:
    """How reception stands at each TNC."""
    return answer(_desk(request).stats())


@routes.post("/v1/downlink/replay")
async def replay(request: web.Request) -> web.Response:
    """Decode archived frames anew and publish what they hold, under the times they came."""
    body = await read_body(request, Replay)
    wish = FrameWish(since=body.since, until=body.until, satellite=body.satellite, contact=body.contact)
    return answer(await _desk(request).replay(wish))


def _desk(request: web.Request) -> Desk:
    desk = request.app[HOUSE].desk
    if desk is None:
        raise Refusal("no-downlink", "this daemon keeps no frames")
    return desk
