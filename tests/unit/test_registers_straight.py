"""The straight decoder says what the codec says, of every value and every raw count."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.records import Value
from fleetd.registers.codec import FORMATS, Decoded, Decoder
from fleetd.registers.loader import load_map, map_names
from fleetd.registers.model import RegisterMap, Sample, ValueSpec
from fleetd.registers.plan import Block, plan
from fleetd.registers.straight import sound_counts, straight


def made_map(*values: ValueSpec) -> RegisterMap:
    return RegisterMap(name="test", title="T", about="a", values=values, samples=(Sample(about="none"),))


class Both:
    """What the codec says of a block's data, and what the straight decoder says."""

    def __init__(self, register_map: RegisterMap, block: Block) -> None:
        self.decoder, self.straight = Decoder(register_map, block), straight(register_map, block)

    def __call__(self, data: bytes) -> tuple[Decoded, Decoded]:
        codec, values, absent = Decoded(), dict[str, Value](), dict[str, str]()
        self.decoder.decode(data, codec)
        self.straight(data, values, absent)
        return codec, Decoded(values, absent)


@pytest.mark.parametrize("name", map_names())
@settings(max_examples=40)
@given(data=st.data())
def test_it_decodes_the_shipped_maps_as_the_codec_does(name: str, data: st.DataObject) -> None:
    register_map = load_map(name)
    # Few different bytes: so that absent codes (FFFF, 7FFF) and zeros are frequent.
    cells = st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01"])
    for block in plan(register_map, register_map.values):
        both = Both(register_map, block)
        size = both.decoder.size
        codec, ours = both(b"".join(data.draw(st.lists(cells, min_size=size, max_size=size))))
        assert repr(ours) == repr(codec)  # order and kinds of numbers, too


LIMITS = st.none() | st.sampled_from([0.0, -0.1, 0.1, 100.0, -100.0, 3276.7, 1e9]) | st.floats(-1e6, 1e6)
CODES = st.dictionaries(
    st.sampled_from(["0", "1", "255", "32767", "65535", "65280..65535"]), st.just("none"), max_size=2
)


@settings(max_examples=300)
@given(data=st.data())
def test_it_decodes_any_count_as_the_codec_does(data: st.DataObject) -> None:
    kind: Any = data.draw(st.sampled_from(["u16", "i16", "u32", "i32", "u64", "i64"]))
    low, high = data.draw(LIMITS), data.draw(LIMITS)
    if low is not None and high is not None and low > high:
        low, high = high, low
    codes = {code: why for code, why in data.draw(CODES).items() if kind != "i16" or int(code.split(".")[-1]) < 1 << 15}
    spec = ValueSpec(
        name="a",
        table="input",
        address=0,
        type=kind,
        scale=data.draw(st.sampled_from([None, 1.0, 0.1, 0.01, 1e-7, 5.0, 0.25])),
        offset=data.draw(st.sampled_from([None, 0.0, -40.0, 0.5])),
        minimum=low,
        maximum=high,
        absent=codes,
    )
    both = Both(made_map(spec), Block.of([spec]))
    sound, bits = sound_counts(spec), 16 * spec.size
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)
    edges = [sound.start - 1, sound.start, sound.stop - 1, sound.stop, 0, 1, 255, 256, 65279, 65280, least, most]
    for raw in [*edges, data.draw(st.integers(least, most))]:
        if least <= raw <= most:
            codec, ours = both(struct.pack(f">{FORMATS[kind]}", raw))
            assert repr(ours) == repr(codec)


def test_most_counts_are_decoded_without_a_call() -> None:
    """The longer side of a code that stands in the middle; all that the range allows where there is none."""
    angle = ValueSpec(name="a", table="input", address=0, type="u16", scale=0.01, minimum=0.0, maximum=360.0)
    assert sound_counts(angle) == range(36_001)
    coded = angle.model_copy(update={"absent": {"0": "lost", "35000": "lost"}})
    assert sound_counts(coded) == range(1, 35_000)


@pytest.mark.parametrize("order", ["BADC", "CDAB", "DCBA"])
def test_other_orders_of_bytes(order: Any) -> None:
    spec = ValueSpec(name="a", table="input", address=0, type="u32", word_order=order, scale=0.1)
    codec, ours = Both(made_map(spec), Block.of([spec]))(bytes.fromhex("01020304"))
    assert ours.values == codec.values
