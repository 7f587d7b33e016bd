"""The daemon's loop: uvloop where it is installed, asyncio's own where it is not."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

from fleetd.daemon.loop import loop_factory, spare_the_collector


def test_uvloop_is_used_where_it_is_installed() -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)


def test_without_uvloop_the_daemon_runs_on_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetd.daemon.loop.find_spec", lambda _name: None)
    assert loop_factory() is None


def test_the_collector_runs_more_rarely_and_still_runs() -> None:
    before = gc.get_threshold()
    try:
        spare_the_collector()
        assert gc.isenabled()
        assert gc.get_threshold() > before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


_THREADS_THAT_TOOK_MUCH = """
import sys, threading
from pathlib import Path
from fleetd.daemon.loop import give_memory_back

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024

def work(together):
    large = bytearray(5 << 20)
    del large
    arrays = [bytearray(300 << 10) for _ in range(20)]
    together.wait()

give_memory_back()
before = resident_mib()
together = threading.Barrier(6)
threads = [threading.Thread(target=work, args=[together]) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.stdout.write(str(resident_mib() - before))
"""


def test_what_threads_took_for_a_moment_is_given_back() -> None:
    """36 MiB at once, nearly all of which glibc would keep."""
    words = [sys.executable, "-c", _THREADS_THAT_TOOK_MUCH]
    kept_mib = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert kept_mib < 6.0
