"""The weather station driver against its sim: on the robots' bus and alone, silent, garbled and iced up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleetd.clock import SystemClock
from fleetd.devices import Sensor, load_driver
from fleetd.errors import BadReply, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.weather_station.driver import SPEC, WeatherStation, WeatherStationSettings, connect
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.sim import Sim

UNIT = 10


@asynccontextmanager
async def station(
    timeout_ms: int = 500, medium: str = "modbus+rtu"
) -> AsyncIterator[tuple[WeatherStation, Bench, Sim]]:
    async with Bench.open(SystemClock()) as bench:
        framing = "tcp" if medium == "modbus+tcp" else "rtu"
        sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus(framing, 3, {UNIT: "weather-station"}))  # type: ignore[arg-type]
        port = await (bench.pty(sim) if medium == "modbus+rtu" else bench.tcp(sim))
        url = parse_link(f"{medium}://{port.address}")
        settings = WeatherStationSettings(unit=UNIT, timeout_ms=timeout_ms)
        async with connect(Ports(), url, settings, SystemClock()) as driver:
            yield driver, bench, sim


def test_the_driver_is_found_by_its_name_and_needs_no_actions() -> None:
    assert load_driver("weather-station") is SPEC
    assert (SPEC.capability, dict(SPEC.actions)) == ("sensor", {})


@pytest.mark.parametrize("medium", ["modbus+rtu", "modbus+tcp", "modbus+rtuovertcp"])
async def test_the_weather_is_read_with_units_that_make_sense(medium: str) -> None:
    async with station(medium=medium) as (driver, _, _):
        assert isinstance(driver, Sensor)
        sample = await driver.read()
    assert sample.absent == {}
    values = {name: float(value or 0) for name, value in sample.values.items()}
    assert 0 <= values["wind_speed_average_m_s"] <= values["wind_gust_m_s"] < 40
    assert 0 <= values["wind_direction_deg"] <= 360
    assert 900 < values["pressure_hpa"] < 1100
    assert 0 < values["humidity_percent"] <= 100


async def test_no_value_is_never_a_number() -> None:
    async with station() as (driver, bench, sim):
        bench.inject(sim, f"iced/{UNIT}")
        bench.inject(sim, f"thermometer-out/{UNIT}")
        sample = await driver.read()
    gone = ["wind_direction_deg", "wind_speed_average_m_s", "wind_gust_m_s", "temperature_c"]
    assert sample.absent == dict.fromkeys(gone, "no value")
    assert all(sample.values[name] is None for name in gone)
    assert sample.values["humidity_percent"] is not None


async def test_one_silence_is_asked_over_and_the_answer_is_beyond_doubt() -> None:
    async with station(timeout_ms=40) as (driver, bench, sim):
        bench.inject(sim, f"silent/{UNIT}+0.02")
        sample = await driver.read()
        assert not sample.suspect
        assert sample.values["humidity_percent"] is not None


async def test_one_garbled_answer_is_asked_over() -> None:
    async with station(timeout_ms=40) as (driver, bench, sim):
        bench.inject(sim, f"crc/{UNIT}+0.02")
        assert (await driver.read()).values["humidity_percent"] is not None


async def test_a_silence_that_lasts_is_believed() -> None:
    async with station(timeout_ms=20) as (driver, bench, sim):
        bench.inject(sim, f"silent/{UNIT}")
        with pytest.raises(ReplyTimeout):
            await driver.read()


async def test_garbling_that_lasts_is_told_from_silence() -> None:
    async with station(timeout_ms=40) as (driver, bench, sim):
        bench.inject(sim, f"crc/{UNIT}")
        with pytest.raises(BadReply, match="garbled"):
            await driver.read()
