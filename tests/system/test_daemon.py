"""The whole daemon as a process: killed, ended, reloaded, refused, and told what it must not do."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto, listening
from sites import Site, demo_site

needs_mosquitto = pytest.mark.peer("mosquitto", "mosquitto_sub", "mosquitto_pub")
pytestmark = [needs_mosquitto, pytest.mark.timeout(180)]


@pytest.fixture
async def site(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Site]:
    async with demo_site(tmp_path / "site", mosquitto) as built:
        yield built


@pytest.fixture
async def calm_site(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Site]:
    """The same at a pace at which no pass comes up while a test runs."""
    async with demo_site(tmp_path / "site", mosquitto, rate=2.0) as built:
        yield built


async def publish(broker: Mosquitto, topic: str, text: str) -> None:
    """Publish as any client would, with a program that nobody here wrote."""
    words = ("-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", topic, "-s")
    process = await asyncio.create_subprocess_exec("mosquitto_pub", *words, stdin=subprocess.PIPE)
    await process.communicate(text.encode())
    assert process.returncode == 0


def fleetctl(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("fleetctl"), *words]
    return subprocess.run(command, capture_output=True, text=True, env={"FLEETD_SOCKET": str(site.socket)}, check=False)


async def test_ten_kills_in_a_row_lose_nothing_that_was_committed(site: Site, mosquitto: Mosquitto) -> None:
    """kill -9 at random moments under the demo's load; the subscriber has every number that was ever given out."""
    moments = random.Random(11)
    committed = []
    async with listening(mosquitto, "fleetd/hangzhou/#") as heard:
        for _ in range(10):
            async with site.daemon() as daemon:
                await daemon.up()
                await asyncio.sleep(moments.uniform(0.0, 0.8))
                await daemon.kill()
            committed.append(site.committed())
        async with site.daemon() as daemon:
            await daemon.up()
            assert await daemon.end() == 0
        last = site.committed()
        async with asyncio.timeout(30):
            await heard.until(lambda heard: any(one.body["seq"] == last for one in heard.heard))
    assert committed == sorted(set(committed))
    assert committed[0] > 20  # it was killed in the middle of something
    assert {one.body["seq"] for one in heard.heard} == set(range(1, last + 1))
    assert len({one.key for one in heard.heard}) == last  # one number, one boot: nothing was numbered twice


async def test_sigterm_leaves_the_antenna_stopped_and_the_outbox_empty(calm_site: Site, mosquitto: Mosquitto) -> None:
    site = calm_site
    async with listening(mosquitto, "fleetd/hangzhou/#") as heard, site.daemon() as daemon:
        await heard.until(lambda heard: bool(heard.on("dish-rotator/reading")))
        sent = await asyncio.to_thread(fleetctl, site, "antenna", "dish", "point", "400", "5")
        assert sent.returncode == 0, sent.stderr
        positions = lambda: [one.body["values"]["azimuth_deg"] for one in heard.on("dish-rotator/reading")]  # noqa: E731
        await heard.until(lambda _: len(set(positions())) > 3)  # it really moves
        assert await daemon.end() == 0
        (rests,) = daemon.lines("relay rests")
        assert rests["backlog"] == 0
        assert rests["produced"] == rests["acked"]
        await heard.until(lambda heard: any(one.body["state"] == "offline" for one in heard.on("hangzhou/status")))
        link = site.stage.links["rotator"]
    by_hand = ("device", "--driver", "gs232b", "--link", link, "where", "--json")
    shown = [json.loads((await asyncio.to_thread(fleetctl, site, *by_hand)).stdout)["azimuth_deg"] for _ in range(3)]
    assert shown[1] == shown[2] < 390, shown  # by the second look it has braked, far from where it was sent


async def test_row_15_kill_9_in_mid_slew_leaves_the_antenna_stopped_by_the_guard(
    calm_site: Site, mosquitto: Mosquitto
) -> None:
    site = calm_site
    async with listening(mosquitto, "fleetd/hangzhou/#") as heard, site.daemon() as daemon:
        await heard.until(lambda heard: bool(heard.on("dish-rotator/reading")))
        assert [antenna["guarded"] for antenna in await daemon.get("/v1/antennas")] == [True]
        sent = await asyncio.to_thread(fleetctl, site, "antenna", "dish", "point", "400", "5")
        assert sent.returncode == 0, sent.stderr
        positions = lambda: [one.body["values"]["azimuth_deg"] for one in heard.on("dish-rotator/reading")]  # noqa: E731
        await heard.until(lambda _: len(set(positions())) > 3)  # it really moves
        await daemon.kill()
    by_hand = ("device", "--driver", "gs232b", "--link", site.stage.links["rotator"], "where", "--json")
    shown = [json.loads((await asyncio.to_thread(fleetctl, site, *by_hand)).stdout)["azimuth_deg"] for _ in range(3)]
    assert shown[1] == shown[2] < 390, shown  # by the second look it has braked, far from where it was sent


async def test_sighup_keeps_the_old_configuration_or_lives_as_the_new_one(
    calm_site: Site, mosquitto: Mosquitto
) -> None:
    site = calm_site  # a reload waits for the end of a contact, and here none begins
    async with site.daemon() as daemon:
        await daemon.up()
        good = site.overlay.read_text()
        site.overlay.write_text(good.replace("dish-rotator:", "dish-rotatr:"))
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.until(lambda: bool(daemon.lines("reload refused, the old configuration stays")))
        assert any(
            "dish-rotatr" in line["reason"] for line in daemon.lines("reload refused, the old configuration stays")
        )
        assert (await daemon.get("/v1/status"))["site"] == "hangzhou"
        assert len(daemon.lines("control API is there")) == 1

        site.overlay.write_text(good)
        site.change_overlay(lambda overlay: overlay["devices"]["robot-01"]["settings"].update(poll_s=2.5))
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.until(lambda: len(daemon.lines("control API is there")) == 2)
        assert (await daemon.get("/v1/status"))["site"] == "hangzhou"
        assert await daemon.end() == 0


async def test_a_second_daemon_is_refused_with_the_first_one_s_pid(site: Site, mosquitto: Mosquitto) -> None:
    async with site.daemon() as first:
        await first.up()
        async with site.daemon() as second:
            async with asyncio.timeout(30):
                assert await second.process.wait() == 1
            (line,) = second.lines("cannot go on")
            assert str(first.process.pid) in line["reason"]
        assert await first.end() == 0


async def test_a_command_seen_twice_runs_once_also_across_a_restart(site: Site, mosquitto: Mosquitto) -> None:
    topic = "fleetd/hangzhou/robot-03/command"
    order = json.dumps({"id": "twice", "action": "send", "args": {"stop": "library"}, "expires_in_s": 600})
    async with listening(mosquitto, "fleetd/hangzhou/robot-03/#") as heard:

        def stages() -> list[str]:
            return [one.body["stage"] for one in heard.on("robot-03/result")]

        async with site.daemon() as daemon:
            await heard.until(lambda heard: bool(heard.on("robot-03/reading")))
            await publish(mosquitto, topic, order)
            await heard.until(lambda _: "succeeded" in stages())
            await publish(mosquitto, topic, order)
            await daemon.kill()
        async with site.daemon() as daemon:
            # Commands sent to a daemon that is away are not kept for it, so wait until it listens again.
            before = len(heard.on("robot-03/reading"))
            await heard.until(lambda heard: len(heard.on("robot-03/reading")) > before + 1)
            await publish(mosquitto, topic, order)
            await publish(mosquitto, topic, order.replace("twice", "after"))
            await heard.until(lambda heard: any(one.body["id"] == "after" for one in heard.on("robot-03/result")))
            assert await daemon.end() == 0
        started = [
            one.key
            for one in heard.on("robot-03/result")
            if (one.body["id"], one.body["stage"]) == ("twice", "started")
        ]
        assert len(set(started)) == 1
        assert stages().count("succeeded") >= 1


WRONG_COMMANDS = (
    ("{not json", "JSON"),
    (json.dumps({"id": "a", "action": "fly"}), "fly"),
    (json.dumps({"id": "b", "action": "set_speed_limit", "args": {"speed_m_s": 9.0}}), "5.556"),
    (json.dumps({"id": "c", "action": "send", "args": {"stop": "moon"}}), "moon"),
    (json.dumps({"id": "d", "action": "hold", "expires_at": "2020-01-01T00:00:00Z"}), "expired"),
    (json.dumps({"id": "e", "action": "hold", "args": {"x": "y" * 1_000_000}}), "65536"),
)


async def test_wrong_commands_are_refused_in_words_and_nothing_else_happens(site: Site, mosquitto: Mosquitto) -> None:
    def refusals(listener: Listener) -> list[str]:
        results = [one.body.get("reason", "") for one in listener.on("robot-04/result")]
        return results + [one.body["text"] for one in listener.on("hangzhou/event")]

    async with listening(mosquitto, "fleetd/hangzhou/#") as heard, site.daemon() as daemon:
        await heard.until(lambda heard: bool(heard.on("robot-04/reading")))
        for text, expected in WRONG_COMMANDS:
            await publish(mosquitto, "fleetd/hangzhou/robot-04/command", text)
            async with asyncio.timeout(20):
                await heard.until(lambda heard, words=expected: any(words in said for said in refusals(heard)))
        assert (await daemon.get("/v1/status"))["site"] == "hangzhou"
        assert await daemon.end() == 0
    started = [one for one in heard.on("robot-04/result") if one.body["stage"] in ("started", "succeeded")]
    assert not started


async def test_what_is_stuck_since_when_and_why_is_answered_by_relay_status_alone(
    calm_site: Site, mosquitto: Mosquitto
) -> None:
    site = calm_site
    async with site.daemon() as daemon:
        await daemon.up()
        await until_said(site, "nothing is stuck")
        mosquitto.stop()
        said = await until_said(site, "stuck: connection to a broker")
        assert f"mqtt://127.0.0.1:{mosquitto.port} cannot be reached: Connection refused" in said
        told = json.loads((await asyncio.to_thread(fleetctl, site, "relay", "status", "--json")).stdout)
        assert [one["what"] for one in told["stuck"]] == ["connection to a broker"]
        assert told["stuck"][0]["since"] <= told["last_error_at"]
        assert told["backlog"] > 0
        mosquitto.start()
        await until_said(site, "nothing is stuck")


async def until_said(site: Site, words: str) -> str:
    """Ask `fleetctl relay status` until its answer has these words, and what the cause is; returns the answer."""
    async with asyncio.timeout(30):
        while True:
            said = (await asyncio.to_thread(fleetctl, site, "relay", "status")).stdout
            if words in said and " was lost: " not in said.partition("connected ")[0]:
                return said
            await asyncio.sleep(0.05)
