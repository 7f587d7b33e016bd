"""Records as the outbox keeps them: kind, device, body and a checksum. Pure functions.

The body is the record's own JSON, without the envelope (node, boot, seq) and without any topic: both are put on when
the record is published, so that numbers are given inside the transaction and leave no holes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from fleetd.records import Alarm, AnyRecord, ContactReport, DeviceStatus, Event, Frame, NodeStatus, Reading, Result

Kept = AnyRecord | NodeStatus
"""What the outbox takes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder()


class Kind(StrEnum):
    """What a row is; decides topic, retention and what gives way when the store is full."""

    NODE = "node"
    READING = "reading"
    FRAME = "frame"
    STATUS = "status"
    EVENT = "event"
    ALARM = "alarm"
    ALARM_CLEARED = "alarm-cleared"
    RESULT = "result"
    CONTACT = "contact"

    __hash__ = str.__hash__  # each record is looked up by its kind several times, and Enum's own is slow


DROPPED_FIRST = (
    Kind.READING,
    Kind.FRAME,  # it stays in the archive of frames
    Kind.EVENT,
    Kind.STATUS,
    Kind.CONTACT,
    Kind.ALARM_CLEARED,
    Kind.ALARM,
    Kind.RESULT,
)
"""The order in which kinds give way when the store is full. The node's own status never does."""


YIELDING = frozenset({Kind.READING, Kind.FRAME, Kind.EVENT, Kind.STATUS, Kind.CONTACT})
"""What waits in memory while the disk is full, so that the rest finds room."""


class Lane(StrEnum):
    """The two queues in which records leave: what is not a reading overtakes readings, each in its own order."""

    URGENT = "urgent"
    READINGS = "readings"


class Draft(NamedTuple):
    """A record made ready for the outbox, still without a number."""

    kind: Kind
    device: str
    name: str
    at_us: int
    body: bytes


class Row(NamedTuple):
    """A committed record. `name` is an alarm's name, else empty; `at_us` its time in microseconds since 1970."""

    seq: int
    boot: str
    at_us: int
    kind: Kind
    device: str
    name: str
    body: bytes


def draft(record: Kept) -> Draft:
    """Encode a record. Raises TypeError for what is no record."""
    kind, device, name = _place(record)
    return Draft(kind, device, name, microseconds(record.at), _encoder.encode(record))


def checksum(seq: int, boot: str, content: Draft) -> int:
    """CRC-32 over all that a row holds, its number and boot included."""
    kind, device, name, at_us, body = content
    head = "\0".join((str(seq), boot, str(at_us), kind, device, name, ""))
    return zlib.crc32(body, zlib.crc32(head.encode()))


def microseconds(when: datetime) -> int:
    """Whole microseconds since 1970, exactly."""
    return (when - _EPOCH) // _MICROSECOND


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as their unbroken runs, first and last: 1 2 3 7 -> (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _place(record: Kept) -> tuple[Kind, str, str]:
    match record:
        case Reading():
            return Kind.READING, record.device, ""
        case Frame():
            return Kind.FRAME, record.device, ""
        case DeviceStatus():
            return Kind.STATUS, record.device, ""
        case Event():
            return Kind.EVENT, "", ""
        case Alarm():
            return Kind.ALARM if record.active else Kind.ALARM_CLEARED, record.device, record.name
        case Result():
            return Kind.RESULT, record.device, ""
        case ContactReport():
            return Kind.CONTACT, record.antenna, ""
        case NodeStatus():
            return Kind.NODE, "", ""
    raise TypeError(f"{type(record).__name__} is no record that the outbox knows")
