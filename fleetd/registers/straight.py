"""The decoder of one block as one straight function, for who decodes thousands of answers a second.

It is composed of lines, one for each value, and compiled once: a number is compared and scaled in place, with no call.
What is no number, and a number that may be a "no value" code or outside its range, is put by the codec's own function,
so that both decode alike. Into the text go whole numbers, and names that the map's schema admits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from fleetd.records import Value
from fleetd.registers.codec import Decoder, codes_of, scaling
from fleetd.registers.model import INTEGERS, RegisterMap, ValueSpec
from fleetd.registers.plan import Block

Straight = Callable[[bytes, dict[str, Value], dict[str, str]], None]
"""Puts what the data of an answer mean into values and absent reasons."""


def straight(register_map: RegisterMap, block: Block) -> Straight:
    """The decoder of a block."""
    decoder = Decoder(register_map, block)
    raws = ", ".join(f"raw{index}" for index in range(len(block.specs)))
    lines = [
        "def decode(data, values, absent):",
        f"    {raws}, = unpack(data)",
        *(line for index, spec in enumerate(block.specs) for line in _lines(register_map, index, spec)),
    ]
    names: dict[str, Any] = {f"put{index}": put for index, put in enumerate(decoder.puts)}
    names["unpack"] = decoder.unpack
    exec("\n".join(lines), names)  # noqa: S102  # composed above, of words that the map's schema admits and of numbers
    return names["decode"]  # type: ignore[no-any-return]


def _lines(register_map: RegisterMap, index: int, spec: ValueSpec) -> Iterator[str]:
    raw, put = f"raw{index}", f"put{index}(raw{index}, values, absent)"
    is_count = spec.type in INTEGERS and not (spec.enum or spec.fields)
    if not is_count or register_map.order_of(spec) != "ABCD":
        yield f"    {put}"
        return
    sound = sound_counts(spec)
    step, start, parts = scaling(spec)
    steps = raw if step == 1 else f"{raw} * {step}"
    meaning = raw if not spec.is_scaled else f"{steps} / {parts}" if start == 0 else f"({steps} + {start}) / {parts}"
    yield f"    if {sound.start} <= {raw} < {sound.stop}: values[{spec.name!r}] = {meaning}"
    yield f"    else: {put}"


def sound_counts(spec: ValueSpec) -> range:
    """Raw counts in a row, most of those that there are, within the value's range and none of them a code."""
    bits = 16 * spec.size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if spec.type.startswith("i") else (0, (1 << bits) - 1)
    step, start, parts = scaling(spec)
    if spec.minimum is not None:
        low = max(low, math.ceil((Fraction(spec.minimum) * parts - start) / step))
    if spec.maximum is not None:
        high = min(high, math.floor((Fraction(spec.maximum) * parts - start) / step))
    for code in map(int, codes_of(spec)):
        if low <= code <= high:
            low, high = (code + 1, high) if code - low < high - code else (low, code - 1)
    return range(low, high + 1)
