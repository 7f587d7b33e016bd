"""Blocks of the archive: what comes out is what went in, to the last bit and type, and it is small."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.archive.blocks import Sample, decode_block, encode_block, flags, is_synced, quality_of
from fleetd.records import Quality, Value

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(),
    st.decimals(-10_000, 10_000, places=3).map(float),
    st.sampled_from([0.0, -0.0, 0, False, 1, True, 1.0]),
    st.text(max_size=8),
)
TIMES = st.integers(0, 1 << 52)
COLUMN_OF_ONE_KIND = st.sampled_from(
    [
        st.booleans(),
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.floats(),
        st.decimals(-100, 100, places=2).map(float),
        st.sampled_from([0.0, -0.0]),
    ]
)


def same(one: Value, other: object) -> bool:
    """Equal in type and, for real numbers, in every bit."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1.0, one) == math.copysign(1.0, other)
        )
    return type(one) is type(other) and one == other


def assert_comes_back(samples: list[Sample]) -> None:
    back = decode_block(encode_block(samples), range(len(samples[0].values)))
    assert [(one.at_us, one.flags) for one in back] == [(one.at_us, one.flags) for one in samples]
    for one, two in zip(samples, back, strict=True):
        assert all(same(a, b) for a, b in zip(one.values, two.values, strict=True)), (one, two)


@given(st.lists(st.tuples(TIMES, st.integers(0, 6), st.tuples(VALUES, VALUES)), min_size=1, max_size=20))
def test_whatever_goes_in_comes_out(rows: list[tuple[int, int, tuple[Value, Value]]]) -> None:
    assert_comes_back([Sample(at_us, trust, list(values)) for at_us, trust, values in rows])


@given(st.data())
def test_a_column_of_one_kind_comes_out_as_it_was(data: st.DataObject) -> None:
    column = data.draw(st.lists(data.draw(COLUMN_OF_ONE_KIND), min_size=1, max_size=40))
    assert_comes_back([Sample(number, 0, [value]) for number, value in enumerate(column)])


def test_only_the_values_that_are_wanted_are_given_and_in_their_order() -> None:
    samples = [Sample(number, 0, [number, "x", number * 0.5]) for number in range(5)]
    body = encode_block(samples)
    assert [one.values for one in decode_block(body, [2, 0])] == [[number * 0.5, number] for number in range(5)]
    assert [one.values for one in decode_block(body, [])] == [[]] * 5


def test_quality_and_trust_share_a_number() -> None:
    for quality in Quality:
        for synced in (True, False):
            number = flags(quality, synced=synced)
            assert (quality_of(number), is_synced(number)) == (quality, synced)


@pytest.mark.parametrize("body", [b"", b"nonsense", encode_block([Sample(0, 0, [1])])[:-3]])
def test_what_is_no_block_is_told(body: bytes) -> None:
    with pytest.raises(ValueError, match="damaged block"):
        decode_block(body, [0])


def test_a_minute_of_a_robot_takes_less_than_a_byte_a_value() -> None:
    """49 values of a driving Little Donkey once a second, noise included; JSON takes twenty bytes for each."""
    noise = random.Random(1)
    samples = [
        Sample(
            second * 1_000_000 + noise.randrange(5_000),
            0,
            [
                "driving",
                *[False] * 27,
                round(4.1 + noise.gauss(0, 0.05), 3),
                round(40 + noise.gauss(0, 1), 2),
                round(30.3 + second * 3e-5 + noise.gauss(0, 2e-6), 7),
                round(120.08 + second * 2e-5 + noise.gauss(0, 2e-6), 7),
                round(52 - second * 0.001 + noise.gauss(0, 0.02), 2),
                round(11.8 + noise.gauss(0, 0.6), 2),
                round(80 - second * 0.004, 1),
                round(27 + noise.gauss(0, 0.06), 1),
                int((80 - second * 0.004) * 980),
                120_000 + 4 * second + noise.randrange(2),
                31,
                -70 + noise.randint(-3, 3),
                second,
                noise.randrange(1000),
                *[3, 5, 5.556, 1764, 1, "done", "none"],
            ],
        )
        for second in range(60)
    ]
    values = 60 * len(samples[0].values)
    assert len(samples[0].values) == 49
    assert len(encode_block(samples)) / values < 0.5
    assert len(msgspec.json.encode([one.values for one in samples])) / values > 4
