"""The driver for whatever is nothing but registers, on the sim of a UPS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleetd.clock import SystemClock
from fleetd.devices import Pollable, Sensor, load_driver
from fleetd.errors import ConfigError, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.modbus_sensor.driver import SPEC, ModbusSensor, ModbusSensorSettings, connect
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.models.ups import UpsModel
from fleetd_hil.sim import Sim


@asynccontextmanager
async def ups(medium: str = "modbus+tcp", timeout_ms: int = 500) -> AsyncIterator[tuple[ModbusSensor, Bench, Sim]]:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("ups", {}, 0, catalogue.Bus("tcp" if medium == "modbus+tcp" else "rtu"))
        port = await (bench.pty(sim) if medium == "modbus+rtu" else bench.tcp(sim))
        settings = ModbusSensorSettings(map="ups", timeout_ms=timeout_ms)
        async with connect(Ports(), parse_link(f"{medium}://{port.address}"), settings, SystemClock()) as driver:
            yield driver, bench, sim


def test_the_driver_is_found_by_its_name_and_wants_a_map() -> None:
    assert load_driver("modbus-sensor") is SPEC
    with pytest.raises(ValueError, match="map"):
        ModbusSensorSettings.model_validate({})


@pytest.mark.parametrize("medium", ["modbus+tcp", "modbus+rtu", "modbus+rtuovertcp"])
async def test_a_ups_is_read_by_its_map(medium: str) -> None:
    async with ups(medium) as (driver, _, _):
        assert isinstance(driver, Sensor)
        assert isinstance(driver, Pollable)
        sample = await driver.read()
    assert sample.absent == {}
    assert sample.values == {
        "battery_charge_percent": 100, "minutes_left_min": 150, "battery_voltage_v": 410, "temperature_c": 22,
        "load_percent": 30,
    }  # fmt: skip


async def test_what_is_not_valid_is_absent_and_never_a_number() -> None:
    async with ups() as (driver, bench, sim):
        bench.inject(sim, "probe-out")
        sample = await driver.read()
    assert sample.values["temperature_c"] is None
    assert sample.absent == {"temperature_c": "not valid"}


async def test_a_silent_ups_is_told() -> None:
    async with ups(timeout_ms=20) as (driver, bench, sim):
        bench.inject(sim, "silent")
        with pytest.raises(ReplyTimeout):
            await driver.read()


async def test_a_map_that_is_not_there_is_a_fault_of_the_configuration() -> None:
    settings = ModbusSensorSettings(map="no-such-map")
    with pytest.raises(ConfigError, match="no-such-map"):
        async with connect(Ports(), parse_link("modbus+tcp://127.0.0.1:1"), settings, SystemClock()):
            pass


def test_a_battery_drains_without_mains_and_fills_with_it() -> None:
    model = UpsModel(load=0.5)
    model.on_mains = False
    model.step(45 * 60)
    assert model.charge == pytest.approx(0.5)
    assert model.minutes_left == pytest.approx(45)
    model.on_mains = True
    model.step(10 * 3600)
    assert model.charge == 1.0
