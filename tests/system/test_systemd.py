"""The shipped unit and its neighbours, judged by systemd's own tools, and what of the sandbox can be tried here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleetd.kerneltime import timesyncd_synced

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "fleetd.service"
MOST_EXPOSURE = 1.5


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=50)


def settings() -> dict[str, list[str]]:
    """Each setting of the unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.peer("systemd-analyze")
def test_the_unit_verifies_clean() -> None:
    done = run("systemd-analyze", "verify", UNIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.peer("systemd-analyze")
def test_verify_would_have_seen_a_misspelt_setting(tmp_path: Path) -> None:
    broken = tmp_path / "fleetd.service"
    broken.write_text(UNIT.read_text().replace("ProtectClock=yes", "ProtectClocks=yes"))
    assert "ProtectClocks" in run("systemd-analyze", "verify", broken).stderr


@pytest.mark.peer("systemd-analyze")
def test_the_sandbox_leaves_little_exposed() -> None:
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", UNIT)
    match = re.search(r"Overall exposure level for fleetd\.service: (\d+\.\d+)", done.stdout)
    assert match, done.stderr
    assert float(match[1]) <= MOST_EXPOSURE


def test_the_unit_says_ready_and_alive_and_is_reloaded_by_a_signal() -> None:
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert float(unit["WatchdogSec"][0]) > 0
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["Restart"] == ["on-failure"]


def test_the_guard_outlives_the_daemon_by_its_last_words() -> None:
    """Its descriptors and its signals: systemd must neither kill it at once nor leave it behind."""
    unit = settings()
    assert unit["KillMode"] == ["control-group"]
    assert float(unit["TimeoutStopSec"][0]) >= 5
    assert float(unit["RestartSec"][0]) >= 1  # by then it has let go of the ports


def test_the_unit_starts_the_program_with_the_options_that_it_has() -> None:
    (command,) = settings()["ExecStart"]
    assert command == "/usr/bin/env fleetd --config /etc/fleetd/site.yaml"
    done = run(sys.executable, "-m", "fleetd", "--config", "/nonexistent/site.yaml")
    assert done.stderr == "/nonexistent/site.yaml: No such file or directory\n"
    assert str(done.returncode) in settings()["RestartPreventExitStatus"][0].split()


@pytest.mark.peer("systemd-sysusers", "systemd-tmpfiles")
@pytest.mark.skipif(os.geteuid() != 0, reason="makes users and folders below another root: needs root")
def test_user_and_folders_are_made_as_the_unit_needs_them(tmp_path: Path) -> None:
    for kind in ("sysusers", "tmpfiles"):
        place = tmp_path / "usr" / "lib" / f"{kind}.d"
        place.mkdir(parents=True)
        shutil.copy(SYSTEMD / f"fleetd.{kind}", place / "fleetd.conf")
    (tmp_path / "etc").mkdir()
    users = run("systemd-sysusers", f"--root={tmp_path}", "fleetd.conf")
    assert users.returncode == 0, users.stderr
    folders = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "fleetd.conf")
    assert folders.returncode == 0, folders.stderr
    name, _, uid, gid, _, home, shell = next(
        line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines() if line.startswith("fleetd:")
    )
    assert [name] == settings()["User"] == settings()["Group"]
    assert (home, shell) == ("/var/lib/fleetd", "/usr/sbin/nologin")
    state = (tmp_path / "var" / "lib" / "fleetd").stat()
    assert (state.st_mode & 0o777, state.st_uid, state.st_gid) == (0o750, int(uid), int(gid))
    assert (tmp_path / "etc" / "credstore").stat().st_mode & 0o777 == 0o700


def test_device_rules_cover_what_they_promise() -> None:
    rules = [line for line in (SYSTEMD / "99-fleetd.rules").read_text().splitlines() if line and line[0] != "#"]
    assert any('ATTR{latency_timer}="1"' in rule and 'DRIVER=="ftdi_sio"' in rule for rule in rules)
    assert any('ENV{ID_MM_PORT_IGNORE}="1"' in rule for rule in rules)
    assert any('SYMLINK+="fleetd/' in rule for rule in rules)
    gotos = {rule.split('GOTO="')[1].rstrip('"') for rule in rules if "GOTO=" in rule}
    assert gotos == {rule.split('LABEL="')[1].rstrip('"') for rule in rules if "LABEL=" in rule}


def test_everything_that_the_daemon_loads_lives_without_writable_code() -> None:
    """The kernel's own form of MemoryDenyWriteExecute=: prctl(2), PR_SET_MDWE, since Linux 6.3."""
    program = """\
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
os.execv(sys.executable, [sys.executable, "-c", "import fleetd.daemon.main, highspy, numpy, sgp4, skyfield.api, ssl, "
    "sqlite3, "
    "serialx, aiomqtt, fleetd.clock; from fleetd.devices import driver_names, load_driver; "
    "print([load_driver(name).name for name in driver_names()], fleetd.clock.kernel_clock_synced() in (True, False))"])
"""
    done = run(sys.executable, "-c", program)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0, done.stderr
    assert "gs232b" in done.stdout


@pytest.mark.parametrize(("age_s", "synced"), [(0.0, True), (2_048.0, True), (86_400.0, False)])
def test_the_mark_of_systemd_timesyncd_counts_while_it_is_fresh(tmp_path: Path, age_s: float, synced: bool) -> None:
    mark = tmp_path / "synchronized"
    mark.touch()
    touched = time.time() - age_s
    os.utime(mark, (touched, touched))
    assert timesyncd_synced(mark) is synced


def test_no_mark_is_no(tmp_path: Path) -> None:
    assert not timesyncd_synced(tmp_path / "synchronized")
