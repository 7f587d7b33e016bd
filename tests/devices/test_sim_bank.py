"""The sims' own encoder against the maps' golden samples, and against the decoder, which was written apart from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.records import Value
from fleetd.registers.codec import decode
from fleetd.registers.loader import load_map
from fleetd.registers.model import RegisterMap, ValueSpec
from fleetd_hil.sims.bank import RegisterBank

MAPS = ["little-donkey", "ups", "weather-station"]


@pytest.mark.parametrize("name", MAPS)
def test_golden_samples_come_out_cell_by_cell(name: str) -> None:
    register_map = load_map(name)
    bank = RegisterBank(register_map)
    for sample in register_map.samples:
        values: dict[str, Value] = {**sample.values, **dict.fromkeys(sample.absent)}
        for table, runs in (("input", sample.input), ("holding", sample.holding)):
            for address, cells in runs.items():
                shown = bank.cells(values, table, address, len(cells))  # type: ignore[arg-type]
                for spec in register_map.values:
                    if spec.table == table and spec.address >= address and spec.end <= address + len(cells):
                        where = slice(spec.address - address, spec.end - address)
                        if set(spec.names) & set(values):
                            assert tuple(shown[where]) == tuple(cells[where]), (sample.about, spec.name)


def one(**spec: object) -> RegisterBank:
    """A bank with one value called `it`; built without the checks of a whole map, which wants samples."""
    value = ValueSpec.model_validate({"name": "it", "table": "input", "address": 0, **spec})
    return RegisterBank(
        RegisterMap.model_construct(
            name="one", values=(value,), forbidden=(), block_cap=125, word_order="ABCD", groups={}, actions=()
        )
    )


# 0x01020304 in the four orders, as every table of Modbus word orders has it; 1.5 is 0x3FC00000 in IEEE 754.
@pytest.mark.parametrize(
    ("order", "cells"),
    [
        ("ABCD", [0x0102, 0x0304]),
        ("BADC", [0x0201, 0x0403]),
        ("CDAB", [0x0304, 0x0102]),
        ("DCBA", [0x0403, 0x0201]),
    ],
)
def test_word_orders(order: str, cells: list[int]) -> None:
    assert one(type="u32", word_order=order).cells({"it": 0x01020304}, "input", 0, 2) == cells


def test_types() -> None:
    assert one(type="f32").cells({"it": 1.5}, "input", 0, 2) == [0x3FC0, 0x0000]
    assert one(type="i16", scale=0.1).cells({"it": -4.5}, "input", 0, 1) == [0xFFD3]
    assert one(type="i32").cells({"it": -2}, "input", 0, 2) == [0xFFFF, 0xFFFE]
    assert one(type="string", length=2).cells({"it": "abc"}, "input", 0, 2) == [0x6162, 0x6300]
    assert one(type="f32", absent={"nan": "gone"}).cells({"it": None}, "input", 0, 2) == [0x7FC0, 0x0000]
    assert one(type="u16", scale=0.1, offset=-40.0).cells({"it": 20.0}, "input", 0, 1) == [600]


def test_a_block_that_cuts_a_value_shows_its_half() -> None:
    bank = one(type="u32", address=1)
    assert bank.cells({"it": 0x01020304}, "input", 0, 2) == [0, 0x0102]
    assert bank.cells({"it": 0x01020304}, "input", 2, 1) == [0x0304]


SCALED = [s for s in load_map("little-donkey").values if s.scale and s.table == "input"]


@given(st.data())
def test_what_the_bank_shows_the_decoder_reads(data: st.DataObject) -> None:
    register_map = load_map("little-donkey")
    spec = data.draw(st.sampled_from(SCALED))
    value = data.draw(st.floats(spec.minimum or 0.0, min(spec.maximum or 60.0, 327.0)))
    cells = RegisterBank(register_map).cells({spec.name: value}, spec.table, spec.address, spec.size)
    assert decode(register_map, spec.table, spec.address, cells).values[spec.name] == pytest.approx(
        value, abs=(spec.scale or 1.0) * 0.51
    )
