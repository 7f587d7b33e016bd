"""One device's polled values, worked out afresh only where its answer differs from the one before.

Most registers say the same from poll to poll. Each answer is still taken whole: what is given out is exactly what a
decoder without a memory would make of it. Not here: which changes are worth reporting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from operator import ne
from typing import Any

from fleetd.records import Value
from fleetd.registers.codec import Decoded, Decoder


class Follower:
    """The values of a fixed set of blocks. What `values` and `absent` have given out is never changed afterwards."""

    __slots__ = ("_answers", "_decoders", "absent", "values")

    def __init__(self, decoders: Sequence[Decoder], absent: Mapping[str, str] | None = None) -> None:
        """`absent` names values that no block has, each with the reason."""
        self.absent: dict[str, str] = dict(absent or {})
        self.values: dict[str, Value] = dict.fromkeys(self.absent)
        self._decoders = tuple(decoders)
        self._answers: Sequence[bytes] = ()

    def take(self, answers: Sequence[bytes]) -> None:
        """The data of one answer to each block, in order: bring `values` and `absent` up to them."""
        if answers == self._answers:
            return
        values, absent = self.values.copy(), self.absent.copy() if not self._answers else self.absent
        for index, decoder in enumerate(self._decoders):
            if not self._answers:
                decoder.decode(answers[index], Decoded(values, absent))
            elif answers[index] != self._answers[index]:
                # Taken apart anew: to keep each robot's raw values costs more memory, and time to fetch them from it.
                before = decoder.unpack(self._answers[index])
                absent = self._changed(decoder, decoder.unpack(answers[index]), before, values, absent)
        self.values, self.absent, self._answers = values, absent, answers

    @staticmethod
    def _changed(
        decoder: Decoder, raws: Sequence[Any], before: Sequence[Any], values: dict[str, Value], absent: dict[str, str]
    ) -> dict[str, str]:
        """Put what differs into `values`; the reasons that hold from now on are returned."""
        reasons: dict[str, str] = {}
        for put, raw in compress(zip(decoder.puts, raws, strict=True), map(ne, raws, before)):
            put(raw, values, reasons)
        if not absent:
            return reasons or absent
        known_again = {name for names in compress(decoder.names, map(ne, raws, before)) for name in names}
        if not reasons and known_again.isdisjoint(absent):
            return absent
        return {name: why for name, why in absent.items() if name not in known_again} | reasons
