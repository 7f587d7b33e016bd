"""Which limits a site file and the register maps give to which device, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetd.config.site import Site, load_site
from fleetd.daemon.limits import limits_of
from fleetd.errors import ConfigError

BASE = """\
site: test
station: {latitude_deg: 30.0, longitude_deg: 120.0, altitude_m: 20.0}
store: {path: store}
relay: {brokers: ["mqtt://127.0.0.1:1883"]}
satellites:
  - {name: tin, norad_id: 999100101, elements: [tin.json]}
devices:
  - {name: robot-01, driver: little-donkey, link: "modbus+tcp://10.0.0.1", settings: {unit: 1}}
  - {name: robot-02, driver: little-donkey, link: "modbus+tcp://10.0.0.2", settings: {unit: 1}}
  - {name: weather, driver: weather-station, link: "modbus+tcp://10.0.0.3", settings: {unit: 1}}
"""


def site(folder: Path, alarms: str = "") -> Site:
    (folder / "tin.json").write_text("[]")
    (folder / "site.yaml").write_text(f"{BASE}alarms: {alarms or '{}'}\n")
    return load_site(folder / "site.yaml")


def test_maps_bring_limits_with_their_units(tmp_path: Path) -> None:
    found = limits_of(site(tmp_path))
    assert sorted(found) == ["robot-01", "robot-02"]
    alarms = {(watched.alarm, watched.unit) for watched in found["robot-01"]}
    assert ("battery-charge-percent-low", "%") in alarms
    assert limits_of(site(tmp_path, "{map_limits: false}")) == {}


def test_a_limit_of_the_site_stands_in_for_the_map_s_of_that_alarm(tmp_path: Path) -> None:
    limit = '{limits: [{device: "robot-*", value: battery_charge_percent, below: 30.0}]}'
    found = limits_of(site(tmp_path, limit))
    for name in ("robot-01", "robot-02"):
        battery = [watched for watched in found[name] if watched.value == "battery_charge_percent"]
        assert [(watched.limit.below, watched.unit) for watched in battery] == [(30.0, "%")]
        assert any(watched.alarm == "state-faulty" for watched in found[name])


def test_a_satellite_s_telemetry_has_limits_too(tmp_path: Path) -> None:
    found = limits_of(site(tmp_path, "{limits: [{device: tin, value: bus_voltage_v, below: 6.5}]}"))
    assert [watched.alarm for watched in found["tin"]] == ["bus-voltage-v-low"]


@pytest.mark.parametrize(
    ("limit", "complaint"),
    [
        ("{device: robot-9, value: x, below: 1.0}", r"alarms\.limits\.0\.device: there is no device or satellite"),
        ("{device: weather, value: wind_gust, above: 1.0}", "weather has no value 'wind_gust', perhaps wind_gust_m_s"),
        ("{device: weather, value: wind_gust_m_s}", "exactly one of above, below and equals"),
        ("{device: weather, value: wind_gust_m_s, above: 1.0, severity: bad}", "severity"),
    ],
)
def test_a_wrong_limit_is_told_at_its_place(tmp_path: Path, limit: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        site(tmp_path, f"{{limits: [{limit}]}}")
