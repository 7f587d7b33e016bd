"""The device suite on hardware that is named on the command line; here a sim behind TCP stands in for it."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
import sys
from pathlib import Path

import pytest
from hardware import Box, Boxed, Day, LeftTheBox

from fleetd.clock import SystemClock
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Refusal
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.capture.replay import replay

ROOT = Path(__file__).parents[2]
SUITE = "tests/devices/test_rotators.py"
BUILD = {"azimuth_slew_deg_s": 10.0, "elevation_slew_deg_s": 10.0, "start_azimuth_deg": 77.0}


async def suite(*words: str) -> str:
    """What a run of the suite says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", SUITE, *words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode()


@pytest.mark.slow
async def test_hardware_is_read_and_moves_only_while_somebody_watches(tmp_path: Path) -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("easycomm2", BUILD, 0, catalogue.Bus("tcp"))
        device = f"easycomm2=tcp://{(await bench.tcp(sim)).address}"
        axis = sim.model.azimuth  # type: ignore[attr-defined]
        said = await suite("--device", device)
        assert "would move: watch it and say --i-am-watching" in said
        assert f"PASSED {SUITE}::test_where_is_within_the_limits_and_moves_nothing" in said
        assert axis.position_deg == 77.0
        watched = ("--device", device, "--i-am-watching")
        assert "--i-am-watching needs --box=AZ_LO:AZ_HI,EL_LO:EL_HI" in await suite(*watched)
        assert "stands at 77, 0, outside the box" in await suite(*watched, "--box=100:120,0:10")
        assert axis.position_deg == 77.0
        record = ("--record", str(tmp_path), "--unit", "a sim")
        said = await suite(*watched, "--box=70:85,0:10", "--device-set", "azimuth_max_deg=80", *record)
        assert "failed" not in said
        assert axis.position_deg != 77.0
        assert not sim.violations
    [file] = tmp_path.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-easycomm2.jsonl", file.name)
    first, *_, last = map(json.loads, file.read_text().splitlines())
    assert (first["unit"], first["options"]) == ("a sim", {"start_azimuth_deg": 77.0, "start_elevation_deg": 0.0})
    ended = last["outcome"]  # one test is skipped where the device answers faster than it can be cancelled
    assert (last["moved"], ended["passed"] + ended.get("skipped", 0), len(ended) <= 2) == (True, 6, True)
    turned = [float(angle) for angle in re.findall(r'"text": "AZ([\d.]+) EL[\d.]+', file.read_text())]
    assert len(turned) > 3
    assert all(70 <= angle <= 80 for angle in turned)
    quick = ["azimuth_slew_deg_s=10", "elevation_slew_deg_s=10"]
    assert [each.differs for each in replay(file, options=quick) if each.theirs and each.differs] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "complaint"),
    [("toaster=tcp://127.0.0.1:1", "no such rotator or rig driver"), ("gs232b", "write it as NAME=VALUE")],
)
async def test_a_device_that_is_misspelt_is_named(device: str, complaint: str) -> None:
    assert complaint in await suite("--device", device)


class Turntable:
    """A rotator that goes where it is told at once."""

    limits = RotatorLimits(0, 450, 0, 180, 1.0)

    def __init__(self) -> None:
        self.at = AzEl(100, 20)
        self.stops = 0

    async def point(self, to: AzEl, /) -> None:
        self.at = to

    async def where(self) -> AzEl:
        return self.at

    async def stop(self) -> None:
        self.stops += 1


async def test_an_antenna_is_not_sent_out_of_its_box_and_is_stopped_where_it_is_seen_there() -> None:
    table = Turntable()
    boxed = Boxed(table, Box.parse("90:120,-10:40"))
    assert boxed.limits == RotatorLimits(90, 120, 0, 40, 1.0)
    await boxed.point(AzEl(120, 40))
    for outside in (AzEl(121, 20), AzEl(89, 20), AzEl(100, 41), AzEl(float("nan"), 20)):
        with pytest.raises(Refusal):
            await boxed.point(outside)
    assert await boxed.where() == AzEl(120, 40)
    assert table.stops == 0
    table.at = AzEl(124, 40)
    with pytest.raises(LeftTheBox, match="it stands at 124, 40, outside the box"):
        await boxed.where()
    assert table.stops == 1


@pytest.mark.parametrize("text", ["", "1:2", "90:80,0:10", "90:99,0:10", "90:120,0:4", "a:b,c:d"])
def test_a_box_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as AZ_LO:AZ_HI,EL_LO:EL_HI|the suite needs"):
        Box.parse(text)


def test_a_day_comes_onto_the_page_of_supported_devices(tmp_path: Path) -> None:
    page = runpy.run_path(str(ROOT / "docs" / "supported.py"))
    for unit, passed in (("a G-5500", 3), ("a G-5500", 5), ("a clone", 1)):
        day = Day("gs232b", "tcp://127.0.0.1:1", unit, tmp_path, {}, watched=True)
        day.outcome.update({"passed": passed, "failed": 1})
        day.note("passed", moves=unit == "a G-5500")
        day.start_tape({})
        day.end()
    (tmp_path / "other.jsonl").write_text('{"capture": 1, "sim": "gs232b", "device": "no hardware"}\n')
    assert len(list(tmp_path.iterdir())) == 4
    today = f"{SystemClock().now():%Y-%m-%d}"
    assert page["real"](tmp_path) == {
        "gs232b": f"a G-5500: {today}, moved, 1 failed, 6 passed; a clone: {today}, not moved, 1 failed, 2 passed"
    }
