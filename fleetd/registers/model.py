"""The model of a register map: where each value of a Modbus device stands, what it means, what may be written.

Addresses are those of the protocol, from zero; a manual that counts from 1 or from 40001 is translated in the map. A
map is data: drivers, sims, command lines and reference pages are all driven by the same file. This file only says what
a single entry may be; what entries may be to each other is in `check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleetd.registers.limits import Limit, Scalar
from fleetd.settings import Name, Settings

Table = Literal["coil", "discrete", "input", "holding"]
"""coil: one bit, read and write; discrete: one bit, read; input: 16 bits, read; holding: 16 bits, read and write."""

Type = Literal["bool", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bits", "string"]

WordOrder = Literal["ABCD", "BADC", "CDAB", "DCBA"]
"""Where the bytes of a value stand on the wire, A being the most significant: ABCD as the protocol's own numbers, BADC
with the bytes of each register swapped, CDAB with the registers in reverse, DCBA with both."""

Access = Literal["r", "w", "rw"]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["battery_charge_percent"])]
Address = Annotated[int, Field(ge=0, le=65535)]

SIZES: Mapping[str, int] = {
    "bool": 1, "u16": 1, "i16": 1, "bits": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4, "string": 1,
}  # fmt: skip
"""Registers (or coils) that one value takes, unless it says its own length, as strings must."""

INTEGERS = ("u16", "i16", "u32", "i32", "u64", "i64")
BIT_TABLES = ("coil", "discrete")
NEVER = "never"
MOST_ABSENT_CODES = 4096


class BitField(Settings):
    """One or more neighbouring bits of a register that have a name of their own."""

    bit: Annotated[int, Field(ge=0, le=15)]
    """The lowest bit of the field; 0 is the least significant of the register."""
    width: Annotated[int, Field(ge=1, le=16)] = 1
    """How many bits; a field of one bit without an enum is a truth value, a wider one a number."""
    enum: Mapping[int, Word] = {}
    """The words that its codes stand for."""
    limits: tuple[Limit, ...] = ()
    """Lines that it should not cross; each is an alarm."""
    help: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.bit + self.width > 16:
            raise ValueError(f"bit {self.bit} and width {self.width} reach beyond bit 15; make the field narrower")
        if any(not 0 <= code < 1 << self.width for code in self.enum):
            raise ValueError(f"an enum of {self.width} bits holds codes from 0 to {(1 << self.width) - 1}")
        return self


class ValueSpec(Settings):
    """One value and where it stands. What is decoded is raw x scale + offset, in `unit`."""

    name: Word
    table: Table
    address: Address
    """The first register or coil, counted from zero."""
    type: Type = "bool"
    """Coils and discrete inputs are bool, and need not say so."""
    length: Annotated[int, Field(ge=1, le=123)] | None = None
    """Registers that a string takes."""
    word_order: WordOrder | None = None
    """Unless given, the map's own for values of several registers, and ABCD for values of one and for strings."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """How much one count stands for; a value with a scale or an offset decodes to a real number."""
    offset: float | None = None
    unit: str = ""
    minimum: float | None = None
    """The least valid value, scaled; what is read below it is absent, what is to be written below it is refused."""
    maximum: float | None = None
    enum: Mapping[int, Word] = {}
    """The words that raw codes stand for; other codes are absent."""
    fields: Mapping[Word, BitField] = {}
    """The named fields of a `bits` register: they are what is decoded, the register itself is not."""
    absent: Mapping[str, str] = {}
    """Raw codes that mean that there is no value, each with the reason: a number, a range `65280..65535`, or `nan`."""
    access: Access | None = None
    """Unless given, r for discrete and input, rw for coil and holding."""
    set_only: bool = False
    """Of a coil: it may be set, and never cleared, from outside."""
    idempotent: bool = False
    """Of what can be written: to write the same twice does no more than to write it once. Only then is a write whose
    answer stays out sent once more, and only after it was read back."""
    verify: Word | None = None
    """The value that shows what was written, where it is not this one itself."""
    poll: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "status"
    """The poll group in which it is read; `never` leaves it out."""
    limits: tuple[Limit, ...] = ()
    """Lines that it should not cross; each is an alarm. Those of a `bits` register stand at its fields."""
    deadband: Annotated[float, Field(ge=0)] | None = None
    """Where readings are told by exception (`robots.max_silence_s`): a change by no more than this, scaled, from what
    was told last is no news. One as wide as its range makes it none at all, as for a counter that always runs."""
    help: str = ""

    @property
    def size(self) -> int:
        """Registers or coils that it takes."""
        return self.length or SIZES[self.type]

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.size

    @property
    def readable(self) -> bool:
        return self.access != "w"

    @property
    def writable(self) -> bool:
        return "w" in self.access if self.access else self.table in ("coil", "holding")

    @property
    def is_quantity(self) -> bool:
        """Whether it decodes to a number, and not to a word, a flag or a text."""
        return not self.enum and self.type not in ("bool", "bits", "string")

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it decodes to: its own, or those of its fields."""
        return tuple(self.fields) or (self.name,)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for wrong, text in self._faults():
            if wrong:
                raise ValueError(f"{self.name}: {text}")
        return self

    def _faults(self) -> tuple[tuple[bool, str], ...]:
        is_bit = self.table in BIT_TABLES
        is_whole = self.type in INTEGERS
        is_number = is_whole or self.type in ("f32", "f64")
        ranged = self.minimum is not None or self.maximum is not None
        low, high = self.minimum, self.maximum
        return (
            (is_bit and self.type != "bool", f"a {self.table} holds a bool, not {self.type}; take the type out"),
            (not is_bit and self.type == "bool", f"type is missing; {self.table} registers hold u16, i32, f32, bits…"),
            (self.end > 65536, f"{self.size} registers from {self.address} reach beyond address 65535"),
            ((self.type == "string") != (self.length is not None), "a string, and nothing else, has a length"),
            ((self.type == "bits") != bool(self.fields), "a bits register, and nothing else, has fields"),
            (bool(self.enum) and not is_whole, "an enum belongs to whole numbers, such as u16"),
            (bool(self.enum) and self.is_scaled, "an enum has neither scale nor offset"),
            (len(set(self.enum.values())) < len(self.enum), "an enum has each word once"),
            (bool(self.enum) and ranged, "an enum has neither minimum nor maximum; its codes are its range"),
            (self.is_scaled and not is_number, "scale and offset belong to numbers"),
            (ranged and not is_number, "minimum and maximum belong to numbers"),
            (low is not None and high is not None and low > high, f"minimum {low} is above maximum {high}"),
            (bool(self.absent) and not is_number, "absent codes belong to numbers"),
            (self.deadband is not None and (not is_number or bool(self.enum)), "a deadband belongs to numbers"),
            (bool(self.limits) and self.type == "bits", "limits of a bits register stand at its fields"),
            (not is_number and any(line.equals is None for line in self.limits), "above and below belong to numbers"),
            (not self.writable and self.idempotent, "idempotent belongs to what can be written"),
            (not self.writable and self.verify is not None, "verify belongs to what can be written"),
            (not self.writable and self.set_only, "set_only belongs to coils that can be written"),
            (self.set_only and self.table != "coil", "set_only belongs to coils"),
            (
                "w" in (self.access or "") and self.table in ("discrete", "input"),
                f"the {self.table} table can only be read",
            ),
            (self.type == "string" and self.word_order in ("CDAB", "DCBA"), "a string is in order ABCD or BADC"),
            *((_absent_fault(code) is not None, str(_absent_fault(code))) for code in self.absent),
        )

    @property
    def is_scaled(self) -> bool:
        return self.scale is not None or self.offset is not None


class Forbidden(Settings):
    """Addresses that must never be asked for, not even in passing."""

    table: Table
    first: Address
    last: Address
    why: str


class Group(Settings):
    """Values that are polled together."""

    every: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Read at each n-th poll of the device."""


class Identity(Settings):
    """What tells this device from others: a value that is read first and must be as said."""

    value: Word
    equals: Scalar


class ArgumentMap(Settings):
    """One argument of an action; it is written as (value / scale), in whole counts."""

    name: Word
    minimum: float
    maximum: float
    scale: Annotated[float, Field(gt=0)] = 1.0
    unit: str = ""
    help: str = ""

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense."""
        return self.scale == 1.0


class InterlockMap(Settings):
    """What the newest reading must show before an action is sent. A value that is absent shows nothing."""

    name: Word
    values: Annotated[tuple[Word, ...], Field(min_length=1)]
    """Each of them must be as the rest says."""
    one_of: tuple[Scalar, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    why: str
    """What stands against the action where it does not hold, in a sentence for people."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.one_of and self.minimum is None and self.maximum is None:
            raise ValueError(f"{self.name}: say one_of, minimum or maximum; else it would never stand against anything")
        return self


class ActionMap(Settings):
    """One thing that the device can be told to do, and the code that it knows it by."""

    name: Word
    code: Annotated[int, Field(ge=1, le=65535)]
    arguments: tuple[ArgumentMap, ...] = ()
    interlocks: tuple[Word, ...] = ()
    """The map's interlocks that must hold."""
    hazardous: bool = False
    """Whether it can hurt somebody: fleetd asks for more than one word of consent."""
    harmless_when: Mapping[Word, tuple[Scalar, ...]] = {}
    """A hazardous action is not, while the newest reading shows one of these for each of these values."""
    help: str


class CommandBlock(Settings):
    """How an action is told to the device and what it says of it, by the names of the values in question.

    number, code, arguments and crc are neighbours in this order and are written in one request; crc is the
    CRC-16/MODBUS of the bytes before it, as sent. A number that was taken before has no second effect.
    """

    number: Word
    code: Word
    arguments: tuple[Word, ...]
    crc: Word
    last_number: Word
    """The number of the last command that the device took."""
    result: Word
    """What it made of that command; an enum."""
    done: Word
    """The word of `result` that means that it was taken and is or will be carried out."""
    refusals: Mapping[Word, str] = {}
    """What the other words of `result` mean, in a sentence for people."""


class StopMap(Settings):
    """How a stop is demanded: the coil that is set, and the values that prove that it is in force."""

    write: Word
    verify: Mapping[Word, Scalar]


class HeartbeatMap(Settings):
    """The register that the supervisor must keep changing, and the one that says for how long the device waits."""

    write: Word
    timeout_ms: Word


class Sample(Settings):
    """A golden sample: registers as seen on a wire or written down by hand, and what they mean."""

    about: str
    input: Mapping[int, tuple[Address, ...]] = {}
    """Registers by the address of the first."""
    holding: Mapping[int, tuple[Address, ...]] = {}
    coil: Mapping[int, tuple[bool, ...]] = {}
    discrete: Mapping[int, tuple[bool, ...]] = {}
    values: Mapping[Word, Scalar] = {}
    absent: Mapping[Word, str] = {}


class RegisterMap(Settings):
    """One kind of device, as seen through Modbus."""

    name: Name
    title: str
    about: str
    """What the map rests on: a manual with its edition, a measurement, or an assumption, said plainly."""
    identity: Identity | None = None
    word_order: WordOrder = "ABCD"
    """Of values of two and four registers that do not say their own."""
    block_cap: Annotated[int, Field(ge=1, le=125)] = 125
    """The most registers that the device hands out in one answer."""
    max_gap: Annotated[int, Field(ge=0, le=124)] | None = None
    """The most unwanted registers that may be read along. Unless given, as many as pay at the speed of the line."""
    groups: Mapping[str, Group] = {}
    values: Annotated[tuple[ValueSpec, ...], Field(min_length=1)]
    forbidden: tuple[Forbidden, ...] = ()
    stop: StopMap | None = None
    heartbeat: HeartbeatMap | None = None
    command: CommandBlock | None = None
    interlocks: tuple[InterlockMap, ...] = ()
    actions: tuple[ActionMap, ...] = ()
    samples: Annotated[tuple[Sample, ...], Field(min_length=1)]
    """Golden samples; the map loads only if each decodes, and encodes, as it says."""

    @cached_property
    def by_name(self) -> Mapping[str, ValueSpec]:
        """The values by their own names."""
        return {spec.name: spec for spec in self.values}

    @cached_property
    def actions_by_name(self) -> Mapping[str, ActionMap]:
        return {action.name: action for action in self.actions}

    def order_of(self, spec: ValueSpec) -> WordOrder:
        """The word order in which a value stands."""
        return spec.word_order or (self.word_order if spec.type != "string" and spec.size > 1 else "ABCD")


def _absent_fault(code: str) -> str | None:
    try:
        codes = absent_codes(code)
    except ValueError:
        return f"absent code {code!r} is neither a number, nor a range like 65280..65535, nor nan"
    if codes is not None and not 0 < len(codes) <= MOST_ABSENT_CODES:
        return f"absent code {code!r} must name 1 to {MOST_ABSENT_CODES} codes"
    return None


def absent_codes(code: str) -> range | None:
    """The raw numbers that an absent code names; None for nan. Raises ValueError for what is no code."""
    if code == "nan":
        return None
    first, dots, last = code.partition("..")
    return range(int(first, 0), int(last, 0) + 1) if dots else range(int(first, 0), int(first, 0) + 1)
