"""What the control API offers for antennas, contacts and orbital elements."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from fleetd.contact.antenna import Antenna
from fleetd.contact.antennastatus import status_of
from fleetd.control.answers import HOUSE, answer, number_of, read_body
from fleetd.control.peer import peer_of
from fleetd.devices import AzEl

_MOST_HOURS = 240.0

routes = web.RouteTableDef()


class Angles(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A direction or an offset, in degrees of the antenna's own frame."""

    azimuth_deg: float
    elevation_deg: float


class Booking(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/contacts/book."""

    satellite: str
    aos: Annotated[datetime, Meta(tz=True)]
    antenna: str


class Reason(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/antennas/{name}/lock."""

    why: str


class WorkOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/maintenance/add."""

    antenna: str
    begin: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]
    why: str


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what needs no word more."""


@routes.get("/v1/passes")
async def passes(request: web.Request) -> web.Response:
    """The passes of the site's satellites in the hours to come."""
    hours = number_of(request, "hours", 24.0, 0.0, _MOST_HOURS)
    return answer(await request.app[HOUSE].contacts.next_passes(hours))


@routes.get("/v1/passes/chart")
async def chart(request: web.Request) -> web.Response:
    """The lines that those passes draw in the sky."""
    hours = number_of(request, "hours", 24.0, 0.0, _MOST_HOURS)
    return answer(await request.app[HOUSE].contacts.next_chart(hours))


@routes.get("/v1/elements")
async def elements(request: web.Request) -> web.Response:
    """The orbital elements of each satellite: what is in use, what waits, and how the sources stand."""
    return answer(request.app[HOUSE].elements.views())


@routes.post("/v1/elements/{satellite}/accept")
async def accept_elements(request: web.Request) -> web.Response:
    """Put the held set of a satellite in use."""
    await read_body(request, Nothing)
    return answer(await request.app[HOUSE].elements.accept(request.match_info["satellite"], peer_of(request).issuer))


@routes.post("/v1/elements/{satellite}/reject")
async def reject_elements(request: web.Request) -> web.Response:
    """Take the held set of a satellite away for good."""
    await read_body(request, Nothing)
    return answer(await request.app[HOUSE].elements.reject(request.match_info["satellite"], peer_of(request).issuer))


@routes.get("/v1/contacts")
async def contacts(request: web.Request) -> web.Response:
    """Contacts that have ended, are running and are booked, in this order."""
    house = request.app[HOUSE]
    return answer([*house.contacts.recent, *house.contacts.booked])


@routes.post("/v1/contacts/book")
async def book(request: web.Request) -> web.Response:
    """Book a pass on an antenna by hand."""
    wish = await read_body(request, Booking)
    return answer(request.app[HOUSE].contacts.book(wish.satellite, wish.aos, wish.antenna))


@routes.post("/v1/contacts/{id}/cancel")
async def cancel(request: web.Request) -> web.Response:
    """Give a contact up."""
    await read_body(request, Nothing)
    return answer(request.app[HOUSE].contacts.cancel(request.match_info["id"], peer_of(request).issuer))


@routes.get("/v1/contacts/{id}/explain")
async def explain(request: web.Request) -> web.Response:
    """Why a pass is booked as it is, or not at all."""
    return answer(request.app[HOUSE].contacts.explain(request.match_info["id"]))


@routes.get("/v1/antennas")
async def antennas(request: web.Request) -> web.Response:
    """All antennas and where they point."""
    return answer([status_of(antenna) for antenna in request.app[HOUSE].antennas.values()])


@routes.post("/v1/antennas/{name}/point")
async def point(request: web.Request) -> web.Response:
    """Begin to turn an antenna to a direction."""
    antenna, to = _antenna(request), await read_body(request, Angles)
    await antenna.point(AzEl(to.azimuth_deg, to.elevation_deg), by=peer_of(request).issuer)
    return answer(status_of(antenna))


@routes.post("/v1/antennas/{name}/stop")
async def stop(request: web.Request) -> web.Response:
    """Stop an antenna."""
    antenna = _antenna(request)
    await antenna.stop(by=peer_of(request).issuer)
    return answer(status_of(antenna))


@routes.post("/v1/antennas/{name}/park")
async def park(request: web.Request) -> web.Response:
    """Begin to park an antenna."""
    antenna = _antenna(request)
    await antenna.park(by=peer_of(request).issuer)
    return answer(status_of(antenna))


@routes.post("/v1/antennas/{name}/offset")
async def offset(request: web.Request) -> web.Response:
    """Set what an antenna's own scale shows at zero, until the daemon ends."""
    antenna, by = _antenna(request), await read_body(request, Angles)
    antenna.offset(by.azimuth_deg, by.elevation_deg)
    return answer(status_of(antenna))


@routes.post("/v1/antennas/{name}/lock")
async def lock(request: web.Request) -> web.Response:
    """Stop an antenna and let nothing move it until it is unlocked."""
    antenna, wish = _antenna(request), await read_body(request, Reason)
    await request.app[HOUSE].maintenance.lock(antenna.name, peer_of(request).issuer, wish.why)
    return answer(status_of(antenna))


@routes.post("/v1/antennas/{name}/unlock")
async def unlock(request: web.Request) -> web.Response:
    """End the work that goes on at an antenna."""
    antenna = _antenna(request)
    await read_body(request, Nothing)
    await request.app[HOUSE].maintenance.unlock(antenna.name, peer_of(request).issuer)
    return answer(status_of(antenna))


@routes.get("/v1/maintenance")
async def maintenance(request: web.Request) -> web.Response:
    """Work on antennas that goes on or is to come."""
    return answer(request.app[HOUSE].maintenance.entries())


@routes.post("/v1/maintenance/add")
async def add_maintenance(request: web.Request) -> web.Response:
    """Enter a stretch of time in which people work on an antenna."""
    wish, who = await read_body(request, WorkOrder), peer_of(request).issuer
    return answer(await request.app[HOUSE].maintenance.add(wish.antenna, wish.begin, wish.end, who, wish.why))


@routes.post("/v1/maintenance/{id}/remove")
async def remove_maintenance(request: web.Request) -> web.Response:
    """Take such a stretch out again."""
    await read_body(request, Nothing)
    return answer(await request.app[HOUSE].maintenance.remove(request.match_info["id"], peer_of(request).issuer))


def _antenna(request: web.Request) -> Antenna:
    return request.app[HOUSE].antenna(request.match_info["name"])
