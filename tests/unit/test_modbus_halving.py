"""Halving: whatever a device refuses, the rest of it is read, and it is not asked for that again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import Declined, ReplyTimeout
from fleetd.registers.model import RegisterMap, Sample, ValueSpec
from fleetd.registers.plan import Block
from fleetd_drivers.modbus.halving import REMEMBERED_S, Notebook
from fleetd_drivers.modbus.profile import Profile


class Unit:
    """A device that lacks some registers, and hands out at most `most` at once."""

    def __init__(self, lacks: set[int], most: int = 125, code: int = 2) -> None:
        self.lacks, self.most, self.code = lacks, most, code
        self.asked: list[Block] = []

    async def read(self, block: Block) -> None:
        self.asked.append(block)
        if block.count > self.most or self.lacks & set(range(block.address, block.end)):
            raise Declined("no", code=self.code)


def profile_of(addresses: list[int]) -> Profile:
    values = tuple(ValueSpec(name=f"v{at}", table="input", address=at, type="u16") for at in addresses)
    return Profile(RegisterMap(name="test", title="T", about="a", values=values, samples=(Sample(about="none"),)))


async def study(profile: Profile, unit: Unit, book: Notebook, now_s: float = 0.0) -> bool:
    reads = profile.reads_of_groups(profile.due(0), book.recall(now_s), 10)
    return await book.study(reads.blocks, unit.read, lambda: now_s)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=30, unique=True).map(sorted),
    st.sets(st.integers(0, 60)),
    st.integers(1, 40),
)
async def test_all_that_a_device_has_is_read_and_nothing_else_is_asked_for(
    addresses: list[int], lacks: set[int], most: int
) -> None:
    profile, unit, book = profile_of(addresses), Unit(lacks, most), Notebook()
    there = {at for at in addresses if at not in lacks}
    assert await study(profile, unit, book) == bool(there)
    if not there:
        return
    reads = profile.reads_of_groups(profile.due(0), book.recall(1.0), 10)
    unit.asked.clear()
    for block in reads.blocks:
        await unit.read(block)  # none of them is refused any more
    assert set(reads.blank) - set(reads.absent) == {f"v{at}" for at in there}
    assert reads.absent == dict.fromkeys(
        (f"v{at}" for at in addresses if at in lacks), "the device has no such register"
    )


async def test_one_hole_costs_a_search_that_grows_with_the_logarithm() -> None:
    unit = Unit({70})
    assert await study(profile_of(list(range(100))), unit, Notebook())
    assert len(unit.asked) <= 2 * 7 + 1


async def test_what_was_learned_is_kept_for_an_hour() -> None:
    profile, unit, book = profile_of([1, 2, 3]), Unit({2}), Notebook()
    await study(profile, unit, book)
    assert book.recall(REMEMBERED_S).missing == {"v2"}
    assert book.recall(REMEMBERED_S + 1).missing == frozenset()


async def test_a_device_that_refuses_everything_is_not_searched_again_and_again() -> None:
    profile, unit, book = profile_of([1, 2, 3]), Unit({1, 2, 3}), Notebook()
    assert not await study(profile, unit, book, 0.0)
    asked = len(unit.asked)
    assert not await study(profile, unit, book, 30.0)
    assert len(unit.asked) == asked
    unit.lacks = {1}
    assert await study(profile, unit, book, 61.0)
    assert book.recall(61.0).missing == {"v1"}


@pytest.mark.parametrize("failure", [Declined("busy", code=6), ReplyTimeout("silent")])
async def test_any_other_trouble_ends_the_search_and_teaches_nothing(failure: Exception) -> None:
    book = Notebook()

    async def read(_block: Block) -> None:
        raise failure

    reads = profile_of([1, 2]).reads_of_groups(("status",), book.lesson, 10)
    with pytest.raises(type(failure)):
        await book.study(reads.blocks, read, lambda: 0.0)
    assert book.lesson.missing == frozenset()
