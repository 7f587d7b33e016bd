"""Whether all that a node says has arrived: gaps, duplicates and reordering, by node, boot and seq. Pure.

`seq` rises by one over all of a node's messages, across its boots too. Three kinds of number may be missing without
loss: that of the last will, which the broker keeps until the connection ends (`will_seq` of `online`); those that a
`gap` event names as dropped; and what is still on its way, for urgent messages overtake readings.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fleetd.store.rows import runs

_KEPT_SUMS = 100_000  # messages of a node whose checksum is kept, to tell a duplicate from a second use of its number


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one node."""

    node: str
    boots: list[str]
    first: int
    last: int
    messages: int
    """Different ones."""
    gaps: list[tuple[int, int]]
    """Ranges of numbers that are missing, and nobody says why."""
    missing: int
    """How many numbers these are."""
    announced: int
    """Records that the node itself says it had to drop."""
    duplicates: int
    """The same message once more: harmless, a consumer drops it."""
    reordered: int
    """Messages that came after a later one of the same topic, and not as a repetition."""
    conflicts: int
    """Two different messages under one number: never by a fleetd that works."""

    @property
    def whole(self) -> bool:
        """Whether nothing was lost without a word."""
        return not self.missing and not self.conflicts


class Envelope(msgspec.Struct):
    """As much of a message as continuity needs."""

    node: str
    boot: str
    seq: int
    name: str = ""
    source: str = ""
    detail: dict[str, Any] = {}
    will_seq: int | None = None


class NodeWatch:
    """Takes the messages of one node as they come."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._boots: list[str] = []
        self._first = self._last = self._baseline = 0
        self._missing: set[int] = set()
        self._announced: set[int] = set()
        self._wills: set[int] = set()
        self._sums: dict[int, int] = {}
        self._topics: dict[str, int] = {}
        self._messages = self._duplicates = self._reordered = self._conflicts = 0

    def take(self, topic: str, message: Envelope, payload: bytes) -> None:
        """A message that was just published, not one that was retained."""
        seq, checksum = message.seq, zlib.crc32(payload)
        if message.boot not in self._boots:
            self._boots.append(message.boot)
        self._note_exceptions(message)
        known = self._sums.get(seq)
        if known is not None or self._is_old(seq):
            self._duplicates += known in (None, checksum)
            self._conflicts += known not in (None, checksum)
            return
        self._messages += 1
        self._reordered += seq < self._topics.get(topic, 0)
        self._topics[topic] = max(seq, self._topics.get(topic, 0))
        self._extend(seq)
        self._sums[seq] = checksum
        if len(self._sums) > _KEPT_SUMS:
            del self._sums[next(iter(self._sums))]

    def retained(self, message: Envelope) -> None:
        """A message that the broker kept: it says which number is a last will, and nothing of continuity."""
        self._note_exceptions(message)

    def settle(self) -> None:
        """From now on all is heard: what is missing up to here may have come before anybody listened."""
        self._baseline = self._last

    def report(self) -> NodeReport:
        """How it stands now."""
        missing = sorted(seq for seq in self._missing - self._announced - self._wills if seq > self._baseline)
        return NodeReport(
            node=self._node,
            boots=self._boots,
            first=self._first,
            last=self._last,
            messages=self._messages,
            gaps=runs(missing),
            missing=len(missing),
            announced=len(self._announced),
            duplicates=self._duplicates,
            reordered=self._reordered,
            conflicts=self._conflicts,
        )

    def _is_old(self, seq: int) -> bool:
        """Whether a message came before, too long ago for its checksum to be known."""
        return bool(self._first) and self._first <= seq <= self._last and seq not in self._missing

    def _extend(self, seq: int) -> None:
        if not self._first:
            self._first = self._last = seq
        elif seq > self._last:
            self._missing.update(range(self._last + 1, seq))
            self._last = seq
        elif seq < self._first:
            self._missing.update(range(seq + 1, self._first))
            self._first = seq
        else:
            self._missing.discard(seq)

    def _note_exceptions(self, message: Envelope) -> None:
        if message.will_seq is not None:
            self._wills.add(message.will_seq)
        if message.source == "outbox" and message.name == "gap":
            for first, last in _ranges(message.detail):
                self._announced.update(range(first, last + 1))


class Continuity:
    """Takes all native messages of a broker, whatever the node."""

    def __init__(self) -> None:
        self.unreadable = 0
        self._nodes: dict[str, NodeWatch] = {}

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """One message of `fleetd/#`; commands and empty payloads, which clear a topic, are passed over."""
        if not payload or topic.endswith("/command"):
            return
        try:
            message = _decoder.decode(payload)
        except msgspec.MsgspecError:
            self.unreadable += 1
            return
        watch = self._nodes.setdefault(message.node, NodeWatch(message.node))
        if retained:
            watch.retained(message)
        else:
            watch.take(topic, message, payload)

    def settle(self) -> None:
        """What was missing until now may have come before we listened: in a backlog, numbers do not come in order."""
        for watch in self._nodes.values():
            watch.settle()

    def reports(self) -> list[NodeReport]:
        """One for each node that said something, by name."""
        reports = (watch.report() for _, watch in sorted(self._nodes.items()))
        return [report for report in reports if report.messages]


_decoder = msgspec.json.Decoder(Envelope)


def _ranges(detail: Mapping[str, Any]) -> Iterable[tuple[int, int]]:
    """The ranges that a gap event lists; where it had to leave some out, all from the first to the last of them."""
    ranges = [(int(first), int(last)) for first, last in detail.get("ranges", [])]
    told = sum(last - first + 1 for first, last in ranges)
    return ranges if told == detail.get("count", told) else [(int(detail["first"]), int(detail["last"]))]
