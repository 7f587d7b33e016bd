"""`fleetctl doctor`: each thing that it looks at, as it should be and not."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from test_config_broken import BASE
from typer.testing import CliRunner

from fleetd.cli import examine
from fleetd.cli.app import app
from fleetd.cli.examine import Level
from fleetd.cli.ports import Port
from fleetd.config.site import load_site
from fleetd.orbit.elements import read_elements

ELEMENTS = Path(__file__).parents[2] / "configs" / "elements" / "candy-tin.json"


def port(**changes: object) -> Port:
    facts: dict[str, object] = {
        "path": "/dev/ttyUSB0", "by_id": "/dev/serial/by-id/usb-rotator", "description": "FT232R",
        "latency_ms": 1, "accessible": True, "held_by": (),
    }  # fmt: skip
    return Port(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    (tmp_path / "tin.json").write_bytes(ELEMENTS.read_bytes())
    (tmp_path / "site.yaml").write_text(BASE)
    return tmp_path / "site.yaml"


def test_the_clock() -> None:
    assert examine.clock(synced=True).level is Level.OK
    assert (examine.clock(synced=False).level, "chrony" in examine.clock(synced=False).cure) == (Level.WARN, True)


def test_ports_that_may_not_be_opened() -> None:
    assert examine.permission([port()]).level is Level.OK
    finding = examine.permission([port(), port(path="/dev/ttyUSB1", accessible=False)])
    assert (finding.level, "/dev/ttyUSB1" in finding.text, "dialout" in finding.cure) == (Level.WARN, True, True)


@pytest.mark.parametrize(
    ("changes", "levels"),
    [
        ({}, [Level.OK]),
        ({"held_by": ("812 fleetd",)}, [Level.OK]),
        ({"held_by": ("77 ModemManager",)}, [Level.BAD]),
        ({"latency_ms": 16}, [Level.OK, Level.WARN]),
        ({"latency_ms": None}, [Level.OK]),
    ],
)
def test_one_port(changes: dict[str, object], levels: list[Level]) -> None:
    assert [finding.level for finding in examine.serial_port(port(**changes))] == levels


@pytest.mark.parametrize(
    ("age_d", "level"), [(0, Level.OK), (-2, Level.OK), (4, Level.WARN), (-4, Level.WARN), (15, Level.BAD)]
)
def test_the_age_of_elements(site_file: Path, age_d: float, level: Level) -> None:
    (satellite,) = load_site(site_file).satellites
    now = read_elements(ELEMENTS)[0].epoch + timedelta(days=age_d)
    (finding,) = examine.element_age(satellite, now)
    assert (finding.level, f"{abs(age_d):.1f} days" in finding.text) == (level, True)


def test_a_serial_port_that_is_not_plugged_in(site_file: Path, tmp_path: Path) -> None:
    (finding,) = examine.serial_paths(load_site(site_file))
    there = Path("/dev/ttyUSB0").exists()
    assert finding.level is (Level.OK if there else Level.BAD)
    site_file.write_text(BASE.replace("/dev/ttyUSB0", "/dev/null"))
    (finding,) = examine.serial_paths(load_site(site_file))
    assert finding == examine.Finding(Level.OK, "link", "/dev/null (turner) is there")


def test_a_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"mqtt://127.0.0.1:{listening.getsockname()[1]}"
        assert examine.broker(url).level is Level.OK
    finding = examine.broker(url)
    assert (finding.level, "refused" in finding.text) == (Level.WARN, True)


def test_the_whole_of_it_ends_with_1_only_if_something_is_bad(site_file: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "control.sock")
    result = CliRunner().invoke(app, ["doctor", "--socket", nowhere, "--config", str(site_file), "--json"])
    findings = json.loads(result.stdout)
    levels = {finding["level"] for finding in findings}
    assert result.exit_code == (1 if "bad" in levels else 0)
    assert {"versions", "clock", "permission", "daemon", "site file", "elements", "link", "broker"} <= {
        finding["what"] for finding in findings
    }
    assert all(finding["cure"] for finding in findings if finding["level"] != "ok")


def test_a_broken_site_file_is_one_bad_finding(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: [")
    (finding,) = examine.examine_site(tmp_path / "site.yaml")
    assert (finding.level, "config check" in finding.cure) == (Level.BAD, True)


def test_tables_name_the_cure() -> None:
    result = CliRunner().invoke(app, ["doctor", "--socket", "/nonexistent/s"], env={"COLUMNS": "300"})
    assert "the daemon is not reachable at /nonexistent/s" in result.stdout
