"""What is peculiar to a servo on Modbus registers: its map, whole targets, lost encoders, a stop that is seen."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from farend import EagerClock, connected, far_end
from rotators import KINDS, on_bench

from fleetd.devices import AzEl
from fleetd.errors import BadReply, ConfigError, Declined
from fleetd.registers.loader import load_map, map_path

[KIND] = (kind for kind in KINDS if kind.name == "servo-rotator")


def pdus(heard: list[bytes]) -> list[bytes]:
    """The requests that reached the sim over TCP, less their headers."""
    return [data[7:] for data in heard]


async def test_both_targets_go_out_in_one_request() -> None:
    async with on_bench(KIND, "modbus+tcp", EagerClock(), {}) as seat:
        await seat.driver.point(AzEl(-90.5, 45.25))
        # Function 16, address 0, four registers, eight bytes (Modbus application protocol V1.1b3, 6.12).
        assert pdus(seat.bench.heard)[-1] == struct.pack(">BHHBii", 16, 0, 4, 8, -90_500, 45_250)
        assert await seat.arrives(AzEl(-90.5, 45.25))


async def test_the_limits_are_those_of_the_map() -> None:
    async with on_bench(KIND, "modbus+tcp", EagerClock(), {}) as seat:
        limits = seat.limits
        assert (limits.azimuth_min_deg, limits.azimuth_max_deg, limits.elevation_max_deg) == (-180.0, 540.0, 180.0)
        assert limits.resolution_deg == 0.001


async def test_a_lost_encoder_is_no_direction() -> None:
    async with on_bench(KIND, "modbus+tcp", EagerClock(), {}) as seat:
        seat.bench.break_("encoder-lost")
        with pytest.raises(BadReply, match="gives no azimuth_deg: no reading of the azimuth encoder"):
            await seat.driver.where()
        seat.bench.sim.faults.clear("encoder-lost")
        assert await seat.driver.where() == AzEl(100.0, 20.0)


async def test_a_stop_is_seen_in_force_or_reported() -> None:
    async with on_bench(KIND, "modbus+tcp", EagerClock(), {}) as seat:
        await seat.driver.point(AzEl(300.0, 60.0))
        seat.bench.break_("deaf-stop")
        with pytest.raises(BadReply, match="a stop was written, and pursuing did not become so"):
            await seat.driver.stop()
        seat.bench.sim.faults.clear("deaf-stop")
        await seat.driver.stop()


async def test_an_exception_is_the_controllers_no() -> None:
    async with on_bench(KIND, "modbus+tcp", EagerClock(), {}, {"azimuth_max_deg": 200.0}) as seat:
        with pytest.raises(Declined, match="exception 3, illegal data value"):
            await seat.driver.point(AzEl(300.0, 60.0))
        assert seat.bench.sim.faults.value("seized", 0.0) is None


async def test_another_device_is_not_taken_for_it(tmp_path: Path) -> None:
    own = tmp_path / "other.yaml"
    text = map_path("servo-rotator").read_text().replace("equals: 21330", "equals: 4711")
    own.write_text(text)
    async with far_end(KIND, "modbus+tcp", EagerClock()) as far:
        with pytest.raises(BadReply, match="is no servo-rotator: its map_id is 21330, not 4711"):
            async with connected(KIND, far.url, {"map": str(own)}, EagerClock()):
                pass


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("target_azimuth_deg", "goal_azimuth_deg"), "describes no rotator: it lacks target_azimuth_deg$"),
        (("stop: {write: stop_now, verify: {pursuing: false}}", ""), "it lacks a stop section$"),
        ((", minimum: -180.0, maximum: 540.0", ""), "target_azimuth_deg needs a minimum and a maximum"),
        (
            (
                "name: target_elevation_deg, table: holding, address: 2",
                "name: target_elevation_deg, table: holding, address: 4",
            ),
            "target_elevation_deg must be the holding register behind target_azimuth_deg",
        ),
    ],
)
async def test_a_map_that_describes_no_rotator_is_refused(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    own = tmp_path / "own.yaml"
    text = map_path("servo-rotator").read_text().replace(*change)
    samples = text.index("samples:")
    plain = "samples:\n  - about: the mark alone\n    input: {0: [0x5352]}\n    values: {map_id: 21330}\n"
    own.write_text(text[:samples] + plain)
    async with far_end(KIND, "modbus+tcp", EagerClock()) as far:
        with pytest.raises(ConfigError, match=complaint):
            async with connected(KIND, far.url, {"map": str(own)}, EagerClock()):
                pass


async def test_a_map_of_ones_own_without_elevation(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    lines = map_path("servo-rotator").read_text().splitlines()
    kept = [line for line in lines if "name: elevation_deg" not in line and "name: target_elevation_deg" not in line]
    text = "\n".join(kept)
    plain = "samples:\n  - about: the mark alone\n    input: {0: [0x5352]}\n    values: {map_id: 21330}\n"
    own.write_text(text[: text.index("samples:")] + plain)
    async with (
        far_end(KIND, "modbus+tcp", EagerClock()) as far,
        connected(KIND, far.url, {"map": str(own)}, EagerClock()) as driver,
    ):
        assert await driver.where() == AzEl(100.0, 0.0)
        assert driver.limits.elevation_max_deg == 0.0
        with pytest.raises(Declined, match="illegal data address"):  # half a target, for this controller
            await driver.point(AzEl(120.0, 0.0))
        assert "half a target" in next(iter(far.sim.violations))


def test_the_map_says_what_it_is() -> None:
    assert "No controller of any maker" in load_map("servo-rotator").about
