"""An alarm that was active when the daemon was killed: retained at the broker until the next run clears it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, listening
from sites import Site, demo_site

TOPIC = "fleetd/hangzhou/alarm/weather/offline"
pytestmark = [pytest.mark.peer("mosquitto", "mosquitto_sub", "mosquitto_pub"), pytest.mark.timeout(120)]


@pytest.fixture
async def site(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Site]:
    async with demo_site(tmp_path / "site", mosquitto) as built:
        yield built


async def retained(broker: Mosquitto) -> dict[str, Any] | None:
    """What a client that comes now is told of the alarm."""
    words = ("-h", "127.0.0.1", "-p", str(broker.port), "-t", TOPIC, "-C", "1", "-W", "1")
    process = await asyncio.create_subprocess_exec("mosquitto_sub", *words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return json.loads(said) if said.strip() else None


async def test_an_alarm_of_before_a_kill_is_cleared_once_it_does_not_hold(site: Site, mosquitto: Mosquitto) -> None:
    whole = site.overlay.read_text()
    site.change_overlay(lambda overlay: overlay["devices"]["weather"].update(link="modbus+tcp://127.0.0.1:1"))
    async with listening(mosquitto, TOPIC) as heard, site.daemon() as daemon:
        await daemon.up()
        await heard.until(lambda heard: bool(heard.heard))  # a minute of the clock, which runs twenty times as fast
        await daemon.kill()
    before = await retained(mosquitto)
    assert before is not None
    assert (before["active"], before["limit"]) == (True, 60.0)
    site.overlay.write_text(whole)
    async with listening(mosquitto, TOPIC) as heard, site.daemon() as daemon:
        await daemon.up()
        await heard.until(lambda heard: any(not one.body["active"] for one in heard.heard if one.body))
        assert await daemon.end() == 0
    assert await retained(mosquitto) is None
