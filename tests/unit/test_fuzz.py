"""Every decoder, fed with good bytes that were damaged at random, by a seed."""

from __future__ import annotations

import random

import pytest
from fuzz.targets import TARGETS, Target


def damaged(random_: random.Random, seeds: list[bytes]) -> bytes:
    """Bytes changed, cut, doubled or taken from elsewhere."""
    data = bytearray(random_.choice(seeds))
    for _ in range(random_.randint(0, 6)):
        at, end = sorted(random_.randint(0, len(data)) for _ in range(2))
        match random_.randrange(5):
            case 0:
                data[at:at] = random_.randbytes(random_.randint(1, 8))
            case 1:
                del data[at : min(end, at + 40)]
            case 2:
                data[at:at] = data[at : min(end, at + 40)]
            case 3 if data:
                data[at % len(data)] ^= 1 << random_.randrange(8)
            case _:
                other = random_.choice(seeds)
                data[at:end] = other[: random_.randint(0, len(other))]
    return bytes(data[:8_000])


def fed(target: Target, count: int, seed: int) -> None:
    random_ = random.Random(seed)
    seeds = list(target.seeds)
    for _ in range(count):
        data = damaged(random_, seeds)
        try:
            target.feed(data)
        except Exception as error:
            raise AssertionError(f"fed with {data!r}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_message_is_refused_or_read_and_nothing_else(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].feed(seed)
    fed(TARGETS[name], 300, 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", TARGETS)
def test_a_hundred_thousand_damaged_messages(name: str) -> None:
    fed(TARGETS[name], 100_000, 2)
