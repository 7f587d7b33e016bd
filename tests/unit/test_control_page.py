"""The reference page of the control API names every path that the API has."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from fleetd.control import robots, site, sky

PAGE = (Path(__file__).parents[2] / "docs/reference/control-api.md").read_text(encoding="utf-8")
ROUTES = [route for room in (robots, site, sky) for route in room.routes if isinstance(route, web.RouteDef)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_path_is_on_the_page(route: web.RouteDef) -> None:
    shared = f"`/{route.path.rpartition('/')[2]}`"  # a row may name a second verb of one antenna by its last word
    assert route.path in PAGE or ("/antennas/" in route.path and shared in PAGE)
