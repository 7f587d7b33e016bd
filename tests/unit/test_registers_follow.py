"""The follower: whatever came before, its values are those of a decoder that has no memory."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.registers.codec import Decoded, Decoder
from fleetd.registers.follow import Follower
from fleetd.registers.loader import load_map, map_names
from fleetd.registers.model import RegisterMap, Sample, ValueSpec
from fleetd.registers.plan import plan


def decoders_of(register_map: RegisterMap) -> list[Decoder]:
    return [Decoder(register_map, block) for block in plan(register_map, register_map.values)]


def made_map(*values: ValueSpec) -> RegisterMap:
    return RegisterMap(name="test", title="T", about="a", values=values, samples=(Sample(about="none"),))


def fresh(decoders: list[Decoder], answers: tuple[bytes, ...]) -> Decoded:
    decoded = Decoded()
    for decoder, data in zip(decoders, answers, strict=True):
        decoder.decode(data, decoded)
    return decoded


@pytest.mark.parametrize("name", map_names())
@settings(max_examples=40)
@given(data=st.data())
def test_a_follower_says_what_a_fresh_decoder_would(name: str, data: st.DataObject) -> None:
    decoders = decoders_of(load_map(name))
    follower = Follower(decoders)
    # Few different bytes: so that registers stay as they are, and absent codes (FFFF, 7FFF) come and go.
    cells = st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x01"])
    for _ in range(5):
        answers = tuple(
            b"".join(data.draw(st.lists(cells, min_size=each.size, max_size=each.size))) for each in decoders
        )
        follower.take(answers)
        expected = fresh(decoders, answers)
        assert (follower.values, follower.absent) == (expected.values, expected.absent)


def test_what_was_given_out_is_never_changed() -> None:
    decoders = decoders_of(
        made_map(ValueSpec(name="a", table="input", address=0, type="u16", absent={"65535": "none"}))
    )
    follower = Follower(decoders)
    seen = []
    for raw in (1, 0xFFFF, 2, 2, 0xFFFF):
        follower.take((struct.pack(">H", raw),))
        seen.append((follower.values, follower.absent, dict(follower.values), dict(follower.absent)))
    assert all(values == then and absent == why for values, absent, then, why in seen)
    assert [values["a"] for values, *_ in seen] == [1, None, 2, 2, None]
    assert [absent for _, absent, *_ in seen] == [{}, {"a": "none"}, {}, {}, {"a": "none"}]


def test_an_answer_like_the_one_before_gives_out_the_very_same_values() -> None:
    decoders = decoders_of(load_map("weather-station"))
    follower = Follower(decoders)
    answers = tuple(bytes(each.size) for each in decoders)
    follower.take(answers)
    values, absent = follower.values, follower.absent
    follower.take(tuple(bytes(each.size) for each in decoders))
    assert follower.values is values
    assert follower.absent is absent


def test_not_a_number_is_absent_each_time() -> None:
    decoders = decoders_of(made_map(ValueSpec(name="a", table="input", address=0, type="f32")))
    follower = Follower(decoders)
    for number in (float("nan"), float("nan"), 1.0, float("nan")):
        follower.take((struct.pack(">f", number),))
        assert (follower.absent == {}) == (number == 1.0)
