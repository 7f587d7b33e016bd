"""Shared rules of the suite: peers must be there when CI says so, and nothing may leak from a test."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from counters import Counters
from hypothesis import HealthCheck, settings

REQUIRE_PEERS = os.environ.get("FLEETD_REQUIRE_PEERS") == "1"
SBIN = "/usr/sbin:/sbin"

# What an example takes is the machine's business; a test that hangs is ended by its own timeout.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Debian puts mosquitto where an ordinary user's PATH does not look."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{SBIN}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs a program or file which is not here is skipped, or fails where peers are required."""
    for mark in item.iter_markers("peer"):
        missing = [peer for peer in mark.args if shutil.which(peer) is None and not Path(peer).is_file()]
        if missing and REQUIRE_PEERS:
            pytest.fail(f"needs {', '.join(missing)}, and FLEETD_REQUIRE_PEERS is set", pytrace=False)
        if missing:
            pytest.skip(f"needs {', '.join(missing)}: install it to run this test")


@pytest.fixture
def counters(record_property: Callable[[str, object], None]) -> Counters:
    """Note figures of a test; they are printed at the end of the run."""

    def note(**figures: float) -> None:
        for name, figure in figures.items():
            record_property(name, figure)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests counted."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    counted = [report for report in reports if getattr(report, "user_properties", None)]
    if counted:
        terminalreporter.section("counted")
    for report in counted:
        figures = ", ".join(f"{name} {figure:,g}" for name, figure in report.user_properties)
        terminalreporter.line(f"{report.nodeid.rpartition('::')[2]}: {figures}")


def _descriptors() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return {name for name in found if name.startswith(("/dev/pts", "/dev/pt", "socket:", "/dev/tty"))}


@pytest.fixture(autouse=True)
def no_leaked_descriptors(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ports and sockets that a test opened are closed when it ends."""
    if "event_loop_policy" in request.fixturenames:
        asyncio.get_event_loop_policy()
    before = _descriptors()
    yield
    leaked = _descriptors() - before
    # The event loop's own self-pipe closes after this fixture; only more than its pair is a leak.
    if len(leaked) > 2:
        pytest.fail(f"left open: {sorted(leaked)}", pytrace=False)


def _children() -> dict[int, str]:
    """Processes that this one has begun and that run still: their pids and what they run."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return {}  # none at all, as nearly always
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            words = status.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended
        if int(parent) == os.getpid() and state != "Z" and "resource_tracker" not in words:
            found[int(status.parent.name)] = words
    return found


@pytest.fixture(autouse=True)
def no_leaked_processes() -> Iterator[None]:
    """Processes that a test began have ended when it ends."""
    before = _children()
    yield
    for _ in range(200):  # asyncio waits for its children in threads, which may be a moment behind
        leaked = {pid: words for pid, words in _children().items() if pid not in before}
        if not leaked:
            return
        time.sleep(0.01)
    pytest.fail(f"left running: {leaked}", pytrace=False)
