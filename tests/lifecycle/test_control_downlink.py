"""Frames and orders over the control socket, as `fleetctl downlink` and `fleetctl uplink` ask for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from framesof import beacon, frame
from test_control_api import door
from typer.testing import CliRunner, Result
from uplinks import KEY, KEY_ENV, SATELLITE, uplink

from fleetd.cli.app import app
from fleetd.control.server import serve
from fleetd.downlink.desk import Desk
from fleetd.downlink.xtce import XtceDecoder, XtceSettings
from fleetd.records import Frame, Telemetry
from fleetd.store.frames import FrameArchive


@dataclass
class Here:
    socket: Path
    told: list[Telemetry]

    async def ctl(self, *words: str) -> Result:
        """`fleetctl` in a thread of its own, as in a process of its own."""
        arguments = [*words, "--socket", str(self.socket)]
        return await asyncio.to_thread(CliRunner().invoke, app, arguments)

    async def json(self, *words: str) -> Any:
        result = await self.ctl(*words, "--json")
        # The daemon's own log lines, of the same process here, stand among them.
        lines = [line for line in result.stdout.splitlines() if " [info " not in line]
        return json.loads("\n".join(lines))


@asynccontextmanager
async def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    monkeypatch.setenv(KEY_ENV, KEY)
    async with door(folder) as site:
        house = site.house
        now = house.clock.now()
        async with FrameArchive.open(folder, house.clock, 365.0) as archive:
            await archive.append(
                [
                    Frame(
                        at=now - timedelta(minutes=10 - number),
                        device="dish-tnc",
                        data=frame(beacon(number)),
                        satellite=SATELLITE,
                        contact="c1",
                        elevation_deg=20.0 + number,
                    )
                    for number in range(5)
                ]
            )
            decoder = XtceDecoder(XtceSettings(reference=SATELLITE))
            desk = Desk(archive, {SATELLITE: decoder}, house.hub, {})
            orders = uplink(house.store, house.clock, house.hub)
            path = folder / "run" / "second.sock"
            with house.hub.subscribe("test", Telemetry) as records:
                async with serve(replace(house, desk=desk, uplinks={SATELLITE: orders}), path):
                    made = Here(path, [])
                    yield made
                made.told += [each for each in records._queue if isinstance(each, Telemetry)]


async def test_frames_are_listed_and_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with here(tmp_path, monkeypatch) as made:
        listed = await made.json("downlink", "show", "--most", "2")
        assert [each["number"] for each in listed] == [4, 5]
        assert len(await made.json("downlink", "show", "--contact", "c1")) == 5
        shown = await made.json("downlink", "show", "3")
        assert shown["readings"][0]["values"]["battery_v"] == 7.89
        text = (await made.ctl("downlink", "show", "3")).stdout
        assert "0000  86 a2 40 40 40 40 e0" in text
        assert "source  TMALL-11" in text
        assert "battery_v 7.89 V  (raw 7890)" in text
        missing = await made.ctl("downlink", "show", "99")
        assert missing.exit_code == 1


async def test_a_replay_publishes_under_the_times_of_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with here(tmp_path, monkeypatch) as made:
        brought = await made.json("downlink", "replay", "--since", "510s", "--satellite", SATELLITE)
        assert (brought["frames"], brought["readings"], brought["flaws"]) == (3, 3, {})
    assert [each.frame for each in made.told] == [3, 4, 5]
    assert all(each.replayed for each in made.told)
    assert made.told[1].at - made.told[0].at == timedelta(minutes=1)


async def test_orders_are_given_seen_and_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with here(tmp_path, monkeypatch) as made:
        known = await made.json("uplink", "send", SATELLITE)
        assert "store-message" in [each["order"] for each in known]
        given = await made.json("uplink", "send", SATELLITE, "store-message", "text=11.11 is near")
        assert given["stage"] == "accepted"
        (queued,) = await made.json("uplink", "queue")
        assert (queued["order"], queued["args"], queued["step"]) == (
            "store-message",
            {"text": "11.11 is near"},
            "queued",
        )
        await made.json("uplink", "cancel", SATELLITE, queued["id"])
        assert await made.json("uplink", "queue") == []
        (ended,) = await made.json("uplink", "list")
        assert ended["stage"] == "failed"
        assert ended["reason"].startswith("cancelled by uid:")


async def test_what_cannot_be_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with here(tmp_path, monkeypatch) as made:
        for words, reason in (
            (("send", "sputnik", "ping"), "no satellite that takes orders"),
            (("send", SATELLITE, "explode"), "takes no order 'explode'"),
            (("send", SATELLITE, "payload", "on=5"), "must be true or false"),
            (("cancel", SATELLITE, "gone"), "no order 'gone' waits"),
            (("confirm", SATELLITE, "gone"), "no order 'gone' waits"),
        ):
            result = await made.ctl("uplink", *words)
            assert (result.exit_code, reason in result.stderr) == (1, True), result.output
        assert (await made.ctl("uplink", "send", SATELLITE, "payload", "on")).exit_code == 2
