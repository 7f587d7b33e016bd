"""The device suite on hardware that is named on the command line; here a sim behind TCP stands in for it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fleetd.clock import SystemClock
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench

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
async def test_hardware_is_read_and_moves_only_while_somebody_watches() -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("easycomm2", BUILD, 0, catalogue.Bus("tcp"))
        device = f"easycomm2=tcp://{(await bench.tcp(sim)).address}"
        axis = sim.model.azimuth  # type: ignore[attr-defined]
        said = await suite("--device", device)
        assert "would move: watch it and say --i-am-watching" in said
        assert f"PASSED {SUITE}::test_where_is_within_the_limits_and_moves_nothing" in said
        assert axis.position_deg == 77.0
        said = await suite("--device", device, "--i-am-watching", "--device-set", "azimuth_max_deg=80")
        assert "failed" not in said
        assert axis.position_deg != 77.0
        assert not sim.violations


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "complaint"),
    [("toaster=tcp://127.0.0.1:1", "no such rotator or rig driver"), ("gs232b", "write it as NAME=VALUE")],
)
async def test_a_device_that_is_misspelt_is_named(device: str, complaint: str) -> None:
    assert complaint in await suite("--device", device)
