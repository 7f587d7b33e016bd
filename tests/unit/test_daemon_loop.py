"""The daemon's loop: uvloop where it is installed, asyncio's own where it is not."""

from __future__ import annotations

import asyncio
import gc

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
