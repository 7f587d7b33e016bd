"""`fleetctl passes`: when satellites pass, from element files alone or as a running daemon sees it.

With `--elements` no daemon is asked and nothing but the standard library and the orbit room is needed. Both ways lead
through a `Source`: what gives passes, and the lines that they draw in the sky.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from fleetd.cli import passforms, screen, skyplot
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


def _horizon(text: str) -> tuple[tuple[float, float], ...]:
    """AZ:EL,AZ:EL… as pairs of degrees; raises typer.BadParameter."""
    from fleetd.orbit.horizon import HorizonMask

    try:
        pairs = [part.split(":") for part in text.split(",")]
        return HorizonMask(tuple((float(azimuth), float(elevation)) for azimuth, elevation in pairs)).points
    except ValueError as error:
        why = str(error) if "horizon" in str(error) else "such as 0:5,90:12,200:3"
        raise typer.BadParameter(f"{text!r} is no AZ:EL,AZ:EL...: {why}") from None


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
    horizon: Annotated[
        Any,
        typer.Option(parser=_horizon, metavar="AZ:EL,...", help="How high hills reach: straight lines between points."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print them.")] = Form.TABLE,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a chart of the sky and a timeline of the days as SVG, too."),
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """List the passes to come: when, from where to where, how high, and whether the satellite is lit."""
    source: Source
    if files := [*(elements or []), *(more or [])]:
        if station is None:
            raise typer.BadParameter(
                "is needed together with --elements, such as 30.27,120.15,20", param_hint="--station"
            )
        source = Files(files, station, start or SystemClock().now(), hours, min_elevation_deg, horizon or ())
    else:
        if station is not None or start is not None or horizon:
            raise typer.BadParameter(
                "--station, --start and --horizon need --elements: the daemon knows where and when it is"
            )
        source = Running(socket, hours, min_elevation_deg)
    print_passes(source.passes(), Form.JSON if as_json else form)
    if plot is not None:
        write_plot(source, plot)


class Source(Protocol):
    """What knows of passes."""

    def passes(self) -> list[dict[str, Any]]: ...

    def chart(self) -> skyplot.Chart: ...


@dataclass(frozen=True, slots=True)
class Files:
    """Element files over degrees north, degrees east, metres. Raises ElementsError, and Refusal outside the tables."""

    files: Sequence[Path]
    place: tuple[float, float, float]
    start: datetime
    hours: float
    min_elevation_deg: float
    horizon: tuple[tuple[float, float], ...] = ()

    def passes(self) -> list[dict[str, Any]]:
        """Passes of all sets, as JSON values."""
        from fleetd.orbit.passes import pass_json

        return [pass_json(sat_pass) for sat_pass in self._search()[0]]

    def chart(self) -> skyplot.Chart:
        """Their lines in the sky, as JSON values."""
        from fleetd.clock import iso_ms
        from fleetd.orbit.skytrack import sky_tracks

        found, sets, station, end = self._search()
        tracks = [
            {"satellite": track.satellite, "begin": iso_ms(track.begin), "points": track.points}
            for track in sky_tracks(found, sets, station, self.start, end)
        ]
        return {"station": station.name, "horizon_deg": self.horizon, "tracks": tracks}

    def _search(self) -> tuple[Any, Any, Any, datetime]:
        from fleetd.orbit.elements import read_elements
        from fleetd.orbit.passes import HorizonMask, find_passes
        from fleetd.orbit.station import Station

        sets = [each for file in self.files for each in read_elements(file)]
        station = Station(f"{self.place[0]:g},{self.place[1]:g}", *self.place)
        end = self.start + timedelta(hours=self.hours)
        mask = HorizonMask(self.horizon) if self.horizon else None
        return find_passes(sets, [station], self.start, end, self.min_elevation_deg, mask), sets, station, end


@dataclass(frozen=True, slots=True)
class Running:
    """A running daemon. Raises Unreachable and Refusal."""

    socket: Path
    hours: float
    min_elevation_deg: float

    def passes(self) -> list[dict[str, Any]]:
        """Passes as the daemon sees them, in the same form."""
        found: list[dict[str, Any]] = self._ask("passes", hours=self.hours)
        return [each for each in found if each["max_elevation_deg"] >= self.min_elevation_deg]

    def chart(self) -> skyplot.Chart:
        """Their lines in the sky."""
        chart = self._ask("passes/chart", hours=self.hours)
        high = [track for track in chart["tracks"] if skyplot.highest_deg(track) >= self.min_elevation_deg]
        return {**chart, "tracks": high}

    def _ask(self, what: str, **query: float) -> Any:
        from fleetd.cli.api import Daemon

        return Daemon(self.socket).get(what, **query)


def write_plot(source: Source, file: Path) -> None:
    """Raises ConfigError where the file cannot be written."""
    text = skyplot.svg_text(source.chart())
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None


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
