"""What the control API offers of the archive: the course of values, and the records of a span."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from fleetd.archive.archive import Archive
from fleetd.archive.query import Span
from fleetd.clock import parse_utc
from fleetd.control.answers import HOUSE, MalformedRequest, answer, number_of
from fleetd.errors import ConfigError, Refusal

_MOST_POINTS, _POINTS = 250_000, 100_000
_MOST_RECORDS, _RECORDS = 100_000, 1_000
_LOOK_BACK = timedelta(days=1)

routes = web.RouteTableDef()


@routes.get("/v1/history/{device}")
async def history(request: web.Request) -> web.Response:
    """The course of some values of a device, or what there is of it."""
    archive, device = _archive(request), request.match_info["device"]
    values = [value for value in request.query.get("values", "").split(",") if value]
    if not values:
        return answer(await archive.holdings(device))
    most = int(number_of(request, "most", _POINTS, 1, _MOST_POINTS))
    body = await archive.history(device, values, _span(request), most)
    return web.Response(body=body, content_type="application/json")


@routes.get("/v1/records")
async def records(request: web.Request) -> web.Response:
    """Events, alarms, results, contacts and device states of a span."""
    kinds = [kind for kind in request.query.get("kinds", "").split(",") if kind]
    most = int(number_of(request, "most", _RECORDS, 1, _MOST_RECORDS))
    found = await _archive(request).records(kinds, request.query.get("device", ""), _span(request), most)
    return web.Response(body=b"[" + b",".join(found) + b"]", content_type="application/json")


def _archive(request: web.Request) -> Archive:
    archive = request.app[HOUSE].archive
    if archive is None:
        raise Refusal("no-archive", "this site keeps no archive: archive.enabled is false")
    return archive


def _span(request: web.Request) -> Span:
    """From `since` (a day back, unless given) to `until` (now, and beyond what is being read)."""
    now = request.app[HOUSE].clock.now()
    try:
        until = parse_utc(request.query["until"]) if "until" in request.query else now + timedelta(minutes=1)
        since = parse_utc(request.query["since"]) if "since" in request.query else now - _LOOK_BACK
    except ConfigError as error:
        raise MalformedRequest(str(error)) from None
    if since >= until:
        raise MalformedRequest("since must be before until")
    return Span(since, until)
