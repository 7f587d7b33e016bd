"""The read plan: every value whole and once, nothing forbidden, no block too large, no more blocks than needed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleetd.registers.loader import load_map
from fleetd.registers.model import BIT_TABLES, SIZES, Forbidden, Group, RegisterMap, Sample, Table, ValueSpec
from fleetd.registers.plan import MOST_BITS, Block, due_groups, groups_of, plan, polled

TABLES: tuple[Table, ...] = ("coil", "discrete", "input", "holding")


@st.composite
def maps(draw: st.DrawFn) -> RegisterMap:
    values: list[ValueSpec] = []
    forbidden: list[Forbidden] = []
    for table in TABLES:
        at = draw(st.integers(0, 40))
        for index in range(draw(st.integers(0, 12))):
            at += draw(st.sampled_from([0, 0, 1, 3, 9, 30]))
            kind = "bool" if table in BIT_TABLES else draw(st.sampled_from(["u16", "u32", "f64"]))
            if draw(st.booleans()) or index == 0:
                poll = draw(st.sampled_from(["status", "slow", "never"]))
                access = draw(st.sampled_from([None, "r"])) if table in ("input", "discrete") else None
                values.append(
                    ValueSpec(name=f"{table}_{index}", table=table, address=at, type=kind, poll=poll, access=access)  # type: ignore[arg-type]
                )
            elif draw(st.booleans()):
                forbidden.append(Forbidden(table=table, first=at, last=at + SIZES[kind] - 1, why="it hurts"))
            at += SIZES[kind]
    if not values:
        values.append(ValueSpec(name="only", table="coil", address=0))
    return RegisterMap(
        name="test",
        title="Test",
        about="made up",
        block_cap=draw(st.integers(4, 20)),
        max_gap=draw(st.integers(0, 12)),
        values=tuple(values),
        forbidden=tuple(forbidden),
        samples=(Sample(about="none"),),
    )


@given(maps())
def test_every_value_is_read_whole_and_once_in_blocks_that_are_allowed(register_map: RegisterMap) -> None:
    blocks = plan(register_map, register_map.values)
    read = [spec for block in blocks for spec in block.specs]
    assert sorted(spec.name for spec in read) == sorted(spec.name for spec in register_map.values if spec.readable)
    for block in blocks:
        assert block.address == block.specs[0].address
        assert all(block.address <= spec.address and spec.end <= block.end for spec in block.specs)
        assert block.count <= (MOST_BITS if block.table in BIT_TABLES else register_map.block_cap)
        for hole in register_map.forbidden:
            assert hole.table != block.table or hole.last < block.address or block.end <= hole.first


@given(maps())
def test_no_two_blocks_could_have_been_one(register_map: RegisterMap) -> None:
    blocks = plan(register_map, register_map.values, max_gap=100)
    for before, after in pairwise(blocks):
        if before.table != after.table:
            continue
        most = MOST_BITS if before.table in BIT_TABLES else register_map.block_cap
        first = after.specs[0]
        near = first.address - before.end <= register_map.max_gap and first.end - before.address <= most
        between = range(before.end, first.address)
        free = not any(h.table == before.table and h.first in between for h in register_map.forbidden)
        assert not (near and free)


def test_the_little_donkey_is_polled_with_one_request() -> None:
    robot = load_map("little-donkey")
    assert [(b.table, b.address, b.count) for b in plan(robot, polled(robot, groups_of(robot)))] == [("input", 2, 30)]


def test_what_can_only_be_written_is_never_read() -> None:
    robot = load_map("little-donkey")
    assert "resume_request" not in {spec.name for block in plan(robot, robot.values) for spec in block.specs}


def test_the_gap_and_the_cap_of_a_line_may_differ_from_the_maps() -> None:
    station = load_map("weather-station")
    ends = [station.by_name[name] for name in ("wind_direction_deg", "rain_mm")]
    assert [(b.address, b.count) for b in plan(station, ends)] == [(0, 7)]
    assert [(b.address, b.count) for b in plan(station, ends, max_gap=4)] == [(0, 1), (6, 1)]
    assert [(b.address, b.count) for b in plan(station, ends, cap=6)] == [(0, 1), (6, 1)]


def test_no_block_reaches_across_a_cut() -> None:
    station = load_map("weather-station")
    assert [(b.address, b.count) for b in plan(station, station.values, cuts=[("input", 3), ("coil", 5)])] == [
        (0, 3),
        (3, 5),
    ]


def test_groups_are_due_at_each_nth_poll() -> None:
    values = tuple(
        ValueSpec(name=name, table="coil", address=index, poll=name)
        for index, name in enumerate(("status", "slow", "never"))
    )
    groups = {"status": Group(), "slow": Group(every=3)}
    register_map = RegisterMap(
        name="test", title="T", about="a", groups=groups, values=values, samples=(Sample(about="none"),)
    )
    due = [due_groups(register_map, poll) for poll in range(4)]
    assert due == [["status", "slow"], ["status"], ["status"], ["status", "slow"]]


def test_a_block_knows_its_end() -> None:
    assert Block("input", 4, 3, ()).end == 7
