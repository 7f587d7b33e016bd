"""`fleetctl history`: what was, from the daemon's archive or, without a daemon, from its file."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket
from fleetd.errors import Refusal


class Form(StrEnum):
    """How the course of values is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def history(
    device: Annotated[str | None, typer.Argument(help="Device, unless records of all are wanted.")] = None,
    values: Annotated[list[str] | None, typer.Argument(help="Names of its values.", show_default=False)] = None,
    since: Annotated[str, typer.Option(help="How long ago, as in 90s, 2h or 7d; or a time.")] = "1d",
    until: Annotated[str, typer.Option(help="The same; now, unless given.")] = "",
    plot: Annotated[bool, typer.Option("--plot", help="Draw each value in the terminal.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw the values into this SVG file.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to write them; Parquet needs --output.")] = Form.TABLE,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Records in place of values: event, alarm, result, contact or status; repeatable."),
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="At most so many, the newest; a daemon gives up to 250,000.")
    ] = 100_000,
    archive: Annotated[Path | None, typer.Option(help="Read this archive file, without a daemon.")] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Show what was: the course of values of a device, or the records of a time.

    With a device and no values: what there is of it.
    """
    source = _File(archive) if archive else _Running(socket)
    span = _span(since, until, source.now())
    if kind:
        found = source.records(kind, device or "", span, min(most, 100_000))
        _print_records(found, as_json=as_json or form is Form.JSON)
    elif device is None:
        raise Refusal("usage", "name a device, or with --kind what kind of records")
    elif not values:
        _print_holdings(source.holdings(device), as_json=as_json)
    else:
        answer = source.history(device, values, span, most)
        _draw(answer, plot=plot, svg=svg) if plot or svg else _write(answer, Form.JSON if as_json else form, output)
        if answer["truncated"]:
            screen.complain(f"there is more; these are the newest {most}")


class _Running:
    """The archive of a running daemon."""

    def __init__(self, socket: Path) -> None:
        from fleetd.cli.api import Daemon

        self._daemon = Daemon(socket)

    def now(self) -> datetime:
        """The daemon's own time."""
        from fleetd.clock import parse_utc

        return parse_utc(self._daemon.get("status")["at"])

    def history(self, device: str, values: Sequence[str], span: _Times, most: int) -> dict[str, Any]:
        answer: dict[str, Any] = self._daemon.get("history", device, values=",".join(values), most=most, **span)
        return answer

    def holdings(self, device: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._daemon.get("history", device)
        return answer

    def records(self, kinds: Sequence[str], device: str, span: _Times, most: int) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._daemon.get(
            "records", kinds=",".join(kinds), device=device, most=most, **span
        )
        return answer


class _File:
    """An archive's file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        from fleetd.clock import SystemClock

        return SystemClock().now()

    def history(self, device: str, values: Sequence[str], span: _Times, most: int) -> dict[str, Any]:
        from fleetd.archive import query

        found = query.history(self._path, device, values, _parsed(span), most)
        answer: dict[str, Any] = json.loads(query.history_json(found))
        return answer

    def holdings(self, device: str) -> dict[str, Any]:
        from msgspec.structs import asdict

        from fleetd.archive import query
        from fleetd.clock import iso_ms

        found = asdict(query.holdings(self._path, device))
        return found | {"first": iso_ms(found["first"]), "last": iso_ms(found["last"])}

    def records(self, kinds: Sequence[str], device: str, span: _Times, most: int) -> list[dict[str, Any]]:
        from fleetd.archive import query

        return [json.loads(body) for body in query.records(self._path, kinds, device, _parsed(span), most)]


_Times = Mapping[str, str]
"""`since` and `until` in ISO 8601."""


def _span(since: str, until: str, now: datetime) -> _Times:
    from fleetd.cli.times import parse_when
    from fleetd.clock import iso_ms

    begin, end = parse_when(since, now), parse_when(until, now) if until else now + timedelta(minutes=1)
    if begin >= end:
        raise Refusal("usage", f"--since {since} is not before --until {until or 'now'}")
    return {"since": iso_ms(begin), "until": iso_ms(end)}


def _parsed(span: _Times) -> Any:
    from fleetd.archive.query import Span
    from fleetd.clock import parse_utc

    return Span(parse_utc(span["since"]), parse_utc(span["until"]))


def _print_holdings(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen.print_json(found)
    else:
        screen.print_facts(found)


def _print_records(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    from fleetd.cli.online import sentence

    if as_json:
        screen.print_json(found)
    for record in () if as_json else found:
        screen.say(sentence(dict(record)))


def _write(answer: Mapping[str, Any], form: Form, output: Path | None) -> None:
    header = ["at", "quality", "clock_synced", *answer["values"]]
    if form is Form.PARQUET:
        _write_parquet(header, answer["points"], output)
        return
    with ExitStack() as stack:
        if output is not None:
            stack.enter_context(redirect_stdout(stack.enter_context(_opened(output))))
        if form is Form.JSON:
            screen.print_json(answer)
        elif form is Form.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerows([header, *answer["points"]])
        else:
            names = [name for name in header if name != "clock_synced"]
            rows = [[at, quality, *values] for at, quality, _, *values in answer["points"]]
            screen.print_table(names, rows, empty="nothing in that time")


def _opened(output: Path) -> TextIO:
    try:
        return output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Refusal("output", f"{output} cannot be written: {error.strerror}") from None


def _write_parquet(header: Sequence[str], points: Sequence[Sequence[Any]], output: Path | None) -> None:
    if output is None:
        raise Refusal("usage", "Parquet goes to a file; name it with --output")
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise Refusal("no-parquet", "Parquet needs pyarrow: pip install 'fleetd[parquet]'") from None
    columns = list(zip(*points, strict=True)) if points else [()] * len(header)
    times = pa.array([datetime.fromisoformat(at) for at in columns[0]], pa.timestamp("ms", tz="UTC"))
    try:
        arrays = [times, *(pa.array(column) for column in columns[1:])]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise Refusal("no-parquet", f"a value that changes its kind has no Parquet column: {error}") from None
    try:
        parquet.write_table(pa.table(arrays, names=list(header)), output)
    except OSError as error:
        raise Refusal("output", f"{output} cannot be written: {error.strerror or error}") from None


def _draw(answer: Mapping[str, Any], *, plot: bool, svg: Path | None) -> None:
    from fleetd.cli import plot as pictures

    courses: dict[str, pictures.Points] = {
        name: list(_course(answer, place)) for place, name in enumerate(answer["values"])
    }
    drawn = {name: points for name, points in courses.items() if points}
    for name in courses.keys() - drawn.keys():
        screen.say(f"{name}: no numbers in that time")
    for name, points in drawn.items() if plot else ():
        screen.say(f"{name} of {answer['device']}")
        for line in pictures.draw(points, shutil.get_terminal_size().columns):
            screen.say(line)
    if svg is not None and drawn:
        try:
            svg.write_text(pictures.svg(f"{answer['device']}: {', '.join(drawn)}", drawn), encoding="utf-8")
        except OSError as error:
            raise Refusal("output", f"{svg} cannot be written: {error.strerror}") from None


def _course(answer: Mapping[str, Any], place: int) -> Iterator[tuple[float, float]]:
    for at, _, _, *values in answer["points"]:
        value = values[place]
        if isinstance(value, bool | int | float):
            yield datetime.fromisoformat(at).timestamp(), float(value)
