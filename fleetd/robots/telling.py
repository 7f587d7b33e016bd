"""Report by exception: which readings of a device are worth telling, where a site does not want each of them.

A reading is told if something in it is otherwise than in the one that was told last, or if that was long ago. A number
with a deadband is otherwise only beyond it: a counter that always runs, or a voltage that trembles, is no news.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetd.records import Reading, Value

_UNHEARD = object()


class Telling:
    """What was told of one device. Without `max_silence_s` each reading is worth telling."""

    __slots__ = ("_deadbands", "_max_silence_s", "_newest", "_told", "_told_s")

    def __init__(self, max_silence_s: float | None, deadbands: Mapping[str, float]) -> None:
        self._max_silence_s = max_silence_s
        self._deadbands = deadbands
        self._told: Reading | None = None
        self._told_s = 0.0
        self._newest = ""  # what was news last is looked at first: it mostly is again

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
        if old is new:
            return False
        if len(old) != len(new):
            return True
        if self._newest in new and self._is_beyond(self._newest, old.get(self._newest), new[self._newest]):
            return True
        for name, value in new.items():
            was = old.get(name, _UNHEARD)
            if value != was and self._is_beyond(name, was, value):
                self._newest = name
                return True
        return False

    def _is_beyond(self, name: str, old: object, new: Value) -> bool:
        if old == new:
            return False
        band = self._deadbands.get(name)
        if band is None or not isinstance(old, int | float) or not isinstance(new, int | float):
            return True
        return abs(new - old) > band
