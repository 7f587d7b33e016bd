"""Registers <-> values, one codec for both directions.

Decoding never raises for what a device sends: a code that means "no value", an unknown enum code, a number outside its
valid range or NaN decodes to None with the reason beside it. Encoding raises Refusal with the limit named.
"""

from __future__ import annotations

import math
import reprlib
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fleetd.errors import Refusal
from fleetd.records import Value
from fleetd.registers.model import (
    BIT_TABLES,
    INTEGERS,
    BitField,
    RegisterMap,
    Table,
    ValueSpec,
    WordOrder,
    absent_codes,
)
from fleetd.registers.plan import Block

FORMATS: Mapping[str, str] = {
    "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d", "bits": "H",
}  # fmt: skip

_MOST = sys.float_info.max
_MOST_PATTERNS = 256  # of one bits register, before they are worked out afresh

Put = Callable[[Any, dict[str, Value], dict[str, str]], None]
"""Puts the meaning of one raw value into a sample's values and absent reasons."""

Unpack = Callable[[bytes], Sequence[Any]]
"""Takes the data of one block apart into raw values, one for each spec of the block."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Values by name; `absent` says why a value is None."""

    values: dict[str, Value] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


class Decoder:
    """What the answer to one block request means, worked out once and used for each poll."""

    def __init__(self, register_map: RegisterMap, block: Block) -> None:
        self.block = block
        if block.table in BIT_TABLES:
            self.size = (block.count + 7) // 8
            offsets = [spec.address - block.address for spec in block.specs]
            self.unpack: Unpack = lambda data: _bits(data, offsets)
            self.puts = tuple(_put_bit(spec.name) for spec in block.specs)
            return
        self.size = 2 * block.count
        self.unpack = struct.Struct(_layout(register_map, block)).unpack
        self.puts = tuple(_put(spec, register_map.order_of(spec)) for spec in block.specs)

    def decode(self, data: bytes, into: Decoded) -> None:
        """Add what `data`, the `size` bytes of registers or packed bits that the answer carried, means."""
        for put, raw in zip(self.puts, self.unpack(data), strict=True):
            put(raw, into.values, into.absent)


def decode(register_map: RegisterMap, table: Table, address: int, cells: Sequence[int]) -> Decoded:
    """What registers (or bits, as 0 and 1) from `address` on mean; values not wholly among them are left out."""
    decoded = Decoded()
    if (found := decoder(register_map, table, address, len(cells))) is not None:
        found.decode(pack(table, cells), decoded)
    return decoded


def decoder(register_map: RegisterMap, table: Table, address: int, count: int) -> Decoder | None:
    """What makes values of so many registers or bits from `address` on; None where no value is wholly among them."""
    end = address + count
    inside = (s for s in register_map.values if s.table == table and s.address >= address and s.end <= end)
    specs = tuple(sorted(inside, key=lambda spec: spec.address))
    return Decoder(register_map, Block(table, address, count, specs)) if specs else None


def pack(table: Table, cells: Sequence[int]) -> bytes:
    """Registers, or bits as 0 and 1, in the bytes that a Modbus answer carries."""
    if table in BIT_TABLES:
        packed = sum(1 << index for index, bit in enumerate(cells) if bit)
        return packed.to_bytes((len(cells) + 7) // 8, "little")
    return struct.pack(f">{len(cells)}H", *cells)


def reorder(data: bytes, order: WordOrder) -> bytes:
    """Bytes of one value from `order` to ABCD, and as well the other way."""
    if order == "ABCD":
        return data
    if order == "DCBA":
        return data[::-1]
    source = data if order == "BADC" else data[::-1]
    swapped = bytearray(len(data))
    swapped[0::2], swapped[1::2] = source[1::2], source[0::2]
    return bytes(swapped)


# Decoding


def _layout(register_map: RegisterMap, block: Block) -> str:
    """The struct format of a block; gaps are skipped, values in another order than ABCD are taken as bytes."""
    parts, at = [">"], block.address
    for spec in block.specs:
        plain = spec.type != "string" and register_map.order_of(spec) == "ABCD"
        parts += [f"{2 * (spec.address - at)}x", FORMATS[spec.type] if plain else f"{2 * spec.size}s"]
        at = spec.end
    return "".join([*parts, f"{2 * (block.end - at)}x"])


def _bits(data: bytes, offsets: Sequence[int]) -> list[int]:
    packed = int.from_bytes(data, "little")
    return [packed >> offset & 1 for offset in offsets]


def _put_bit(name: str) -> Put:
    return lambda raw, values, _absent: values.__setitem__(name, raw == 1)


def _put(spec: ValueSpec, order: WordOrder) -> Put:
    put = _put_text(spec) if spec.type == "string" else _put_raw(spec)
    if order == "ABCD":
        return put
    if spec.type == "string":
        return lambda raw, values, absent: put(reorder(raw, order), values, absent)
    unpack = struct.Struct(f">{FORMATS[spec.type]}").unpack
    return lambda raw, values, absent: put(unpack(reorder(raw, order))[0], values, absent)


def _put_raw(spec: ValueSpec) -> Put:
    if spec.fields:
        return _put_fields(spec)
    return _put_enum(spec) if spec.enum else _put_number(spec)


def _put_text(spec: ValueSpec) -> Put:
    def put(raw: bytes, values: dict[str, Value], absent: dict[str, str]) -> None:
        try:
            values[spec.name] = raw.split(b"\0", 1)[0].decode("utf-8").rstrip()
        except UnicodeDecodeError:
            values[spec.name], absent[spec.name] = None, f"{raw.hex(' ')} is no UTF-8 text"

    return put


def _put_enum(spec: ValueSpec) -> Put:
    words, codes = spec.enum, codes_of(spec)

    def put(raw: int, values: dict[str, Value], absent: dict[str, str]) -> None:
        word = values[spec.name] = words.get(raw)
        if word is None:
            absent[spec.name] = codes.get(raw) or f"unknown code {raw}"

    return put


def _put_fields(spec: ValueSpec) -> Put:
    # The same few patterns come again and again: what each means is worked out once.
    known: dict[int, tuple[dict[str, Value], dict[str, str]]] = {}

    def put(raw: int, values: dict[str, Value], absent: dict[str, str]) -> None:
        meaning = known.get(raw)
        if meaning is None:
            if len(known) >= _MOST_PATTERNS:
                known.clear()
            meaning = known[raw] = _fields(spec, raw)
        values.update(meaning[0])
        if meaning[1]:
            absent.update(meaning[1])

    return put


def _fields(spec: ValueSpec, raw: int) -> tuple[dict[str, Value], dict[str, str]]:
    """The fields of one register and the reasons for those that are absent."""
    values: dict[str, Value] = {}
    absent: dict[str, str] = {}
    for name, part in spec.fields.items():
        code = raw >> part.bit & (1 << part.width) - 1
        values[name] = part.enum.get(code) if part.enum else code if part.width > 1 else code == 1
        if values[name] is None:
            absent[name] = f"unknown code {code}"
    return values, absent


def _put_number(spec: ValueSpec) -> Put:
    name, codes, finish = spec.name, codes_of(spec), _finish(spec)
    low = -_MOST if spec.minimum is None else spec.minimum
    high = _MOST if spec.maximum is None else spec.maximum
    if spec.type in INTEGERS and finish is None and not codes and (low, high) == (-_MOST, _MOST):
        return lambda raw, values, _absent: values.__setitem__(name, raw)

    def put(raw: float, values: dict[str, Value], absent: dict[str, str]) -> None:
        if raw in codes:
            values[name], absent[name] = None, codes[raw]
            return
        value = finish(raw) if finish else raw
        if low <= value <= high:  # which neither NaN nor an infinity passes
            values[name] = value
        else:
            values[name], absent[name] = None, _why_not(spec, value)

    return put


def _why_not(spec: ValueSpec, value: float) -> str:
    if math.isfinite(value):
        return f"{value:g} is outside {_range(spec)}"
    return spec.absent.get("nan", "not a number") if math.isnan(value) else "infinite"


def _finish(spec: ValueSpec) -> Callable[[float], float] | None:
    """From raw counts to the unit."""
    if not spec.is_scaled:
        return None
    if spec.type not in INTEGERS:
        scale, offset = spec.scale or 1.0, spec.offset or 0.0
        return lambda raw: raw * scale + offset
    step, start, parts = scaling(spec)
    return lambda raw: (raw * step + start) / parts


def scaling(spec: ValueSpec) -> tuple[int, int, int]:
    """Step, start and parts: a whole count means (count x step + start) / parts, the real nearest to the decimal.

    That is so because 0.001 is taken as 1 / 1000, and a quotient of whole numbers is rounded once.
    """
    scale, offset = spec.scale or 1.0, spec.offset or 0.0
    parts = 10 ** max(_decimals(scale), _decimals(offset))
    return int(Decimal(repr(scale)) * parts), int(Decimal(repr(offset)) * parts), parts


def _decimals(number: float) -> int:
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def codes_of(spec: ValueSpec) -> dict[float, str]:
    """The raw counts that mean "no value", each with its reason."""
    found: dict[float, str] = {}
    for code, reason in spec.absent.items():
        found.update(dict.fromkeys(absent_codes(code) or (), reason))
    return found


def _range(spec: ValueSpec) -> str:
    unit = f" {spec.unit}" if spec.unit else ""
    if spec.minimum is None:
        return f"at most {spec.maximum:g}{unit}"
    if spec.maximum is None:
        return f"at least {spec.minimum:g}{unit}"
    return f"{spec.minimum:g} to {spec.maximum:g}{unit}"


# Encoding


def encode(register_map: RegisterMap, spec: ValueSpec, value: Value) -> list[int]:
    """The registers of a value (of a coil or discrete input: one 0 or 1); None is sent as its first absent code.

    Raises Refusal for what the registers cannot hold; valid range and access are `encode_write`'s business. A bits
    register is encoded by `encode_fields`.
    """
    if spec.type == "bool":
        if not isinstance(value, bool):
            raise Refusal("type", f"{spec.name} is a truth value; {reprlib.repr(value)} is none")
        return [int(value)]
    data = _text(spec, value) if spec.type == "string" else _number(spec, _raw(spec, value))
    ordered = reorder(data, register_map.order_of(spec))
    return list(struct.unpack(f">{spec.size}H", ordered))


def encode_write(register_map: RegisterMap, spec: ValueSpec, value: Value) -> list[int]:
    """Like `encode`, of a value that is about to be written. Raises Refusal naming what stands against it."""
    if not spec.writable:
        raise Refusal("read-only", f"{spec.name} can only be read")
    if value is None:
        raise Refusal("type", f"{spec.name} needs a value")
    if spec.set_only and value is False:
        raise Refusal("set-only", f"{spec.name} can be set, never cleared, from here")
    if not isinstance(value, (bool, str)) and not _valid(spec, value):
        raise Refusal("range", f"{spec.name} {shown(value)} is outside {_range(spec)}")
    return encode(register_map, spec, value)


def encode_fields(register_map: RegisterMap, spec: ValueSpec, values: Mapping[str, Value]) -> list[int]:
    """The register of a `bits` value from its fields; fields that are not named are zero. Raises Refusal."""
    raw = 0
    for name, part in spec.fields.items():
        if name in values:
            raw |= _field_code(name, part, values[name]) << part.bit
    return list(struct.unpack(">H", reorder(struct.pack(">H", raw), register_map.order_of(spec))))


def encode_all(register_map: RegisterMap, values: Mapping[str, Value]) -> dict[Table, dict[int, int]]:
    """The cells of all named values, by table and address: what a device that shows these values holds."""
    bank: dict[Table, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}
    for spec in register_map.values:
        if spec.fields and any(name in values for name in spec.fields):
            cells = encode_fields(register_map, spec, values)
        elif spec.name in values:
            cells = encode(register_map, spec, values[spec.name])
        else:
            continue
        bank[spec.table].update(enumerate(cells, spec.address))
    return bank


def shown(value: float) -> str:
    """A number in a message; whole numbers from outside can be too long to print, or even to become a float."""
    try:
        return f"{value:g}"
    except OverflowError:
        return "a number of absurd size"


def _valid(spec: ValueSpec, value: float) -> bool:
    low = -math.inf if spec.minimum is None else spec.minimum
    high = math.inf if spec.maximum is None else spec.maximum
    return low <= value <= high


def _raw(spec: ValueSpec, value: Value) -> float:
    """The raw count (or float) of a value in its unit."""
    if value is None:
        return _absent_raw(spec)
    if spec.enum:
        return _code(spec.name, spec.enum, value)
    if isinstance(value, (bool, str)):
        raise Refusal("type", f"{spec.name} is a number; {reprlib.repr(value)} is none")
    if not -_MOST <= value <= _MOST:
        raise Refusal("range", f"{spec.name}: {shown(value)} does not fit into {spec.type}")
    counts = (value - (spec.offset or 0.0)) / (spec.scale or 1.0) if spec.is_scaled else value
    if spec.type not in INTEGERS:
        return counts
    if not math.isfinite(counts) or (not spec.is_scaled and counts != int(counts)):
        raise Refusal("type", f"{spec.name} is a whole number; {reprlib.repr(value)} is none")
    return round(counts)


def _absent_raw(spec: ValueSpec) -> float:
    for code in spec.absent:
        codes = absent_codes(code)
        return math.nan if codes is None else codes[0]
    raise Refusal("absent", f"{spec.name} has no code for an absent value")


def _number(spec: ValueSpec, raw: float) -> bytes:
    try:
        return struct.pack(f">{FORMATS[spec.type]}", raw)
    except (struct.error, OverflowError):
        raise Refusal("range", f"{spec.name}: {shown(raw)} counts do not fit into {spec.type}") from None


def _text(spec: ValueSpec, value: Value) -> bytes:
    if not isinstance(value, str):
        raise Refusal("type", f"{spec.name} is text; {reprlib.repr(value)} is none")
    data = value.encode("utf-8")
    if len(data) > 2 * spec.size:
        raise Refusal("range", f"{spec.name} holds {2 * spec.size} bytes, and {reprlib.repr(value)} has {len(data)}")
    return data.ljust(2 * spec.size, b"\0")


def _field_code(name: str, part: BitField, value: Value) -> int:
    code = _code(name, part.enum, value) if part.enum else value
    if not isinstance(code, int) or not 0 <= code < 1 << part.width:
        raise Refusal("range", f"{name} {reprlib.repr(value)} does not fit into {part.width} bits")
    return int(code)


def _code(name: str, words: Mapping[int, str], value: Value) -> int:
    for code, word in words.items():
        if word == value:
            return code
    raise Refusal("enum", f"{name} {reprlib.repr(value)} is none of {', '.join(words.values())}")
