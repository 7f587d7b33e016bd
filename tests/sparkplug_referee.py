"""An independent reader of Sparkplug B: Google's protobuf runtime with the specification's field numbers, and a host.

The descriptor is built here from `sparkplug_b.proto` of the Eclipse Sparkplug Specification 3.0.0; nothing of the code
under test is used. `Host` holds a stream of messages against the rules of chapters 4 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

_TYPES = {"uint64": 4, "uint32": 13, "bool": 8, "string": 9, "double": 1, "float": 2, "bytes": 12}
_VALUES = [("int", 10, "uint32"), ("long", 11, "uint64"), ("float", 12, "float"), ("double", 13, "double")]
_VALUES += [("boolean", 14, "bool"), ("string", 15, "string")]
_PROPERTY = [("type", 1, "uint32"), ("is_null", 2, "bool"), ("int_value", 3, "uint32"), ("long_value", 4, "uint64")]
_PROPERTY += [("float_value", 5, "float"), ("double_value", 6, "double"), ("boolean_value", 7, "bool")]
_PROPERTY += [("string_value", 8, "string")]


def _message(file: Any, name: str, fields: list[tuple[str, int, str]]) -> None:
    made = file.message_type.add(name=name)
    for field_name, number, words in fields:
        repeated, kind = words.startswith("repeated "), words.removeprefix("repeated ")
        one = made.field.add(name=field_name, number=number, label=3 if repeated else 1)
        one.type = _TYPES.get(kind, 11)
        if kind not in _TYPES:
            one.type_name = f".spb.{kind}"


def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="spb.proto", package="spb", syntax="proto2")
    _message(file, "PropertyValue", _PROPERTY)
    _message(file, "PropertySet", [("keys", 1, "repeated string"), ("values", 2, "repeated PropertyValue")])
    head = [("name", 1, "string"), ("alias", 2, "uint64"), ("timestamp", 3, "uint64"), ("datatype", 4, "uint32")]
    flags = [("is_historical", 5, "bool"), ("is_transient", 6, "bool"), ("is_null", 7, "bool")]
    values = [(f"{name}_value", number, kind) for name, number, kind in _VALUES]
    _message(file, "Metric", [*head, *flags, ("properties", 9, "PropertySet"), *values])
    _message(
        file,
        "Payload",
        [("timestamp", 1, "uint64"), ("metrics", 2, "repeated Metric"), ("seq", 3, "uint64"), ("uuid", 4, "string")],
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("spb.Payload"))


Payload = _payload_class()


def decode(payload: bytes) -> Any:
    """A payload, read by Google's code; raises when it is none, and for fields that nobody knows."""
    read = Payload()
    read.ParseFromString(payload)
    if any(len(UnknownFieldSet(part)) for part in (read, *read.metrics)):
        raise ValueError("fields that the specification does not have")
    return read


def value_of(metric: Any) -> Any:
    """The value, as its datatype says that it is to be understood."""
    if metric.is_null:
        return None
    match metric.datatype:
        case 3:
            return metric.int_value - (1 << 32 if metric.int_value >> 31 else 0)
        case 4:
            return metric.long_value - (1 << 64 if metric.long_value >> 63 else 0)
        case 10:
            return metric.double_value
        case 11:
            return metric.boolean_value
        case 12:
            return metric.string_value
    raise ValueError(f"datatype {metric.datatype}")


def rebirth() -> bytes:
    """An NCMD that asks for births (6.4.12)."""
    payload = Payload(timestamp=1)
    payload.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    made: bytes = payload.SerializeToString()
    return made


@dataclass
class Host:
    """What a host application makes of one edge node; every broken rule is an AssertionError."""

    bd_seq: int | None = None
    alive: bool = False
    devices: set[str] = field(default_factory=set)
    aliases: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    values: list[tuple[str, str, Any, int, bool]] = field(default_factory=list)
    """device, metric, value, time, historical"""
    next_seq: int = 0

    def take(self, topic: str, payload: bytes) -> None:
        root, _, kind, _, *device = topic.split("/")
        assert root == "spBv1.0"
        read = decode(payload)
        if kind == "NDEATH":
            self._node_death(read)
            return
        assert kind == "NBIRTH" or self.alive, "nothing before the node's birth"
        self._in_sequence(kind, read)
        match kind:
            case "NBIRTH":
                self._node_birth(read)
            case "DBIRTH":
                self._device_birth(device[0], read)
            case "DDATA":
                self._data(device[0], read)
            case "DDEATH":
                assert device[0] in self.devices, "only what lives can die"
                self.devices.discard(device[0])
            case _:
                raise AssertionError(kind)

    def _in_sequence(self, kind: str, read: Any) -> None:
        assert read.HasField("seq")
        wanted = 0 if kind == "NBIRTH" else self.next_seq
        assert read.seq == wanted, "a number was left out"
        self.next_seq = (wanted + 1) % 256

    def _node_birth(self, read: Any) -> None:
        metrics = {metric.name: metric for metric in read.metrics}
        self.bd_seq = value_of(metrics["bdSeq"])
        assert value_of(metrics["Node Control/Rebirth"]) is False
        assert not metrics["Node Control/Rebirth"].HasField("alias")
        self.alive = True
        self.devices.clear()
        self.aliases.clear()

    def _node_death(self, read: Any) -> None:
        assert not read.HasField("seq")
        (metric,) = read.metrics
        assert metric.name == "bdSeq"
        if self.alive and value_of(metric) == self.bd_seq:
            self.alive = False
            self.devices.clear()

    def _device_birth(self, device: str, read: Any) -> None:
        self.devices.add(device)
        for metric in read.metrics:
            assert metric.name
            assert metric.HasField("datatype")
            known = self.aliases.get(metric.alias)
            assert known is None or known[:2] == (device, metric.name), "an alias is unique on the node"
            self.aliases[metric.alias] = (device, metric.name, metric.datatype)

    def _data(self, device: str, read: Any) -> None:
        assert device in self.devices, "no data before the device's birth"
        for metric in read.metrics:
            assert not metric.name, "by alias alone"
            owner, name, datatype = self.aliases[metric.alias]
            assert (owner, datatype) == (device, metric.datatype), "as its birth said"
            self.values.append((device, name, value_of(metric), metric.timestamp, metric.is_historical))
