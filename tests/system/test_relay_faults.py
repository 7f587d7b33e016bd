"""The relay among brokers that fail: the reliability goals for it, in small here and in full when slow."""

from __future__ import annotations

import asyncio
import json
import resource
from datetime import timedelta
from pathlib import Path

import pytest
from brokers import Heard, Mosquitto, free_port, listening
from counters import Counters
from fake_broker import fake_broker, proxy
from relays import NOW, event, in_order, reading, readings, say, site

from fleetd.records import Alarm, DeviceState, DeviceStatus, Severity
from fleetd.relay.settings import RelaySettings

# Row 7: a broker that accepts and never acknowledges


async def test_row_7_a_broker_that_never_acknowledges_is_left_for_the_next(tmp_path: Path) -> None:
    async with (
        fake_broker(acknowledges=False) as mute,
        fake_broker() as good,
        site(tmp_path, mute.url, good.url, before=300, in_flight=50, ack_within_s=1.0) as one,
    ):
        await one.until(lambda: one.relay.status().broker == good.url)
        await one.acked()
        assert "acknowledged nothing for 1 s" in one.relay.status().last_error
        assert mute.most_in_flight == 50, "no more than the window"
        assert set(readings(good.bodies)) == set(range(300))
        assert one.relay.status().resent >= 50, "what it may have taken is sent again"


def test_row_7_by_default_it_is_left_within_30_seconds() -> None:
    assert RelaySettings(brokers=["mqtt://b"]).ack_within_s + 1.0 <= 30.0


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_row_7_it_is_so(tmp_path: Path, counters: Counters) -> None:
    async with fake_broker(acknowledges=False) as mute, site(tmp_path, mute.url, before=300) as one:
        await one.until(lambda: mute.connections == 1)
        began_s = asyncio.get_running_loop().time()
        await one.until(lambda: mute.connections == 2)
        took_s = asyncio.get_running_loop().time() - began_s
    counters(reconnected_after_s=round(took_s, 1))
    assert took_s <= 30.0


@pytest.mark.parametrize(
    "connections", [3, pytest.param(31, marks=[pytest.mark.slow, pytest.mark.timeout(600)])], ids=["some", "10 minutes"]
)
async def test_row_7_memory_stays_flat_at_brokers_that_never_acknowledge(
    tmp_path: Path, counters: Counters, connections: int
) -> None:
    """As many connections as ten minutes have, at twenty seconds each."""
    async with (
        fake_broker(acknowledges=False) as mute,
        site(tmp_path, mute.url, before=2000, ack_within_s=1.0) as one,
    ):
        await one.until(lambda: bool(mute.heard))
        before_mib = rss_mib()
        await one.until(lambda: mute.connections >= connections)
        counters(connections=connections, memory_mib=round(rss_mib() - before_mib, 1))
        assert rss_mib() - before_mib <= 10
        assert one.store.outbox.tally.acked == 0
        assert one.store.outbox.tally.backlog >= 2000


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


# Fail-over and what brokers wish


async def test_the_first_broker_is_tried_first_and_the_next_when_it_is_away(tmp_path: Path) -> None:
    away = f"mqtt://127.0.0.1:{free_port()}"
    async with fake_broker() as good, site(tmp_path, away, good.url, before=10) as one:
        await one.acked()
        assert one.relay.status().broker == good.url
        assert away in one.relay.status().last_error


async def test_a_broker_that_refuses_is_named_and_the_next_one_is_tried(tmp_path: Path) -> None:
    refusing = bytes.fromhex("2003009700")  # CONNACK, quota exceeded
    async with (
        fake_broker(connack=refusing) as full,
        fake_broker() as good,
        site(tmp_path, full.url, good.url, before=10) as one,
    ):
        await one.acked()
        assert "quota exceeded" in one.relay.status().last_error


async def test_a_brokers_wishes_bound_window_and_size(tmp_path: Path) -> None:
    # Receive Maximum 3, Maximum Packet Size 1000 (5.0: 3.2.2.3.3 and 3.2.2.3.6)
    wishes = bytes.fromhex("200b000008 210003 27000003e8")
    async with fake_broker(connack=wishes) as small, site(tmp_path, small.url) as one:
        for number, size in ((0, 0), (3, 2000), (6, 0)):
            one.hub.publish(reading(number, size))
        await one.until(lambda: one.relay.status().rejected == 1 and one.relay.status().backlog == 1)
        assert readings(small.bodies) == [0, 6], "one that is too large holds up nobody"
        await one.until(lambda: any("takes no packet of" in body.get("text", "") for body in small.bodies))
        for number in range(100):
            one.hub.publish(reading(number))
        await one.until(lambda: one.relay.status().readings_acked == 102)
        assert small.most_in_flight == 3


async def test_a_broker_without_qos_1_is_left(tmp_path: Path) -> None:
    async with fake_broker(connack=bytes.fromhex("2005000002 2400")) as weak, site(tmp_path, weak.url) as one:
        await one.until(lambda: "QoS 0 only" in one.relay.status().last_error)


async def test_one_that_speaks_no_mqtt_is_left(tmp_path: Path) -> None:
    async with (
        fake_broker(connack=b"HTTP/1.1 400 Bad Request\r\n" + b"Date: today\r\n" * 10) as web,
        site(tmp_path, web.url) as one,
    ):
        await one.until(lambda: "does not speak MQTT" in one.relay.status().last_error)


async def test_an_older_status_that_a_broker_takes_after_a_newer_one_does_not_stand(tmp_path: Path) -> None:
    """It has acknowledged the newer one alone when its line is cut; the older one is sent again, and retained."""

    def alarm(*, active: bool) -> Alarm:
        return Alarm(at=NOW, device="robot-0", name="low", active=active, severity=Severity.WARNING, text="low")

    def told(*, state: DeviceState, active: bool) -> None:
        one.hub.publish(DeviceStatus(at=NOW, device="robot-0", state=state))
        one.store.alarms.note("robot-0", "low", b"{}" if active else b"", alarm(active=active))

    async with fake_broker() as broker, proxy(broker.port) as line, site(tmp_path, line.url) as one:
        await one.acked()
        broker.acknowledges, before = False, len(broker.heard)
        told(state=DeviceState.OFFLINE, active=True)
        await broker.until_heard(before + 2)
        broker.acknowledges, acks = True, one.store.outbox.tally.acked
        told(state=DeviceState.ONLINE, active=False)
        await one.until(lambda: one.store.outbox.tally.acked == acks + 2)
        line.cut()
        await one.until(lambda: not one.relay.status().connected)
        line.open = True
        await one.acked()
        one.hub.publish(event(1))
        await one.until(lambda: broker.bodies[-1].get("text") == "1")
        last = {topic.removeprefix("fleetd/hangzhou/"): payload for topic, payload in broker.heard}
        assert json.loads(last["robot-0/status"])["state"] == "online"
        assert last["alarm/robot-0/low"] == b""
        assert one.relay.status().resent == 2


# Order, precedence, pace


async def test_what_is_no_reading_overtakes_a_backlog_and_each_topic_stays_in_order(tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.url, before=2000, backlog_per_s=1500.0) as one:
        await broker.until_heard(50)
        for number in range(20):
            one.hub.publish(event(number))
            one.hub.publish(reading(3000 + number))
        await one.acked()
        bodies = broker.bodies
        events = [at for at, body in enumerate(bodies) if body.get("source") == "test"]
        last_backlog = max(at for at, body in enumerate(bodies) if "values" in body and body["values"]["number"] < 2000)
        assert events[-1] < last_backlog, "events did not wait for the backlog"
        assert [body["text"] for body in bodies if body.get("source") == "test"] == [str(n) for n in range(20)]
        for device in ("robot-0", "robot-1", "robot-2"):
            numbers = readings(bodies, device)
            assert numbers == sorted(numbers)
        assert set(readings(bodies)) == {*range(2000), *range(3000, 3020)}


async def test_a_backlog_keeps_its_pace_and_nothing_else_waits_for_it(tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.url, before=2000, backlog_per_s=1.0) as one:
        await broker.until_heard(3)  # 20 a second, for the clock is so fast
        for number in range(20):
            one.hub.publish(event(number))
        await one.until(lambda: sum(body.get("source") == "test" for body in broker.bodies) == 20)
        await asyncio.sleep(0.05)
        assert len(readings(broker.bodies)) < 100


async def test_a_backlog_rests_while_a_contact_is_worked_if_the_site_wants_it(tmp_path: Path) -> None:
    contact = asyncio.Event()
    contact.set()
    async with (
        fake_broker() as broker,
        site(tmp_path, broker.url, before=500, in_contact=contact.is_set, backlog_per_s_in_contact=0.0) as one,
    ):
        await broker.until_heard(1)
        one.hub.publish(event(1))
        await one.until(lambda: any(body.get("source") == "test" for body in broker.bodies))
        assert readings(broker.bodies) == []
        contact.clear()
        await one.acked()
        assert readings(broker.bodies) == list(range(500))


async def test_live_first_lets_readings_of_now_overtake_those_that_waited(tmp_path: Path) -> None:
    async with (
        fake_broker() as broker,
        site(tmp_path, broker.url, before=2000, backlog_per_s=1500.0, live_first=True) as one,
    ):
        await broker.until_heard(50)
        for number in range(20):
            one.hub.publish(reading(3000 + number))
        await one.acked()
        numbers = readings(broker.bodies)
        assert numbers.index(3019) < numbers.index(1999)
        assert [number for number in numbers if number < 3000] == list(range(2000)), "each strand in its order"
        assert [number for number in numbers if number >= 3000] == list(range(3000, 3020))


async def test_a_relay_that_keeps_up_sends_all_in_the_order_of_numbers(tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.url) as one:
        await broker.until_heard(1)
        for number in range(200):
            one.hub.publish(reading(number))
            one.hub.publish(event(number))
        await one.acked()
        seqs = [body["seq"] for body in broker.bodies]
        assert seqs == sorted(seqs)


# Row 5: an outage


async def outage(folder: Path, mosquitto: Mosquitto, records: int, counters: Counters) -> None:
    """72 hours of records wait, the broker comes back."""
    async with proxy(mosquitto.port) as line, site(folder, line.url, backlog_per_s=1e6, max_mib=4096) as one:
        line.cut()
        await one.store.outbox.append([reading(0)])
        before_mib = rss_mib()
        for first in range(1, records, 500):
            at = NOW + timedelta(hours=72) * first / records
            await one.store.outbox.append([reading(n, at=at) for n in range(first, min(records, first + 500))])
        async with listening(mosquitto, "fleetd/+/+/reading") as listener:
            line.open = True  # not before somebody listens
            await one.acked()
            grown_mib = rss_mib() - before_mib
            await listener.until(lambda heard: len(heard.heard) >= records)
            await listener.until(lambda heard: len({message.key for message in heard.heard}) == records)
    counters(records=records, heard=len(listener.heard), memory_mib=round(grown_mib, 1))
    for device in ("robot-0", "robot-1", "robot-2"):
        assert in_order(values(listener.on(f"{device}/reading")))
    assert grown_mib <= 64


def values(heard: list[Heard]) -> list[int]:
    return [message.body["values"]["number"] for message in heard]


@pytest.mark.peer("mosquitto", "mosquitto_sub")
async def test_row_5_an_outage_of_72_hours_loses_nothing_and_keeps_the_order(
    tmp_path: Path, mosquitto: Mosquitto, counters: Counters
) -> None:
    await outage(tmp_path, mosquitto, 1_200, counters)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_row_5_a_million_records(tmp_path: Path, counters: Counters) -> None:
    # A broker that counts, for one that keeps a million messages would need the memory that is measured.
    async with (
        fake_broker(checks_forms=False) as counting,
        site(tmp_path, counting.url, before=1_000_000, backlog_per_s=1e6, max_mib=4096) as one,
    ):
        counting.heard = heard = Counting()
        before_mib = rss_mib()
        await one.acked()
        grown_mib = rss_mib() - before_mib
        counters(records=heard.readings, reordered=heard.reordered, memory_mib=round(grown_mib, 1))
        assert grown_mib <= 64
        assert heard.reordered == 0
        assert heard.readings == 1_000_000


class Counting(list[tuple[str, bytes]]):
    """Keeps of what came in no more than is needed to see loss and order."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = self.reordered = 0
        self._last: dict[str, int] = {}

    def append(self, message: tuple[str, bytes]) -> None:
        topic, payload = message
        if topic.endswith("reading"):
            seq = int(payload.split(b'"seq":', 1)[1].split(b",", 1)[0])
            self.readings += 1
            self.reordered += seq <= self._last.get(topic, 0)
            self._last[topic] = seq


# Row 6: a broker that loses its disk


async def lost_databases(folder: Path, mosquitto: Mosquitto, times: int) -> None:
    """What a broker had not acknowledged when it died reaches a subscriber at the one that has its place."""
    heard: set[int] = set()
    async with proxy(mosquitto.port) as line, site(folder, line.url) as one:
        for turn in range(times):
            made = range(50 * turn, 50 * turn + 50)
            async with listening(mosquitto, "fleetd/+/+/reading") as listener:
                line.open = True  # not before somebody listens
                say(one, made[:25])
                await one.acked()
                await listener.until(lambda now: heard | set(values(now.heard)) >= set(range(made[25])))  # noqa: B023
                line.cut()
                mosquitto.kill()
            heard |= set(values(listener.heard))
            say(one, made[25:])
            mosquitto.delete_database()
            mosquitto.start()
        async with listening(mosquitto, "fleetd/+/+/reading") as listener:
            line.open = True
            await one.acked()
            await listener.until(lambda now: heard | set(values(now.heard)) >= set(range(50 * times)))
        heard |= set(values(listener.heard))
    assert heard == set(range(50 * times))


@pytest.mark.peer("mosquitto", "mosquitto_sub")
async def test_row_6_a_broker_that_loses_its_database_gets_all_that_it_had_not_acknowledged(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    await lost_databases(tmp_path, mosquitto, 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.peer("mosquitto", "mosquitto_sub")
async def test_row_6_fifty_times(tmp_path: Path, mosquitto: Mosquitto) -> None:
    await lost_databases(tmp_path, mosquitto, 50)


# Room: what is dropped is told, and is never what has arrived


async def test_what_is_announced_as_dropped_has_not_arrived_and_the_rest_has(tmp_path: Path) -> None:
    async with (
        fake_broker(acknowledges=False) as broker,
        site(tmp_path, broker.url, max_mib=1) as one,
    ):
        await broker.until_heard(1)
        for number in range(3000):
            one.hub.publish(reading(number, size=700))
            if number % 100 == 99:
                await asyncio.sleep(0.005)
        await one.until(lambda: one.relay.status().produced > 3000)
        broker.relent()  # what it got is acknowledged late, what waited behind it was dropped meanwhile
        await one.acked()
        arrived = {body["seq"] for body in broker.bodies}
        gaps = [body["detail"] for body in broker.bodies if body.get("name") == "gap"]
        dropped = {seq for gap in gaps for first, last in gap["ranges"] for seq in range(first, last + 1)}
        assert dropped, "the store was full"
        assert not dropped & arrived
        assert len(dropped) == one.relay.status().dropped
        will = one.store.outbox.tally.last_seq + 1 - len(dropped | arrived)
        assert will == 2, "every number is here or told of, the last will of this connection aside"
        assert broker.connections == 1
