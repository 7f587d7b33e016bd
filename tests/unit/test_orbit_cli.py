"""`fleetctl passes` without a daemon: the four forms, and what bad input gets."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner, Result

from fleetd.cli import passes, passforms, skyplot
from fleetd.cli.app import Commands

CONFIGS = Path(__file__).parents[2] / "configs" / "elements"
CANDY_TIN, TMALL = CONFIGS / "candy-tin.json", CONFIGS / "tmall-international.json"
DAY = ["--station", "30.27,120.15,20", "--start", "2026-11-11T00:00:00Z", "--hours", "24", "--min-elevation", "10"]
NOW = datetime(2026, 11, 11, 3, 0, tzinfo=UTC)

app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(passes.passes)


@app.callback()
def _program() -> None:
    pass


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["passes", *map(str, arguments)], env={"TZ": "Asia/Shanghai", "COLUMNS": "200"})


def found(*arguments: object) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    passes_found: list[dict[str, Any]] = json.loads(result.stdout)
    return passes_found


def test_json_has_the_fixed_keys_and_times_in_milliseconds() -> None:
    first = found("--elements", CANDY_TIN, *DAY)[0]
    assert first["aos"] == "2026-11-11T01:28:05.356Z"
    assert first["norad_id"] == 999_100_101
    assert first["station"] == "30.27,120.15"
    assert {"satellite", "culmination", "los", "max_elevation_deg", "aos_azimuth_deg", "culmination_azimuth_deg",
            "los_azimuth_deg", "sunlit"} <= first.keys()  # fmt: skip
    assert (
        run("--elements", CANDY_TIN, *DAY, "--format", "json").stdout
        == run("--elements", CANDY_TIN, *DAY, "--json").stdout
    )


def test_several_files_after_one_option_or_several() -> None:
    together = found("--elements", CANDY_TIN, TMALL, *DAY)
    assert together == found("--elements", CANDY_TIN, "--elements", TMALL, *DAY)
    assert {each["norad_id"] for each in together} == {999_100_101, 999_100_102}
    assert [each["aos"] for each in together] == sorted(each["aos"] for each in together)


def test_table_speaks_of_the_compass_and_both_times() -> None:
    result = run("--elements", CANDY_TIN, *DAY)
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if "03:06:28" in line)
    assert "rises WSW" in line
    assert "sets NNE" in line
    assert "38° at 03:10:11" in line
    assert "7 min 27 s" in line
    assert run("--elements", CANDY_TIN, *DAY[:-1], "89.9").stdout == "no pass in this window\n"


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(run("--elements", CANDY_TIN, *DAY, "--format", "csv").stdout)))
    plain = found("--elements", CANDY_TIN, *DAY)
    assert [row["aos"] for row in rows] == [each["aos"] for each in plain]
    assert [float(row["max_elevation_deg"]) for row in rows] == [each["max_elevation_deg"] for each in plain]
    assert rows[0]["sunlit"] == "true"


def test_calendar_is_of_whole_short_lines() -> None:
    text = run("--elements", TMALL, *DAY, "--format", "ics").stdout
    lines = text.replace("\r\n", "\n").split("\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert all(len(line.encode()) <= 75 for line in lines)
    assert "DTSTART:20261111T031935Z" in lines
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == len(found("--elements", TMALL, *DAY))
    folded = passforms.ics_text([found("--elements", TMALL, *DAY)[0] | {"satellite": "é" * 90 + ",;\\\n"}], NOW)
    assert all(len(line.encode()) <= 75 for line in folded.split("\r\n"))
    assert "\\,\\;\\\\" in folded.replace("\r\n ", "")


def test_countdown_and_words() -> None:
    plain = found("--elements", CANDY_TIN, *DAY)
    assert list(passforms.countdown(plain, NOW)) == ["next: CANDY TIN (REFERENCE ORBIT) rises WSW in 6 min 29 s"]
    now, following = passforms.countdown(plain, NOW + timedelta(minutes=10))
    assert now == "now: CANDY TIN (REFERENCE ORBIT) is up, sets NNE in 3 min 56 s"
    assert following.startswith("next: CANDY TIN (REFERENCE ORBIT) rises NW in 6 h 38 min")
    assert list(passforms.countdown(plain, NOW + timedelta(days=2))) == []
    assert [passforms.wind(azimuth) for azimuth in (0, 11, 12, 180, 348.7, 348.8, 359.9)] == [
        "N", "N", "NNE", "S", "NNW", "N", "N",
    ]  # fmt: skip
    assert passforms.span(timedelta(days=2, hours=3, minutes=4)) == "2 d 3 h"
    assert passforms.light({"sunlit": True, "sun_elevation_deg": -10.0}) == "visible"
    assert passforms.light({"sunlit": True, "sun_elevation_deg": 10.0}) == "sunlit"
    assert passforms.light({"sunlit": False}) == "shadow"
    assert passforms.light({"sunlit": None}) == ""


def test_passes_that_the_window_cuts() -> None:
    cut = ["--station", "30.27,120.15,20", "--start", "2026-11-11T03:10:00Z", "--hours", "0.02"]
    (only,) = found("--elements", CANDY_TIN, *cut)
    assert (only["aos"], only["los"], only["aos_azimuth_deg"]) == (None, None, None)
    table = run("--elements", CANDY_TIN, *cut).stdout
    assert "up already" in table
    assert "still up" in table
    for form in ("csv", "ics"):
        assert run("--elements", CANDY_TIN, *cut, "--format", form).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--elements", "nowhere.json", *DAY], 1, "nowhere.json: cannot be read: No such file"),
        (["--elements", CONFIGS / "README.md", *DAY], 1, "README.md:1: is neither OMM"),
        (["--elements", CANDY_TIN], 2, "is needed together with --elements"),
        (["--elements", CANDY_TIN, "--station", "91,0,0"], 2, "latitude is -90 to 90"),
        (["--elements", CANDY_TIN, "--station", "here"], 2, "is not LAT,LON,ALT_M"),
        (["--elements", CANDY_TIN, "--station", "1,nan,3"], 2, "longitude -180 to 180"),
        (["--elements", CANDY_TIN, *DAY, "--start", "2026-11-11"], 2, "has no zone"),
        (["--elements", CANDY_TIN, *DAY, "--start", "tomorrow"], 2, "is no ISO 8601 time"),
        (["--elements", CANDY_TIN, *DAY, "--hours", "0"], 2, "--hours"),
        (["--elements", CANDY_TIN, *DAY, "--hours", "nan"], 2, "--hours"),
        (["--elements", CANDY_TIN, *DAY, "--min-elevation", "91"], 2, "--min-elevation"),
        (["--elements", CANDY_TIN, *DAY, "--format", "xml"], 2, "--format"),
        (["--elements", CANDY_TIN, *DAY, "--start", "1969-07-20T20:17:40Z"], 1, "passes can be computed from 1980"),
        (["--elements", CANDY_TIN, *DAY, "--horizon", "0:5,0:7"], 2, "azimuths that rise from 0"),
        (["--elements", CANDY_TIN, *DAY, "--horizon", "high"], 2, "such as 0:5,90:12,200:3"),
        (["--station", "1,2,3"], 2, "need --elements"),
        (["--socket", "/nowhere/control.sock"], 3, "not reachable"),
    ],
)
def test_bad_input_is_one_line_and_a_code(arguments: list[object], code: int, words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """`fleetctl` must feel instant: neither the command nor a search needs Skyfield or pydantic."""
    code = (
        "import sys; import fleetd.cli.passes; assert 'numpy' not in sys.modules; import fleetd.orbit.passes; "
        "heavy = {'skyfield', 'jplephem', 'pydantic', 'aiohttp', 'rich'} & sys.modules.keys(); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plot_draws_each_pass_in_the_sky_and_on_its_day(tmp_path: Path) -> None:
    file = tmp_path / "week.svg"
    assert run("--elements", CANDY_TIN, TMALL, *DAY, "--horizon", "0:5,90:30", "--plot", file).exit_code == 0
    picture = ET.fromstring(file.read_text(encoding="utf-8"))
    plain = found("--elements", CANDY_TIN, TMALL, *DAY, "--horizon", "0:5,90:30")
    lines = picture.findall("{*}polyline")
    assert len(lines) == len(picture.findall("{*}rect")) - 1 - 2 == len(plain)  # less the paper and the legend
    assert len(picture.findall("{*}polygon")) == 1
    for line, each in zip(lines, plain, strict=True):
        title = line.findtext("{*}title")
        when = each["aos"][:19].replace("T", " ")
        assert title == f"{each['satellite']}, {when} UTC, up to {each['max_elevation_deg']:.0f}°"
        # The first point lies where it rises, on a chart with the zenith in the middle and north up.
        x, y = map(float, line.attrib["points"].split()[0].split(","))
        away, azimuth = math.hypot(x - 290, y - 350), math.radians(each["aos_azimuth_deg"])
        assert (x - 290, 350 - y) == pytest.approx((away * math.sin(azimuth), away * math.cos(azimuth)), abs=0.2)
    assert run("--elements", CANDY_TIN, *DAY, "--min-elevation", "89.9", "--plot", file).exit_code == 0
    assert "polyline" not in file.read_text(encoding="utf-8")


def test_names_from_a_file_stay_text_in_a_plot() -> None:
    track = {"satellite": "<script>", "begin": "2026-11-11T03:00:00Z", "points": [(0, 1, 2), (60, 2, 3)]}
    text = skyplot.svg_text({"station": "a & b", "horizon_deg": (), "tracks": [track]})
    assert "<script>" not in text
    assert ET.fromstring(text).findtext("{*}title") == "Passes over a & b"


def test_hills_hide_what_is_behind_them() -> None:
    free = found("--elements", CANDY_TIN, *DAY)
    behind = found("--elements", CANDY_TIN, *DAY, "--horizon", "0:30")
    assert len(behind) < len(free)
    assert all(each["max_elevation_deg"] > 30 for each in behind)
