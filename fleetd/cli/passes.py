"""`fleetctl passes`: when satellites pass, from element files alone or as a running daemon sees it.

With `--elements` no daemon is asked and nothing but the standard library and the orbit room is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fleetd.cli import passforms, screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket
from fleetd.clock import SystemClock, parse_utc
from fleetd.errors import ConfigError

_MOST_HOURS = 24.0 * 366


class Form(StrEnum):
    """How passes are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ICS = "ics"


def _place(text: str) -> tuple[float, float, float]:
    """LAT,LON,ALT_M as numbers; raises typer.BadParameter."""
    parts = text.split(",")
    try:
        latitude_deg, longitude_deg, altitude_m = map(float, parts if len(parts) > 2 else [*parts, "0"])
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not LAT,LON,ALT_M, such as 30.27,120.15,20") from None
    if not (abs(latitude_deg) <= 90 and abs(longitude_deg) <= 180 and -500 <= altitude_m <= 9000):
        raise typer.BadParameter(
            f"{text!r}: latitude is -90 to 90, longitude -180 to 180 degrees, altitude -500 to 9000 metres"
        )
    return latitude_deg, longitude_deg, altitude_m


def _when(text: str) -> datetime:
    """An ISO 8601 time with its zone; raises typer.BadParameter."""
    try:
        return parse_utc(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter("a finite number is needed")
    return value


def passes(
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", hidden=True)] = None,
    elements: Annotated[
        list[Path] | None,
        typer.Option("--elements", metavar="FILE...", help="Element files (OMM or TLE); without, the daemon is asked."),
    ] = None,
    station: Annotated[
        Any,
        typer.Option(parser=_place, metavar="LAT,LON,ALT_M", help="Where from: degrees north and east, metres."),
    ] = None,
    start: Annotated[
        Any,
        typer.Option(parser=_when, metavar="ISO", help="When the window opens, as 2026-11-11T00:00:00Z; now."),
    ] = None,
    hours: Annotated[
        float, typer.Option(min=0.01, max=_MOST_HOURS, callback=_finite, help="How long the window is.")
    ] = 24.0,
    min_elevation_deg: Annotated[
        float,
        typer.Option(
            "--min-elevation", min=-5, max=90, callback=_finite, metavar="DEG", help="Lowest elevation that counts."
        ),
    ] = 0.0,
    form: Annotated[Form, typer.Option("--format", help="How to print them.")] = Form.TABLE,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """List the passes to come: when, from where to where, how high, and whether the satellite is lit."""
    files = [*(elements or []), *(more or [])]
    if files:
        if station is None:
            raise typer.BadParameter(
                "is needed together with --elements, such as 30.27,120.15,20", param_hint="--station"
            )
        found = passes_offline(files, station, start or SystemClock().now(), hours, min_elevation_deg)
    else:
        if station is not None or start is not None:
            raise typer.BadParameter("--station and --start need --elements: the daemon knows where and when it is")
        found = passes_online(socket, hours, min_elevation_deg)
    print_passes(found, Form.JSON if as_json else form)


def passes_offline(
    files: Sequence[Path], place: tuple[float, float, float], start: datetime, hours: float, min_elevation_deg: float
) -> list[dict[str, Any]]:
    """Passes of all sets in the files over (degrees north, degrees east, metres), as JSON values.

    Raises ElementsError, and Refusal where the window lies outside the tables.
    """
    from fleetd.orbit.elements import read_elements
    from fleetd.orbit.passes import find_passes, pass_json
    from fleetd.orbit.station import Station

    sets = [each for file in files for each in read_elements(file)]
    station = Station(f"{place[0]:g},{place[1]:g}", *place)
    found = find_passes(sets, [station], start, start + timedelta(hours=hours), min_elevation_deg)
    return [pass_json(sat_pass) for sat_pass in found]


def passes_online(socket: Path, hours: float, min_elevation_deg: float) -> list[dict[str, Any]]:
    """Passes as the daemon sees them, in the same form. Raises Unreachable and Refusal."""
    from fleetd.cli.api import Daemon

    found: list[dict[str, Any]] = Daemon(socket).get("passes", hours=hours)
    return [each for each in found if each["max_elevation_deg"] >= min_elevation_deg]


def print_passes(found: Sequence[dict[str, Any]], form: Form) -> None:
    """To standard output."""
    match form:
        case Form.TABLE:
            screen.print_table(passforms.HEADINGS, passforms.rows(found), empty="no pass in this window")
            for line in passforms.countdown(found, SystemClock().now()):
                screen.say(line)
        case Form.JSON:
            screen.print_json(found)
        case Form.CSV:
            typer.echo(passforms.csv_text(found), nl=False)
        case Form.ICS:
            typer.echo(passforms.ics_text(found, SystemClock().now()), nl=False)
