"""Overlays: what they replace, what they leave alone, and that each fault is told where it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_config_broken import BASE

from fleetd.config.site import Site, load_site
from fleetd.errors import ConfigError


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "tin.json").write_text("[]")
    file = tmp_path / "etc" / "site.yaml"
    file.write_text(BASE)
    return file


def laid_over(site_file: Path, overlay: str) -> Site:
    rig = site_file.parent.parent / "rig.yaml"
    rig.write_text(overlay)
    return load_site(site_file, rig)


def faults_of(site_file: Path, overlay: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        laid_over(site_file, overlay)
    return [problem.replace(f"{site_file.parent.parent}/", "") for problem in caught.value.problems]


def test_a_named_device_moves_and_every_other_stays(site_file: Path) -> None:
    site = laid_over(site_file, "devices: {turner: {link: serial:///dev/pts/7}}\n")
    turner, donkey = site.devices
    assert turner.link == "serial:///dev/pts/7"
    assert turner.driver == "gs232b"
    assert donkey == load_site(site_file).devices[1]


def test_settings_are_laid_over_key_by_key(site_file: Path) -> None:
    site = laid_over(site_file, "devices:\n  donkey: {link: modbus+tcp://127.0.0.1:1502, settings: {poll_s: 0.5}}\n")
    assert (site.devices[1].settings.unit, site.devices[1].settings.poll_s) == (7, 0.5)


def test_another_driver_starts_from_its_own_settings(site_file: Path) -> None:
    overlay = "devices: {donkey: {driver: weather-station, link: modbus+tcp://127.0.0.1:1502, settings: {unit: 3}}}\n"
    device = laid_over(site_file, overlay).devices[1]
    assert type(device.settings) is device.spec.settings
    assert device.spec.name == "weather-station"
    assert device.settings.unit == 3


def test_surroundings_are_replaced_whole_and_their_paths_are_the_overlays(site_file: Path) -> None:
    overlay = """\
store: {path: scratch}
control: {socket: run/control.sock}
relay: {brokers: ["mqtt://127.0.0.1:2883"], protocol: "3.1.1"}
"""
    site = laid_over(site_file, overlay)
    rig = site_file.parent.parent
    assert Path(site.store.path) == rig / "scratch"
    assert site.control.socket == rig / "run" / "control.sock"
    assert site.relay.brokers == ["mqtt://127.0.0.1:2883"]
    assert Path(site.satellites[0].elements[0]) == site_file.parent / "tin.json"


def test_a_named_satellite_has_its_elements_from_elsewhere(site_file: Path) -> None:
    (site_file.parent.parent / "other.json").write_text("[]")
    name = load_site(site_file).satellites[0].name
    site = laid_over(site_file, f"satellites: {{{name}: {{elements: [other.json]}}}}\n")
    assert [Path(source) for source in site.satellites[0].elements] == [site_file.parent.parent / "other.json"]
    assert site.satellites[0].norad_id == load_site(site_file).satellites[0].norad_id


def test_an_empty_overlay_changes_nothing(site_file: Path) -> None:
    assert laid_over(site_file, "# nothing here\n") == load_site(site_file)


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            "devices: {turnip: {link: tcp://127.0.0.1:1}}",
            ["rig.yaml:1:11: devices.turnip: the site has no device 'turnip', perhaps turner; it has donkey, turner"],
        ),
        (
            "devices:\n  turner:\n    link: usb://1\n",
            [
                (
                    "rig.yaml:3:11: devices.turner.link: unknown scheme 'usb'; known are "
                    "serial://, modbus+rtu://, tcp://, modbus+tcp://, modbus+rtuovertcp://"
                )
            ],
        ),
        (
            "devices: {donkey: {settings: {unit: 0.5}}}",
            ["rig.yaml:1:37: devices.donkey.settings.unit: must be a whole number, not 0.5"],
        ),
        (
            "devices: {turner: {link: modbus+tcp://127.0.0.1}}",
            [
                "rig.yaml:1:26: devices.turner.link: the driver gs232b cannot use modbus+tcp://; it takes serial://, tcp://"
            ],
        ),
        (
            "devices: {turner: {driver: little-donkey, link: modbus+tcp://127.0.0.1}}",
            ["etc/site.yaml:11:14: antennas.0.rotator: the device turner is a robot; no device is a rotator"],
        ),
        (
            "devices: {turner: {}}",
            ["rig.yaml:1:19: devices.turner: replaces nothing; give a link, a driver or settings"],
        ),
        (
            "antennas: []",
            ["rig.yaml:1:1: antennas: unknown key; known are devices, satellites, store, control, relay"],
        ),
        (
            "satellites: {moon: {elements: [x.json]}}",
            ["rig.yaml:1:14: satellites.moon: the site has no satellite 'moon'; it has tin"],
        ),
        (
            "satellites: {tin: {elements: [x.json]}}",
            ["rig.yaml:1:31: satellites.tin.elements.0: there is no file x.json; put it there or correct the path"],
        ),
        ("relay: {brokers: []}", ["rig.yaml:1:18: relay.brokers: must hold at least 1, not 0"]),
        ("relay: {}", ["rig.yaml:1:8: relay.brokers: is missing; add it"]),
        (
            "devices: {donkey: {settings: {unti: 1}}}",
            ["rig.yaml:1:31: devices.donkey.settings.unti: unknown key, perhaps unit; known are ..."],
        ),
        ("[devices]", ["rig.yaml:1:1: must be a mapping of keys to values, not a list"]),
    ],
)
def test_a_fault_is_told_where_it_was_written(site_file: Path, overlay: str, expected: list[str]) -> None:
    found = [line.split("known are unit,")[0] for line in faults_of(site_file, overlay)]
    assert found == [line.removesuffix("known are ...") for line in expected]


def test_faults_of_site_and_overlay_come_together(site_file: Path) -> None:
    site_file.write_text(BASE.replace("unit: 7", "unit: seven"))
    found = faults_of(site_file, "devices: {nobody: {link: tcp://127.0.0.1:1}}")
    assert [line.split(": ")[0] for line in found] == ["etc/site.yaml:21:22", "rig.yaml:1:11"]


def test_an_overlay_that_is_not_there_is_one_line(site_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: No such file or directory$"):
        load_site(site_file, "no.yaml")
