"""Is anything stuck, since when, why: the relay's status answers it for each thing that can be."""

from __future__ import annotations

import asyncio
import resource
import signal
from pathlib import Path

import pytest
from brokers import free_port
from fake_broker import fake_broker
from relays import NOW, event, site

from fleetd.relay import publisher
from fleetd.relay.status import Stuck


async def test_nothing_is_stuck_while_all_goes_well(tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.url) as one:
        one.hub.publish(event(1))
        await one.acked()
        status = one.relay.status()
        assert (status.stuck, status.backlog, status.in_flight) == ([], 0, 0)


async def test_a_broker_that_is_away_is_named_since_the_first_failure(tmp_path: Path) -> None:
    away = f"mqtt://127.0.0.1:{free_port()}"
    async with site(tmp_path, away, before=10) as one:
        await one.until(lambda: bool(one.relay.status().stuck))
        (first,) = one.relay.status().stuck
        await one.until(lambda: (one.relay.status().last_error_at or NOW) > first.since)
        (later,) = one.relay.status().stuck
        assert later == Stuck("connection to a broker", first.since, first.why)
        assert away in later.why
        assert "refused" in later.why.lower()
        assert one.relay.status().backlog == 10
        assert one.relay.status().backlog_lasts_s is None


async def test_a_broker_that_acknowledges_nothing_is_named_before_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_SILENT_S", 0.2)
    async with fake_broker(acknowledges=False) as mute, site(tmp_path, mute.url, before=10) as one:
        await one.until(lambda: bool(one.relay.status().stuck))
        (stuck,) = one.relay.status().stuck
        assert stuck.what == "acknowledgements"
        assert f"{mute.url} has acknowledged nothing" in stuck.why
        assert one.relay.status().in_flight == 11
        mute.relent()
        await one.until(lambda: not one.relay.status().stuck)


async def test_a_record_that_is_too_large_is_named(tmp_path: Path) -> None:
    wishes = bytes.fromhex("2008000005 27000001f4")  # a maximum packet size of 500 (5.0: 3.2.2.3.6)
    async with fake_broker(connack=wishes) as small, site(tmp_path, small.url) as one:
        one.hub.publish(event(1))
        one.hub.publish(event(10**600))
        await one.until(lambda: bool(one.relay.status().stuck))
        (stuck,) = one.relay.status().stuck
        assert stuck.what.endswith("for fleetd/hangzhou/event")
        assert "takes no packet of" in stuck.why


async def test_a_full_disk_is_named_until_it_takes_records_again(tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.url) as one:
        await one.acked()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, before[1]))
        try:
            for number in range(400):
                one.hub.publish(event(number))
            await one.until(lambda: "storing records" in {each.what for each in one.relay.status().stuck})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await one.until(lambda: not one.relay.status().stuck)
        await asyncio.sleep(0)
