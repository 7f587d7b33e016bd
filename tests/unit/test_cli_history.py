"""`fleetctl history`: the archive's file without a daemon, the daemon's answers, and every form of writing them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli_online import FakeDaemon, daemon, fleetctl  # noqa: F401  # the fixture
from typer.testing import CliRunner, Result

from fleetd.archive.archive import Archive
from fleetd.archive.settings import ArchiveSettings
from fleetd.cli.app import app
from fleetd.cli.plot import draw, svg
from fleetd.cli.times import parse_length, parse_when
from fleetd.clock import VirtualClock
from fleetd.errors import Refusal
from fleetd.records import Event, Quality, Reading

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
ANSWER = {
    "device": "robot-17",
    "values": ["soc", "mode"],
    "truncated": False,
    "points": [
        ["2026-11-11T12:00:00.000Z", "GOOD", True, 80.5, "idle"],
        ["2026-11-11T12:00:01.000Z", "STALE", True, None, "idle"],
        ["2026-11-11T12:00:02.000Z", "GOOD", True, 79.5, "driving"],
    ],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one robot's hour."""
    folder = tmp_path_factory.mktemp("archive")

    async def fill() -> None:
        async with Archive.open(folder, VirtualClock(NOON), ArchiveSettings()) as archive:
            minutes = range(60)
            await archive.take([reading(minute) for minute in minutes])
            await archive.take([Event(at=NOON, source="relay", name="gap", text="3 records were dropped")])

    def reading(minute: int) -> Reading:
        at = NOON + timedelta(minutes=minute)
        return Reading(at=at, device="robot-17", quality=Quality.GOOD, values={"soc": 80 - minute / 4, "mode": "idle"})

    asyncio.run(fill())
    return folder / "archive.db"


def on_file(file: Path, *words: str) -> Result:
    span = ("--since", "2026-11-11T12:30:00Z", "--until", "2026-11-11T12:33:00Z")
    return CliRunner().invoke(app, ["history", *words, *span, "--archive", str(file)])


def test_the_file_is_read_without_a_daemon(file: Path) -> None:
    found = json.loads(on_file(file, "robot-17", "soc", "--json").stdout)
    assert [point[3] for point in found["points"]] == [72.5, 72.25, 72.0]
    table = on_file(file, "robot-17", "soc", "mode").stdout
    assert "72.25" in table
    assert "idle" in table
    holdings = json.loads(on_file(file, "robot-17", "--json").stdout)
    assert (holdings["values"], holdings["readings"]) == (["soc", "mode"], 60)
    words = ["history", "--kind", "event", "--since", "2026-11-01T00:00:00Z", "--archive", str(file)]
    assert "3 records were dropped" in CliRunner().invoke(app, words).stdout


def test_csv_is_csv_and_goes_to_a_file_where_one_is_named(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "soc.csv"
    assert on_file(file, "robot-17", "soc", "--format", "csv", "--output", str(target)).exit_code == 0
    rows = list(csv.reader(io.StringIO(target.read_text())))
    assert rows == [
        ["at", "quality", "clock_synced", "soc"],
        ["2026-11-11T12:30:00.000Z", "GOOD", "True", "72.5"],
        ["2026-11-11T12:31:00.000Z", "GOOD", "True", "72.25"],
        ["2026-11-11T12:32:00.000Z", "GOOD", "True", "72.0"],
    ]


def test_parquet_is_read_back_with_its_types(file: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is the extra 'parquet'")
    target = tmp_path / "soc.parquet"
    assert on_file(file, "robot-17", "soc", "mode", "--format", "parquet", "--output", str(target)).exit_code == 0
    table = parquet.read_table(target).to_pydict()
    assert table["at"][0] == NOON + timedelta(minutes=30)
    assert (table["soc"], table["mode"]) == ([72.5, 72.25, 72.0], ["idle"] * 3)
    assert on_file(file, "robot-17", "soc", "--format", "parquet").exit_code == 2  # to a terminal: no


def test_plots_on_the_terminal_and_as_svg(file: Path, tmp_path: Path) -> None:
    drawn = on_file(file, "robot-17", "soc", "mode", "--plot")
    assert drawn.exit_code == 0
    assert "mode: no numbers in that time" in drawn.stdout
    assert any("\u2800" < character <= "\u28ff" for character in drawn.stdout)
    assert "72.5" in drawn.stdout
    picture = tmp_path / "soc.svg"
    assert on_file(file, "robot-17", "soc", "--svg", str(picture)).exit_code == 0
    [line] = ET.fromstring(picture.read_text()).findall("{http://www.w3.org/2000/svg}polyline")
    assert len(str(line.get("points")).split()) == 3


def test_the_daemon_is_asked_in_its_own_time(daemon: FakeDaemon) -> None:  # noqa: F811
    daemon.will("GET", "/v1/status", {"at": "2026-11-11T12:00:00.000Z"})
    target = (
        "/v1/history/robot-17?values=soc%2Cmode&most=100000"
        "&since=2026-11-11T10%3A00%3A00.000Z&until=2026-11-11T12%3A01%3A00.000Z"
    )
    daemon.will("GET", target, ANSWER)
    words = ["history", "robot-17", "soc", "mode", "--since", "2h"]
    assert json.loads(fleetctl(daemon, *words, "--json").stdout) == ANSWER
    lines = fleetctl(daemon, *words).stdout.splitlines()
    assert lines[0].split() == ["at", "quality", "soc", "mode"]
    assert lines[-1].split() == ["2026-11-11T12:00:02.000Z", "GOOD", "79.5", "driving"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["history"], "name a device"),
        (["history", "r", "soc", "--since", "yesterday", "--archive", "x"], "no ISO 8601 time"),
        (["history", "r", "soc", "--since", "1h", "--until", "2h", "--archive", "x"], "is not before"),
    ],
)
def test_wrong_usage_is_told(words: list[str], why: str) -> None:
    result = CliRunner().invoke(app, words if "--archive" in words else [*words, "--archive", "x"])
    assert (result.exit_code, why in result.stderr) == (2, True)


def test_a_missing_file_is_told() -> None:
    result = CliRunner().invoke(app, ["history", "r", "soc", "--archive", "/nowhere/archive.db"])
    assert (result.exit_code, "there is no archive" in result.stderr) == (1, True)


def test_lengths_of_time() -> None:
    cases = {"90s": 90, "30m": 1800, "1h30m": 5400, "7d": 604_800, "0.5h": 1800, "1w": 604_800}
    assert {text: parse_length(text).total_seconds() for text in cases} == cases
    assert parse_when("2h", NOON) == NOON - timedelta(hours=2)
    assert parse_when("2026-11-11T12:00:00Z", NOON) == NOON
    for wrong in ("", "h", "2", "2x", "2h?", "99999999999999999999d", "now"):
        with pytest.raises(Refusal):
            parse_length(wrong)
        with pytest.raises(Refusal):
            parse_when(wrong, NOON)


@given(
    points=st.lists(st.tuples(st.floats(0, 4e9), st.floats(-1e300, 1e300)), min_size=1, max_size=50),
    columns=st.integers(1, 300),
)
def test_any_course_can_be_drawn(points: list[tuple[float, float]], columns: int) -> None:
    lines = list(draw(points, columns))
    assert len(lines) == 13
    assert "polyline" in svg("<title>", {"a & b": points})
