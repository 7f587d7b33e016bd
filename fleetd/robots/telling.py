"""Report by exception: which readings of a device are worth telling, where a site does not want each of them.

A reading is told if something in it is otherwise than in the one that was told last, or if that was long ago. A number
with a deadband is otherwise only beyond it: a counter that always runs, or a voltage that trembles, is no news.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from operator import ne

from fleetd.records import Reading, Value


class Telling:
    """What was told of one device. Without `max_silence_s` each reading is worth telling."""

    __slots__ = ("_deadbands", "_max_silence_s", "_told", "_told_s")

    def __init__(self, max_silence_s: float | None, deadbands: Mapping[str, float]) -> None:
        self._max_silence_s = max_silence_s
        self._deadbands = deadbands
        self._told: Reading | None = None
        self._told_s = 0.0

    def is_due(self, reading: Reading, now_s: float) -> bool:
        """Whether to tell a reading of running time `now_s`; the next one is compared with it if so."""
        if self._max_silence_s is None:
            return True
        told = self._told
        if told is not None and now_s - self._told_s < self._max_silence_s and not self._is_news(told, reading):
            return False
        self._told, self._told_s = reading, now_s
        return True

    def _is_news(self, before: Reading, now: Reading) -> bool:
        if before.quality is not now.quality or before.absent != now.absent:
            return True
        old, new = before.values, now.values
        if old == new:
            return False
        if old.keys() != new.keys():
            return True
        changed = compress(new, map(ne, new.values(), map(old.__getitem__, new)))
        return any(self._is_beyond(name, old[name], new[name]) for name in changed)

    def _is_beyond(self, name: str, old: Value, new: Value) -> bool:
        band = self._deadbands.get(name)
        if band is None or not isinstance(old, int | float) or not isinstance(new, int | float):
            return True
        return abs(new - old) > band
