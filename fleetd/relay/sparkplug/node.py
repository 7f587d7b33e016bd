"""`EdgeNode`: the rules of one Sparkplug session: births before data, `seq` without a hole, aliases, deaths. Pure.

It makes messages and numbers them, so each one made must be sent, in order, or the connection be given up. Devices are
born with the first thing that is known of them, and again when a metric comes that their birth did not name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fleetd.records import Quality as ReadingQuality
from fleetd.records import Value
from fleetd.relay.sparkplug.payload import DataType, Metric, Quality, encode
from fleetd.relay.topics import Message

REBIRTH = "Node Control/Rebirth"
_BD_SEQ = "bdSeq"
_NUMBERS = 256
_QUALITIES = {
    ReadingQuality.GOOD: Quality.GOOD,
    ReadingQuality.SUSPECT: Quality.BAD,
    ReadingQuality.STALE: Quality.STALE,
}


class Kind(NamedTuple):
    """What a register map says of a value."""

    type: DataType
    unit: str = ""


class Told(NamedTuple):
    """The values of a device at one time."""

    at_ms: int
    values: Mapping[str, Value]
    quality: ReadingQuality


class EdgeNode:
    """One connection's session. `known` are the metrics of each device, as far as maps name them."""

    def __init__(self, group: str, node: str, bd_seq: int, known: Mapping[str, Mapping[str, Kind]]) -> None:
        self.bd_seq = bd_seq % _NUMBERS
        self._root = f"spBv1.0/{group}"
        self._node = node
        self._metrics = {device: dict(kinds) for device, kinds in known.items()}
        self._aliases: dict[tuple[str, str], int] = {}
        self._latest: dict[str, dict[str, Metric]] = {}
        self._alive: set[str] = set()
        self._seq = 0

    @property
    def command_filter(self) -> str:
        """Where a host's orders to this node come in."""
        return f"{self._root}/NCMD/{self._node}"

    def death(self, now_ms: int) -> Message:
        """NDEATH: the last will, and what a node says that leaves. It bears no `seq` (6.4.8)."""
        return Message(self._topic("NDEATH"), encode([self._bd_metric(now_ms)], now_ms, None))

    def birth(self, now_ms: int) -> list[Message]:
        """NBIRTH, whose `seq` is 0, and a DBIRTH for each device that is alive; a rebirth is the same once more."""
        self._seq = 0
        rebirth = Metric(False, DataType.BOOLEAN, REBIRTH, at_ms=now_ms)
        born = Message(self._topic("NBIRTH"), self._numbered([self._bd_metric(now_ms), rebirth], now_ms))
        return [born, *(self._device_birth(device, now_ms) for device in sorted(self._alive))]

    def data(self, device: str, told: Told, now_ms: int, *, historical: bool) -> list[Message]:
        """DDATA, after a DBIRTH where one is due. A lost device's old values are not news: its DDEATH has said so."""
        if device not in self._alive and told.quality is ReadingQuality.STALE:
            return []
        is_new = self._learn(device, told.values)
        messages = []
        if is_new or device not in self._alive:
            self._alive.add(device)
            messages.append(self._device_birth(device, now_ms))
        metrics = list(self._valued(device, told, historical=historical))
        if not historical:
            self._latest.setdefault(device, {}).update({metric.name: metric for metric in metrics})
        by_alias = [metric._replace(name="", unit="") for metric in metrics]
        if by_alias:
            messages.append(Message(self._topic("DDATA", device), self._numbered(by_alias, now_ms)))
        return messages

    def device_death(self, device: str, now_ms: int) -> list[Message]:
        """DDEATH of a device that is lost, if it was alive."""
        if device not in self._alive:
            return []
        self._alive.discard(device)
        self._latest.pop(device, None)
        return [Message(self._topic("DDEATH", device), self._numbered([], now_ms))]

    def _topic(self, kind: str, device: str = "") -> str:
        return f"{self._root}/{kind}/{self._node}" + (f"/{device}" if device else "")

    def _numbered(self, metrics: Iterable[Metric], now_ms: int) -> bytes:
        seq, self._seq = self._seq, (self._seq + 1) % _NUMBERS
        return encode(list(metrics), now_ms, seq)

    def _bd_metric(self, now_ms: int) -> Metric:
        return Metric(self.bd_seq, DataType.INT64, _BD_SEQ, at_ms=now_ms)

    def _device_birth(self, device: str, now_ms: int) -> Message:
        latest = self._latest.get(device, {})
        metrics = [
            latest.get(name, Metric(None, kind.type, name, at_ms=now_ms, quality=Quality.STALE))._replace(
                alias=self._alias(device, name), unit=kind.unit
            )
            for name, kind in self._metrics[device].items()
        ]
        return Message(self._topic("DBIRTH", device), self._numbered(metrics, now_ms))

    def _learn(self, device: str, values: Mapping[str, Value]) -> bool:
        """Whether values have names or types that the device's birth did not have; it has them from now on."""
        kinds = self._metrics.setdefault(device, {})
        found = {
            name: Kind(_type_of(value), kinds[name].unit if name in kinds else "")
            for name, value in values.items()
            if value is not None and (name not in kinds or not _fits(value, kinds[name].type))
        }
        kinds.update(found)
        for name in found:
            self._latest.get(device, {}).pop(name, None)
        return bool(found)

    def _valued(self, device: str, told: Told, *, historical: bool) -> Iterable[Metric]:
        kinds = self._metrics[device]
        for name, value in told.values.items():
            if name in kinds:  # an absent value of which nobody knows the type is not told
                quality = Quality.BAD if value is None else _QUALITIES[told.quality]
                alias = self._alias(device, name)
                yield Metric(value, kinds[name].type, name, alias, told.at_ms, historical, quality)

    def _alias(self, device: str, name: str) -> int:
        return self._aliases.setdefault((device, name), len(self._aliases) + 1)


def _type_of(value: bool | float | str) -> DataType:
    match value:
        case bool():
            return DataType.BOOLEAN
        case int():
            return DataType.INT64
        case float():
            return DataType.DOUBLE
        case _:
            return DataType.STRING


def _fits(value: bool | float | str, kind: DataType) -> bool:
    return _type_of(value) is kind or (
        kind is DataType.DOUBLE and isinstance(value, int) and not isinstance(value, bool)
    )
