"""The register codec: every type in every word order, absent codes, and both directions against each other."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import Refusal
from fleetd.records import Value
from fleetd.registers.codec import decode, encode, encode_all, encode_fields, encode_write, pack, reorder
from fleetd.registers.model import RegisterMap, ValueSpec, WordOrder

ORDERS: tuple[WordOrder, ...] = ("ABCD", "BADC", "CDAB", "DCBA")


def map_of(*values: dict[str, Any], **more: Any) -> RegisterMap:
    return RegisterMap.model_validate_json(
        json.dumps(
            {
                "name": "test",
                "title": "Test",
                "about": "a test",
                "values": values,
                "samples": [{"about": "none"}],
                **more,
            }
        )
    )


def one(**value: Any) -> tuple[RegisterMap, ValueSpec]:
    register_map = map_of({"name": "v", "table": "input", "address": 0, **value})
    return register_map, register_map.values[0]


def read(register_map: RegisterMap, *registers: int) -> tuple[Value, str]:
    decoded = decode(register_map, "input", 0, registers)
    return decoded.values["v"], decoded.absent.get("v", "")


# 0x41424344 is 1094861636 as a whole number; the registers of each order are written out by hand from its name.
FOUR_BYTES = [("ABCD", 0x4142, 0x4344), ("BADC", 0x4241, 0x4443), ("CDAB", 0x4344, 0x4142), ("DCBA", 0x4443, 0x4241)]


@pytest.mark.parametrize(("order", "first", "second"), FOUR_BYTES)
def test_the_word_orders_are_what_their_names_say(order: WordOrder, first: int, second: int) -> None:
    register_map, spec = one(type="u32", word_order=order)
    assert read(register_map, first, second) == (0x41424344, "")
    assert encode(register_map, spec, 0x41424344) == [first, second]


def test_word_orders_of_eight_bytes() -> None:
    value = 0x4142434445464748
    expected = {
        "ABCD": [0x4142, 0x4344, 0x4546, 0x4748],
        "BADC": [0x4241, 0x4443, 0x4645, 0x4847],
        "CDAB": [0x4748, 0x4546, 0x4344, 0x4142],
        "DCBA": [0x4847, 0x4645, 0x4443, 0x4241],
    }
    for order, registers in expected.items():
        register_map, spec = one(type="u64", word_order=order)
        assert encode(register_map, spec, value) == registers
        assert read(register_map, *registers) == (value, "")


def test_the_maps_order_is_that_of_values_of_several_registers() -> None:
    register_map = map_of(
        {"name": "wide", "table": "input", "address": 0, "type": "u32"},
        {"name": "narrow", "table": "input", "address": 2, "type": "u16"},
        {"name": "text", "table": "input", "address": 3, "type": "string", "length": 1},
        {"name": "own", "table": "input", "address": 4, "type": "u32", "word_order": "ABCD"},
        word_order="DCBA",
    )
    decoded = decode(register_map, "input", 0, [0x0100, 0, 0x0001, 0x4142, 0, 1])
    assert decoded.values == {"wide": 1, "narrow": 1, "text": "AB", "own": 1}


@given(st.binary(min_size=2, max_size=16).filter(lambda data: len(data) % 2 == 0), st.sampled_from(ORDERS))
def test_reordering_twice_changes_nothing(data: bytes, order: WordOrder) -> None:
    assert reorder(reorder(data, order), order) == data


RANGES = {
    "u16": (0, 2**16 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u32": (0, 2**32 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}


@given(st.sampled_from(sorted(RANGES)), st.sampled_from(ORDERS), st.data())
def test_whole_numbers_survive_the_way_there_and_back(kind: str, order: WordOrder, data: st.DataObject) -> None:
    value = data.draw(st.integers(*RANGES[kind]))
    register_map, spec = one(type=kind, word_order=order)
    assert read(register_map, *encode(register_map, spec, value)) == (value, "")


@pytest.mark.parametrize("kind", sorted(RANGES))
def test_what_does_not_fit_is_refused(kind: str) -> None:
    register_map, spec = one(type=kind)
    low, high = RANGES[kind]
    for value in (low - 1, high + 1, 10**5000):
        with pytest.raises(Refusal, match=f"fit into {kind}"):
            encode(register_map, spec, value)
    for value in (low, high):
        assert read(register_map, *encode(register_map, spec, value)) == (value, "")


@given(st.sampled_from(ORDERS), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_short_floats_survive(order: WordOrder, value: float) -> None:
    register_map, spec = one(type="f32", word_order=order)
    assert read(register_map, *encode(register_map, spec, value)) == (value, "")


@given(st.sampled_from(ORDERS), st.floats(allow_nan=False, allow_infinity=False))
def test_long_floats_survive(order: WordOrder, value: float) -> None:
    register_map, spec = one(type="f64", word_order=order)
    assert read(register_map, *encode(register_map, spec, value)) == (value, "")


@given(st.sampled_from(["ABCD", "BADC"]), st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8))
def test_text_survives(order: WordOrder, text: str) -> None:
    register_map, spec = one(type="string", length=4, word_order=order)
    assert read(register_map, *encode(register_map, spec, text)) == (text.rstrip(), "")


def test_text_that_is_none_is_absent() -> None:
    register_map, spec = one(type="string", length=2)
    assert read(register_map, 0xFFFE, 0x4142) == (None, "ff fe 41 42 is no UTF-8 text")
    with pytest.raises(Refusal, match="holds 4 bytes, and 'hello' has 5"):
        encode(register_map, spec, "hello")


@given(st.integers(-(2**15), 2**15 - 1), st.sampled_from([0.1, 0.01, 0.001, 0.5, 0.25, 10.0]), st.integers(-500, 500))
def test_scaled_numbers_survive_and_have_no_tail(raw: int, scale: float, offset: int) -> None:
    register_map, spec = one(type="i16", scale=scale, offset=offset / 10)
    value, _ = read(register_map, raw & 0xFFFF)
    assert encode(register_map, spec, value) == [raw & 0xFFFF]
    assert len(f"{value!r}".partition(".")[2]) <= 3


def test_scale_and_offset_are_applied_in_this_order() -> None:
    register_map, spec = one(type="u16", scale=0.1, offset=-40.0)
    assert read(register_map, 824) == (42.4, "")
    assert encode(register_map, spec, 42.4) == [824]


# Values that are not there

ABSENT = [
    ("WXT530: unsigned without value", {"type": "u16", "absent": {"65535": "no value"}}, [65535], "no value"),
    ("WXT530: signed without value", {"type": "i16", "absent": {"32767": "no value"}}, [32767], "no value"),
    ("Symmetra PX: FFxx", {"type": "u16", "absent": {"0xFF00..0xFFFF": "invalid"}}, [0xFF42], "invalid"),
    ("NaN", {"type": "f32", "absent": {"nan": "sensor fault"}}, [0x7FC0, 0], "sensor fault"),
    ("NaN of a map that does not name it", {"type": "f32"}, [0x7FC0, 0], "not a number"),
    ("an infinity", {"type": "f64"}, [0x7FF0, 0, 0, 0], "infinite"),
    ("below the least", {"type": "i16", "minimum": -40, "unit": "°C"}, [0x8000], "-32768 is outside at least -40 °C"),
    ("above the most", {"type": "u16", "maximum": 50}, [51], "51 is outside at most 50"),
    ("outside", {"type": "u16", "scale": 0.1, "minimum": 0, "maximum": 100}, [1001], "100.1 is outside 0 to 100"),
    ("an unknown enum code", {"type": "u16", "enum": {"0": "off", "1": "on"}}, [7], "unknown code 7"),
    ("a known code without word", {"type": "u16", "enum": {"0": "off"}, "absent": {"7": "booting"}}, [7], "booting"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "registers", "reason"), [row[1:] for row in ABSENT], ids=[row[0] for row in ABSENT])
def test_what_is_no_value_is_absent_with_a_reason_and_never_a_number(
    value: dict[str, Any], registers: list[int], reason: str
) -> None:
    register_map, _ = one(**value)
    assert read(register_map, *registers) == (None, reason)


@given(st.integers(0, 0xFFFF))
def test_an_absent_code_is_absent_and_no_other_is(raw: int) -> None:
    register_map, _ = one(type="u16", scale=0.1, absent={"65535": "no value", "0xFF00..0xFF0F": "bad"})
    expected = "no value" if raw == 65535 else "bad" if 0xFF00 <= raw <= 0xFF0F else ""
    assert read(register_map, raw)[1] == expected


def test_an_absent_value_is_sent_as_its_code() -> None:
    register_map, spec = one(type="u16", absent={"0xFF00..0xFFFF": "invalid"})
    assert encode(register_map, spec, None) == [0xFF00]
    register_map, spec = one(type="f32", absent={"nan": "fault"})
    assert math.isnan(struct.unpack(">f", pack("input", encode(register_map, spec, None)))[0])
    register_map, spec = one(type="u16")
    with pytest.raises(Refusal, match="v has no code for an absent value"):
        encode(register_map, spec, None)


# Bits

GEAR = {
    "type": "bits",
    "fields": {
        "lamp": {"bit": 0},
        "gear": {"bit": 4, "width": 2, "enum": {"0": "park", "1": "drive", "2": "reverse"}},
        "level": {"bit": 8, "width": 8},
    },
}


def test_bit_fields_are_values_of_their_own() -> None:
    register_map, spec = one(**GEAR)
    decoded = decode(register_map, "input", 0, [0x6411])
    assert decoded.values == {"lamp": True, "gear": "drive", "level": 0x64}
    assert encode_fields(register_map, spec, decoded.values) == [0x6411]
    decoded = decode(register_map, "input", 0, [0x0030])
    assert decoded.values["gear"] is None
    assert decoded.absent == {"gear": "unknown code 3"}


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=600))
def test_bit_fields_mean_the_same_each_time(registers: list[int]) -> None:
    register_map, _ = one(**GEAR)
    for register in registers:
        values = decode(register_map, "input", 0, [register]).values
        assert values["lamp"] is bool(register & 1)
        assert values["level"] == register >> 8


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"level": 256}, "level 256 does not fit into 8 bits"),
        ({"gear": "up"}, "gear 'up' is none of park, drive, reverse"),
    ],
)
def test_a_field_that_does_not_fit_is_refused(values: dict[str, Value], reason: str) -> None:
    register_map, spec = one(**GEAR)
    with pytest.raises(Refusal, match=reason):
        encode_fields(register_map, spec, values)


# Coils and whole banks


def test_coils_are_packed_lowest_first() -> None:
    # The answer of "MODBUS Application Protocol V1.1b3", 6.1: coils 20 to 38 are CD 6B 05.
    states = [int(bit) for byte in (0xCD, 0x6B, 0x05) for bit in reversed(f"{byte:08b}")][:19]
    assert pack("coil", states) == bytes((0xCD, 0x6B, 0x05))
    names = [{"name": f"c{index}", "table": "coil", "address": index} for index in (0, 1, 18)]
    assert decode(map_of(*names), "coil", 0, states).values == {"c0": True, "c1": False, "c18": True}


def test_a_bank_holds_all_that_is_named() -> None:
    register_map = map_of(
        {"name": "on", "table": "coil", "address": 3},
        {"name": "wide", "table": "holding", "address": 10, "type": "i32"},
        {"name": "other", "table": "holding", "address": 20, "type": "u16"},
        {"name": "flags", "table": "input", "address": 1, **GEAR},
    )
    assert encode_all(register_map, {"on": True, "wide": -2, "lamp": True}) == {
        "coil": {3: 1},
        "discrete": {},
        "input": {1: 1},
        "holding": {10: 0xFFFF, 11: 0xFFFE},
    }


def test_values_that_are_only_partly_there_are_left_out() -> None:
    register_map = map_of(
        {"name": "first", "table": "input", "address": 0, "type": "u32"},
        {"name": "second", "table": "input", "address": 2, "type": "u32"},
    )
    assert decode(register_map, "input", 1, [0, 0, 7]).values == {"second": 7}
    assert decode(register_map, "input", 1, [0, 0]).values == {}


# What may be written

WRITABLE: dict[str, Any] = {
    "table": "holding",
    "type": "u16",
    "scale": 0.001,
    "minimum": 0.1,
    "maximum": 5.556,
    "unit": "m/s",
}


@pytest.mark.parametrize(
    ("spec", "value", "rule", "reason"),
    [
        (WRITABLE, 6, "range", "v 6 is outside 0.1 to 5.556 m/s"),
        (WRITABLE, 0, "range", "v 0 is outside 0.1 to 5.556 m/s"),
        (WRITABLE, math.nan, "range", "v nan is outside"),
        (WRITABLE, 10**400, "range", "v a number of absurd size is outside"),
        (WRITABLE, "fast", "type", "v is a number; 'fast' is none"),
        (WRITABLE, True, "type", "v is a number; True is none"),
        (WRITABLE, None, "type", "v needs a value"),
        ({"table": "holding", "type": "u16"}, 2.5, "type", "v is a whole number; 2.5 is none"),
        ({"table": "holding", "type": "u16", "access": "r"}, 1, "read-only", "v can only be read"),
        ({"table": "input", "type": "u16"}, 1, "read-only", "v can only be read"),
        ({"table": "discrete"}, True, "read-only", "v can only be read"),
        ({"table": "coil", "set_only": True}, False, "set-only", "v can be set, never cleared, from here"),
        ({"table": "coil"}, 1, "type", "v is a truth value; 1 is none"),
        ({"table": "holding", "type": "u16", "enum": {"1": "a", "2": "b"}}, "c", "enum", "v 'c' is none of a, b"),
        ({"table": "holding", "type": "string", "length": 2}, 7, "type", "v is text; 7 is none"),
    ],
)
def test_what_may_not_be_written_is_refused_with_the_limit(
    spec: dict[str, Any], value: Value, rule: str, reason: str
) -> None:
    register_map = map_of({"name": "v", "address": 0, **spec})
    with pytest.raises(Refusal, match=reason.replace(".", r"\.")) as caught:
        encode_write(register_map, register_map.values[0], value)
    assert caught.value.rule == rule


def test_limits_themselves_may_be_written() -> None:
    register_map = map_of({"name": "v", "address": 0, **WRITABLE})
    assert encode_write(register_map, register_map.values[0], 0.1) == [100]
    assert encode_write(register_map, register_map.values[0], 5.556) == [5556]
