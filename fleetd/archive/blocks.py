"""Readings of one device as a block: by columns, as differences, compressed. Pure functions.

A value that does not change is kept once. Numbers of few decimals are kept as whole ones where that is exact, and whole
ones as differences. What comes out is what went in, to the last bit and type.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import msgspec

from fleetd.records import Quality, Value

_LEVEL = 6
_MOST_DECIMALS = 8
_EXACT = 1 << 53  # whole numbers beyond this are no exact floats
_WIDEST = 1 << 63  # whole numbers beyond this do not fit into a message
_QUALITIES = (Quality.GOOD, Quality.SUSPECT, Quality.STALE)
_UNSYNCED = 4
_NUMBERS = {quality: number for number, quality in enumerate(_QUALITIES)}

_SAME, _PLAIN, _STEPS = 0, 1, 2
"""How a column is kept: one value; a list; decimals and differences."""


class Sample(NamedTuple):
    """One reading: when, how far to believe it (see `flags`), and its values in the order of their names."""

    at_us: int
    flags: int
    values: list[Value]


def flags(quality: Quality, *, synced: bool) -> int:
    """Quality and the clock's trust in one small number."""
    return _NUMBERS[quality] + (0 if synced else _UNSYNCED)


def quality_of(flags: int) -> Quality:
    """The quality in such a number."""
    return _QUALITIES[flags & 3]


def trusted(flags: int) -> int:
    """The same with the clock's trust restored."""
    return flags & ~_UNSYNCED


def is_synced(flags: int) -> bool:
    """Whether the clock could be trusted then."""
    return not flags & _UNSYNCED


def encode_block(samples: Sequence[Sample]) -> bytes:
    """At least one sample, all with the same names."""
    columns = [_column(column) for column in zip(*(sample.values for sample in samples), strict=True)]
    times = _steps([sample.at_us for sample in samples])
    trust = _column([sample.flags for sample in samples])
    return zlib.compress(msgspec.msgpack.encode((times, trust, columns)), _LEVEL)


def decode_block(body: bytes, wanted: Sequence[int]) -> list[Sample]:
    """The samples of a block with the values at these places alone. Raises ValueError for what is no block."""
    try:
        times, trust, columns = msgspec.msgpack.decode(zlib.decompress(body))
        at_us = list(accumulate(times))
        chosen = [_values(columns[place], len(at_us)) for place in wanted]
        rows: Iterable[tuple[Value, ...]] = zip(*chosen, strict=True) if chosen else ([()] * len(at_us))
        return [
            Sample(at, flag, list(row)) for at, flag, row in zip(at_us, _values(trust, len(at_us)), rows, strict=True)
        ]
    except (zlib.error, msgspec.MsgspecError, TypeError, LookupError) as error:
        raise ValueError(f"damaged block: {error}") from error


def _column(values: Sequence[Value]) -> tuple[Any, ...]:
    first = values[0]
    kind = type(first)
    alike = all(type(value) is kind for value in values)
    if alike and all(value == first for value in values) and (first or kind is not float):
        return _SAME, first
    if alike and kind is int:
        steps = _steps(values)  # type: ignore[arg-type]
        return (_STEPS, -1, steps) if all(abs(step) < _WIDEST for step in steps) else (_PLAIN, values)
    if alike and kind is float and (found := _as_whole(values)):  # type: ignore[arg-type]
        decimals, whole = found
        return _STEPS, decimals, _steps(whole)
    return _PLAIN, values


def _values(column: Sequence[Any], count: int) -> Sequence[Any]:
    match column:
        case [0, value]:
            return [value] * count
        case [1, values]:
            return list(values)
        case [2, -1, steps]:
            return list(accumulate(steps))
        case [2, decimals, steps]:
            scale = 10**decimals
            return [whole / scale for whole in accumulate(steps)]
    raise ValueError("damaged block: no such kind of column")


def _as_whole(values: Sequence[float]) -> tuple[int, list[int]] | None:
    """The same numbers in units of their last decimal, if that is exact (and no zero has a sign)."""
    for decimals in range(_MOST_DECIMALS + 1):
        scale = 10**decimals
        try:
            whole = [round(value * scale) for value in values]
        except (OverflowError, ValueError):
            return None
        if all(number / scale == value for number, value in zip(whole, values, strict=True)):
            exact = all(abs(number) < _EXACT for number in whole)
            return (decimals, whole) if exact and not any(_is_minus_zero(value) for value in values) else None
    return None


def _is_minus_zero(value: float) -> bool:
    return not value and math.copysign(1.0, value) < 0


def _steps(values: Sequence[int]) -> list[int]:
    return [values[0], *(after - before for before, after in pairwise(values))]
