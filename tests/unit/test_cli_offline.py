"""`fleetctl` commands that need no daemon: help, configuration, drivers, ports, and what they say of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_config_broken import BASE
from typer.testing import CliRunner, Result

import fleetd
from fleetd.cli import ports
from fleetd.cli.app import app

COMMANDS = [
    "status", "antenna", "stop", "elements", "relay", "audit", "watch", "device", "drivers", "ports", "doctor",
    "contacts", "robots", "alarms", "registers", "config", "passes",
]  # fmt: skip


def fleetctl(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def test_help_names_every_command() -> None:
    result = fleetctl("--help")
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ") and line.split()}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    assert fleetctl(command, "--help").exit_code == 0


def test_version() -> None:
    assert fleetctl("--version").stdout == f"fleetctl {fleetd.__version__}\n"


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = "pydantic, pydantic_core, skyfield, numpy, aiohttp, aiomqtt, pymodbus, serialx, yaml, msgspec, rich"
    program = (
        "import sys\nfrom fleetd.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"found = set(sys.modules) & set({heavy!r}.split(', '))\n"
        "sys.exit(', '.join(sorted(found)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_ends_with_the_same_codes() -> None:
    program = "from fleetd.cli.app import main; main()"
    for words, code in ((["--version"], 0), (["no-such"], 2), (["status", "--socket", "/nonexistent/s"], 3)):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == code


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    elements = Path(__file__).parents[2] / "configs" / "elements" / "candy-tin.json"
    (tmp_path / "tin.json").write_bytes(elements.read_bytes())
    (tmp_path / "site.yaml").write_text(BASE)
    return tmp_path / "site.yaml"


def test_config_check_of_a_right_file(site_file: Path) -> None:
    result = fleetctl("config", "check", str(site_file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{site_file} is right\n", "")
    answer = json.loads(fleetctl("config", "check", str(site_file), "--json").stdout)
    assert answer == {"file": str(site_file), "ok": True, "faults": []}


def test_config_check_lists_every_fault_at_its_place(site_file: Path) -> None:
    site_file.write_text(BASE.replace("unit: 7", "unit: 700").replace("rotator: turner", "rotator: turnip"))
    result = fleetctl("config", "check", str(site_file))
    assert (result.exit_code, result.stdout) == (1, "")
    places = [line.split(": ")[0] for line in result.stderr.splitlines()]
    assert places == [f"{site_file}:11:14", f"{site_file}:21:22"]
    answer = json.loads(fleetctl("config", "check", str(site_file), "--json").stdout)
    assert (answer["ok"], answer["faults"]) == (False, result.stderr.splitlines())


def test_config_check_looks_into_the_element_files(site_file: Path) -> None:
    site_file.write_text(BASE.replace("999100101", "999100777"))
    result = fleetctl("config", "check", str(site_file))
    assert result.exit_code == 1
    assert result.stderr == ("satellite tin: its element files hold 999100101 and not its norad_id 999100777\n")
    (site_file.parent / "tin.json").write_text("{")
    result = fleetctl("config", "check", str(site_file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{site_file.parent}/tin.json:")


def test_config_check_of_a_file_that_is_not_there() -> None:
    result = fleetctl("config", "check", "/nonexistent/site.yaml")
    assert (result.exit_code, result.stderr) == (1, "/nonexistent/site.yaml: No such file or directory\n")


def test_config_check_with_an_overlay(site_file: Path) -> None:
    rig = site_file.parent / "rig.yaml"
    rig.write_text("devices: {turnip: {link: tcp://127.0.0.1:1}}\n")
    result = fleetctl("config", "check", str(site_file), "--hil", str(rig))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{rig}:1:11: devices.turnip: the site has no device 'turnip', perhaps turner")


def test_config_schema_is_json() -> None:
    assert json.loads(fleetctl("config", "schema").stdout)["title"] == "A fleetd site"


def test_drivers_are_listed_with_what_they_are() -> None:
    found = {each["name"]: each for each in json.loads(fleetctl("drivers", "--json").stdout)}
    assert found["gs232b"]["capability"] == "rotator"
    assert found["little-donkey"]["schemes"] == ["modbus+tcp", "modbus+rtu", "modbus+rtuovertcp"]
    assert "send" in found["little-donkey"]["actions"]
    assert all(each["missing"] is None for each in found.values())
    assert "gs232b" in fleetctl("drivers").stdout


def test_a_driver_that_cannot_load_is_listed_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "acme-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[fleetd.drivers]\nacme = no_such_module.driver:SPEC\n")
    monkeypatch.syspath_prepend(tmp_path)
    (broken,) = (each for each in json.loads(fleetctl("drivers", "--json").stdout) if each["missing"])
    assert broken["name"] == "acme"
    assert "No module named 'no_such_module'" in broken["missing"]


def test_ports_are_listed_for_people_and_programs() -> None:
    assert fleetctl("ports").exit_code == 0
    assert isinstance(json.loads(fleetctl("ports", "--json").stdout), list)


def test_lasting_names_lead_to_ports(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB7").touch()
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-rotator").symlink_to("../ttyUSB7")
    assert ports.lasting_names(tmp_path / "by-id") == {f"{tmp_path}/ttyUSB7": f"{tmp_path}/by-id/usb-rotator"}
    assert ports.lasting_names(tmp_path / "nothing") == {}


def test_who_holds_a_port_is_read_from_proc(tmp_path: Path) -> None:
    for pid, name, targets in ((812, "fleetd", ["/dev/ttyUSB0", "/dev/null"]), (90, "cat", ["/dev/ttyUSB0"])):
        process = tmp_path / str(pid)
        (process / "fd").mkdir(parents=True)
        (process / "comm").write_text(f"{name}\n")
        for number, target in enumerate(targets):
            (process / "fd" / str(number)).symlink_to(target)
    (tmp_path / "self").mkdir()
    (tmp_path / "5").mkdir()  # gone between the listing and the look
    assert ports.holders_of_terminals(tmp_path) == {"/dev/ttyUSB0": ["90 cat", "812 fleetd"]}


def test_the_latency_of_an_adapter_is_read_where_it_has_one(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").mkdir()
    (tmp_path / "ttyUSB0" / "latency_timer").write_text("16\n")
    assert ports.latency_ms("/dev/ttyUSB0", tmp_path) == 16
    assert ports.latency_ms("/dev/ttyACM0", tmp_path) is None


def test_completion_can_be_shown() -> None:
    program = "from fleetd.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--show-completion", "bash"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "fleetctl" in done.stdout
