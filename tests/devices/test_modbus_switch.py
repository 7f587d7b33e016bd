"""The switch on a relay board: set, read back from its contact, and what a relay that sticks looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from farend import EagerClock, Far, Kind, far_end

from fleetd.devices import Switch, load_driver
from fleetd.errors import ConfigError, DeviceError
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_hil.sims.modbus_switch import ModbusSwitchUnit

KIND = Kind("modbus-switch", 19_200, ("modbus+rtu", "modbus+tcp", "modbus+rtuovertcp"))
SPEC = load_driver("modbus-switch")
ROOT = Path(__file__).parents[2]


def unit_of(far: Far) -> ModbusSwitchUnit:
    unit = far.sim.units[1]  # type: ignore[index]
    assert isinstance(unit, ModbusSwitchUnit)
    return unit


@pytest.mark.parametrize("medium", KIND.media)
async def test_it_is_set_and_its_contact_read_back(medium: str) -> None:
    clock = EagerClock()
    async with far_end(KIND, medium, clock) as far:
        async with SPEC.connect(Ports(), parse_link(far.url), SPEC.settings(), clock) as switch:
            assert isinstance(switch, Switch)
            assert await switch.is_on() is False
            for on in (True, True, False):
                await switch.turn(on=on)
                await clock.sleep(0.05)
                assert await switch.is_on() is on
                assert unit_of(far).output is on
        assert not far.sim.violations


async def test_a_relay_that_sticks_is_seen() -> None:
    clock = EagerClock()
    async with far_end(KIND, "modbus+tcp", clock) as far:
        far.break_("stuck-relay")
        async with SPEC.connect(Ports(), parse_link(far.url), SPEC.settings(), clock) as switch:
            await switch.turn(on=True)
            await clock.sleep(0.05)
            assert unit_of(far).output is True
            assert await switch.is_on() is False


async def test_connecting_and_leaving_moves_nothing() -> None:
    clock = EagerClock()
    async with far_end(KIND, "modbus+tcp", clock) as far:
        unit_of(far).output = True
        for _ in range(2):
            async with SPEC.connect(Ports(), parse_link(far.url), SPEC.settings(), clock) as switch:
                assert await switch.is_on() is True
        assert unit_of(far).output is True


async def test_a_silent_board_is_named() -> None:
    clock = EagerClock()
    async with far_end(KIND, "modbus+tcp", clock) as far:
        far.break_("drop")
        with pytest.raises(DeviceError, match=r"no answer|silent"):
            async with SPEC.connect(Ports(), parse_link(far.url), SPEC.settings(timeout_ms=40), clock):
                pass


async def test_without_a_contact_the_output_is_read_and_a_map_of_something_else_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "configs/register-maps/modbus-switch.yaml").read_text()
    bare = "\n".join(line for line in text.splitlines() if "name: contact" not in line and "discrete:" not in line)
    bare = bare.replace(", contact: true", "").replace(", contact: false", "")
    own = tmp_path / "own.yaml"
    own.write_text(bare)
    clock = EagerClock()
    async with far_end(KIND, "modbus+tcp", clock) as far:
        far.break_("stuck-relay")
        async with SPEC.connect(Ports(), parse_link(far.url), SPEC.settings(map=str(own)), clock) as switch:
            await switch.turn(on=True)
            assert await switch.is_on() is True
        with pytest.raises(ConfigError, match="describes no switch"):
            async with SPEC.connect(Ports(), parse_link(far.url), SPEC.settings(map="ups"), clock):
                pass
