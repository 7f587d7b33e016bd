"""The payloads of Sparkplug B, as much of them as fleetd says and hears: protobuf by hand. Pure.

Field numbers are those of `sparkplug_b.proto` (Eclipse Sparkplug Specification 3.0.0, chapter 6; namespace spBv1.0): in
Payload timestamp 1, metrics 2, seq 3; in Metric name 1, alias 2, timestamp 3, datatype 4, is_historical 5, is_null 7,
properties 9, int_value 10, long_value 11, double_value 13, boolean_value 14, string_value 15; in PropertySet keys 1,
values 2; in PropertyValue type 1, int_value 3, string_value 8. Wire types are those of protobuf: 0 a varint, 1 eight
bytes, 2 counted bytes, 5 four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from fleetd.records import Value

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_U64 = (1 << 64) - 1
_MOST_VARINT = 10  # bytes


class DataType(IntEnum):
    """Those that fleetd uses (6.4.16)."""

    INT32 = 3
    INT64 = 4
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


class Quality(IntEnum):
    """What the property `Quality` of a metric may say (6.4.17)."""

    BAD = 0
    GOOD = 192
    STALE = 500


class Metric(NamedTuple):
    """One value of a payload; in births with its name and type, in data by its alias alone."""

    value: Value
    type: DataType
    name: str = ""
    alias: int | None = None
    at_ms: int = 0
    historical: bool = False
    quality: Quality | None = None
    unit: str = ""


class Malformed(ValueError):
    """What came in is no payload."""


def encode(metrics: Sequence[Metric], at_ms: int, seq: int | None) -> bytes:
    """A payload; without `seq` it is an NDEATH."""
    parts = [_number(1, at_ms), *(_counted(2, _metric(metric)) for metric in metrics)]
    if seq is not None:
        parts.append(_number(3, seq))
    return b"".join(parts)


def decode_orders(payload: bytes) -> dict[str, Value]:
    """The named metrics of an NCMD and their values; those of types that fleetd has no use for are None.

    Raises Malformed.
    """
    found: dict[str, Value] = {}
    for field, content in _fields(payload):
        if field == 2 and isinstance(content, bytes):
            name, value = _named(content)
            if name:
                found[name] = value
    return found


def _metric(metric: Metric) -> bytes:
    parts = [_counted(1, metric.name.encode())] if metric.name else []
    if metric.alias is not None:
        parts.append(_number(2, metric.alias))
    parts += [_number(3, metric.at_ms), _number(4, metric.type)]
    if metric.historical:
        parts.append(_number(5, 1))
    if metric.value is None:
        parts.append(_number(7, 1))
    if properties := _properties(metric):
        parts.append(_counted(9, properties))
    if metric.value is not None:
        parts.append(_value(metric.type, metric.value))
    return b"".join(parts)


def _properties(metric: Metric) -> bytes:
    known: dict[str, bytes] = {}
    if metric.quality is not None:
        known["Quality"] = _number(1, DataType.INT32) + _number(3, metric.quality)
    if metric.unit:
        known["engUnit"] = _number(1, DataType.STRING) + _counted(8, metric.unit.encode())
    return _property_set(known) if known else b""


def _property_set(known: Mapping[str, bytes]) -> bytes:
    return b"".join([*(_counted(1, key.encode()) for key in known), *(_counted(2, value) for value in known.values())])


def _value(kind: DataType, value: bool | float | str) -> bytes:
    match kind:
        case DataType.DOUBLE:
            return _key(13, _EIGHT) + struct.pack("<d", float(value))
        case DataType.BOOLEAN:
            return _number(14, int(bool(value)))
        case DataType.STRING:
            return _counted(15, str(value).encode())
        case DataType.INT32:
            return _number(10, int(value) & 0xFFFFFFFF)
        case DataType.INT64:
            return _number(11, int(value) & _U64)


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _counted(field: int, content: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(content)) + content


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _named(content: bytes) -> tuple[str, Value]:
    name: str = ""
    value: Value = None
    for field, part in _fields(content):
        match field, part:
            case 1, bytes():
                name = part.decode(errors="replace")
            case 14, int():
                value = bool(part)
            case 10 | 11, int():
                value = part
            case 15, bytes():
                value = part.decode(errors="replace")
    return name, value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, in their order. Raises Malformed."""
    at = 0
    while at < len(content):
        key, at = _read_varint(content, at)
        field, wire_type = key >> 3, key & 0x07
        if wire_type == _VARINT:
            value, at = _read_varint(content, at)
            yield field, value
            continue
        if wire_type == _BYTES:
            size, at = _read_varint(content, at)
        elif wire_type in (_EIGHT, _FOUR):
            size = 8 if wire_type == _EIGHT else 4
        else:
            raise Malformed(f"wire type {wire_type}")
        if at + size > len(content):
            raise Malformed("a field ends too late")
        yield field, content[at : at + size]
        at += size


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for step in range(_MOST_VARINT):
        if at + step >= len(content):
            raise Malformed("a number ends too early")
        byte = content[at + step]
        value |= (byte & 0x7F) << 7 * step
        if byte < 0x80:
            return value, at + step + 1
    raise Malformed("a number of more than ten bytes")
