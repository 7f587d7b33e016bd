"""Sparkplug B as an independent decoder and a host with the specification's rules see it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sparkplug_referee import Host, decode, rebirth, value_of

from fleetd.records import Quality as ReadingQuality
from fleetd.records import Value
from fleetd.registers.loader import load_map
from fleetd.relay.sparkplug.host import Host as PrimaryHost
from fleetd.relay.sparkplug.metrics import metrics_of
from fleetd.relay.sparkplug.node import REBIRTH, EdgeNode, Kind, Told
from fleetd.relay.sparkplug.payload import DataType, Malformed, Metric, Quality, decode_orders, encode
from fleetd.relay.topics import Message

DEVICES = ("robot-1", "robot-2", "mast")
KNOWN = {"robot-1": {"soc": Kind(DataType.DOUBLE, "%"), "lid": Kind(DataType.STRING)}}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
VALUES: dict[DataType, st.SearchStrategy[Value]] = {
    DataType.INT32: st.integers(-(2**31), 2**31 - 1),
    DataType.INT64: st.integers(-(2**63), 2**63 - 1),
    DataType.DOUBLE: st.floats(allow_nan=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.STRING: TEXTS,
}


# Source: sparkplug_b.proto's field numbers and protobuf.dev's "Encoding", by hand: in Payload
# timestamp 1 = 08 01; metric 12 0b, name 0a 01 61, alias 10 05, timestamp 18 02, type 20 0b, boolean 70 01; seq 18 07
def test_a_payload_has_the_bytes_that_protobuf_gives_it() -> None:
    metric = Metric(True, DataType.BOOLEAN, "a", alias=5, at_ms=2)
    assert encode([metric], 1, 7) == bytes.fromhex("0801 120b 0a0161 1005 1802 200b 7001 1807")


@given(st.data(), st.sampled_from(DataType), st.integers(0, 2**53), st.booleans())
def test_every_value_comes_back_from_googles_decoder(
    data: st.DataObject, kind: DataType, at_ms: int, historical: bool
) -> None:
    value = data.draw(st.none() | VALUES[kind])
    name = data.draw(TEXTS.filter(bool))
    metric = Metric(value, kind, name, 3, at_ms, historical, Quality.STALE, "km/h")
    read = decode(encode([metric, metric], 9, 255))
    assert (read.timestamp, read.seq, len(read.metrics)) == (9, 255, 2)
    one = read.metrics[1]
    assert (one.name, one.alias, one.timestamp, one.datatype) == (name, 3, at_ms, kind)
    assert (one.is_historical, one.is_null) == (historical, value is None)
    assert value_of(one) == value
    assert list(one.properties.keys) == ["Quality", "engUnit"]
    assert one.properties.values[0].int_value == 500
    assert one.properties.values[1].string_value == "km/h"


def test_orders_made_by_googles_encoder_are_read() -> None:
    assert decode_orders(rebirth()) == {REBIRTH: True}


@given(st.binary(max_size=200))
def test_any_bytes_are_orders_or_malformed_and_nothing_else(payload: bytes) -> None:
    with suppress(Malformed):
        decode_orders(payload)


@given(st.data())
def test_a_cut_order_is_malformed_or_less(data: st.DataObject) -> None:
    whole = rebirth()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with suppress(Malformed):
        assert decode_orders(cut) == {}


def test_a_map_tells_names_types_and_units_before_there_are_values() -> None:
    metrics = metrics_of(load_map("weather-station"))
    assert metrics
    assert {kind.type for kind in metrics.values()} <= set(DataType)
    assert any(kind.unit for kind in metrics.values())
    robot = metrics_of(load_map("little-donkey"))
    assert {DataType.STRING, DataType.INT64, DataType.BOOLEAN, DataType.DOUBLE} & {kind.type for kind in robot.values()}


def test_a_birth_names_all_that_the_map_has_and_data_only_the_alias() -> None:
    node, host = EdgeNode("g", "hangzhou", 300, KNOWN), Host()
    messages = [*node.birth(1), *node.data("robot-1", Told(5, {"soc": 71}, ReadingQuality.GOOD), 6, historical=False)]
    for message in messages:
        host.take(message.topic, message.payload)
    assert [message.topic.split("/")[2] for message in messages] == ["NBIRTH", "DBIRTH", "DDATA"]
    birth = decode(messages[1].payload)
    assert {metric.name: value_of(metric) for metric in birth.metrics} == {"soc": None, "lid": None}
    assert birth.metrics[0].properties.values[1].string_value == "%"
    assert host.values == [("robot-1", "soc", 71.0, 5, False)], "a whole number of a real metric is one, too"
    assert host.bd_seq == 300 % 256


def test_a_value_of_another_type_or_name_is_born_first() -> None:
    node, host = EdgeNode("g", "n", 0, {}), Host()
    steps: list[dict[str, Value]] = [{"a": 1}, {"a": 1.5}, {"a": 2, "b": None}, {"b": "word"}, {"a": "text"}]
    messages = node.birth(1)
    for values in steps:
        messages += node.data("mast", Told(1, values, ReadingQuality.GOOD), 1, historical=False)
    for message in messages:
        host.take(message.topic, message.payload)
    kinds = [message.topic.split("/")[2] for message in messages]
    assert kinds == ["NBIRTH", *("DBIRTH", "DDATA") * 2, "DDATA", *("DBIRTH", "DDATA") * 2]
    assert [value for _, _, value, _, _ in host.values] == [1, 1.5, 2.0, "word", "text"]


@pytest.mark.parametrize(
    ("said", "online"),
    [
        ([b'{"online": true, "timestamp": 5}'], True),
        ([b'{"online": true, "timestamp": 5}', b'{"online": false, "timestamp": 4}'], True),
        ([b'{"online": true, "timestamp": 5}', b'{"online": false, "timestamp": 5}'], False),
        ([b'{"online": false, "timestamp": 9}', b'{"online": true, "timestamp": 5}'], False),
        ([b'{"online": "yes", "timestamp": 9}', b"ONLINE", b"\xff", b'{"online": true}'], False),
    ],
)
def test_a_primary_host_is_believed_in_the_order_of_its_times(said: list[bytes], online: bool) -> None:
    host = PrimaryHost("scada")
    for payload in said:
        host.take(payload)
    assert host.online is online
    assert host.topic == "spBv1.0/STATE/scada"


class Sessions(RuleBasedStateMachine):
    """Reconnects, restarts, rebirths, deaths and data in any order: the host's rules hold, and nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.connects = 0
        self.clock_ms = 1000
        self.host = Host()
        self.sent: list[tuple[str, str, Value, int]] = []
        self.will: Message | None = None
        self._connect()

    def _connect(self) -> None:
        self.node = EdgeNode("site", "hangzhou", self.connects, KNOWN)
        self.connects += 1
        self.will = self.node.death(self._now())
        self._say(self.node.birth(self._now()))

    def _now(self) -> int:
        self.clock_ms += 1
        return self.clock_ms

    def _say(self, messages: list[Message]) -> None:
        for message in messages:
            self.host.take(message.topic, message.payload)

    @rule(seen=st.booleans())
    def line_is_lost(self, seen: bool) -> None:
        """The broker publishes the will, or the next birth comes first."""
        late = self.will
        if seen and late is not None:
            self.host.take(late.topic, late.payload)
        self._connect()
        if not seen and late is not None:
            self.host.take(late.topic, late.payload)
            assert self.host.alive, "the will of the session before does not end this one"

    @rule()
    def host_asks_for_births(self) -> None:
        before = self.host.bd_seq
        alive = set(self.host.devices)
        self._say(self.node.birth(self._now()))
        assert self.host.bd_seq == before, "a rebirth is not a new session"
        assert self.host.devices == alive

    @rule(device=st.sampled_from(DEVICES))
    def device_is_lost(self, device: str) -> None:
        self._say(self.node.device_death(device, self._now()))
        assert device not in self.host.devices

    @rule(
        device=st.sampled_from(DEVICES),
        values=st.dictionaries(
            st.sampled_from(("soc", "lid", "mode")),
            st.one_of(st.integers(-5, 5), st.booleans(), st.floats(-1, 1), st.sampled_from(("open", "shut"))),
            min_size=1,
        ),
        historical=st.booleans(),
        times=st.integers(1, 150),
    )
    def readings(self, device: str, values: dict[str, Value], historical: bool, times: int) -> None:
        for _ in range(times):  # far beyond 255 in a few steps
            at_ms = self._now()
            told = Told(at_ms, values, ReadingQuality.GOOD)
            self._say(self.node.data(device, told, self._now(), historical=historical))
            self.sent += [(device, name, value, at_ms) for name, value in values.items()]

    @rule(device=st.sampled_from(DEVICES))
    def stale_reading(self, device: str) -> None:
        alive = device in self.host.devices
        told = Told(self._now(), {"soc": 1.0}, ReadingQuality.STALE)
        before = len(self.host.values)
        self._say(self.node.data(device, told, self._now(), historical=False))
        assert (device in self.host.devices) is alive, "old news brings nobody to life"
        del self.host.values[before:]

    @invariant()
    def nothing_is_lost_or_changed(self) -> None:
        heard = [(device, name, value, at_ms) for device, name, value, at_ms, _ in self.host.values]
        assert heard == self.sent


Sessions.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestSessions = Sessions.TestCase


class ManySessions(Sessions):
    """The same, for longer."""


ManySessions.TestCase.settings = settings(max_examples=1_500, stateful_step_count=50, deadline=None)
TestManySessions = pytest.mark.timeout(900)(pytest.mark.slow(ManySessions.TestCase))
