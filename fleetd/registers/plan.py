"""Which requests read a set of values: as few as possible, none of them touching what must not be touched.

A value is never split, forbidden addresses are never asked for, a block never exceeds the device's cap, and unwanted
registers are read along only where asking twice would cost more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fleetd.registers.model import BIT_TABLES, NEVER, RegisterMap, Table, ValueSpec

DEFAULT_GAP = 10
"""Registers that are read along where nobody knows how fast the line is: what pays at 9600 baud, and harms nowhere."""

MOST_BITS = 2000  # coils or discrete inputs of one answer, Modbus application protocol V1.1b3, sections 6.1 and 6.2


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the values that its answer holds."""

    table: Table
    address: int
    count: int
    specs: tuple[ValueSpec, ...]

    @classmethod
    def of(cls, specs: Sequence[ValueSpec]) -> Block:
        """The block from the first to the last of these values, which are of one table and in order."""
        first = specs[0]
        return cls(first.table, first.address, specs[-1].end - first.address, tuple(specs))

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.count


def polled(register_map: RegisterMap, groups: Iterable[str]) -> list[ValueSpec]:
    """The values that belong to these poll groups."""
    wanted = set(groups)
    return [spec for spec in register_map.values if spec.poll in wanted]


def groups_of(register_map: RegisterMap) -> list[str]:
    """The names of all poll groups that some value is in."""
    return list(dict.fromkeys(spec.poll for spec in register_map.values if spec.readable and spec.poll != NEVER))


def due_groups(register_map: RegisterMap, poll: int) -> list[str]:
    """The groups to read at the `poll`-th poll of a device, counted from 0: all of them at the first."""
    return [
        name
        for name in groups_of(register_map)
        if name not in register_map.groups or poll % register_map.groups[name].every == 0
    ]


def plan(
    register_map: RegisterMap,
    specs: Iterable[ValueSpec],
    *,
    max_gap: int = DEFAULT_GAP,
    cap: int | None = None,
    cuts: Collection[tuple[Table, int]] = (),
) -> list[Block]:
    """The requests that read all readable values of `specs`, in order of table and address.

    `max_gap` unwanted registers are read along, if the map does not allow fewer; `cap` defaults to the map's own, and a
    value that is wider than it gets a request of its own. No request reaches across an address in `cuts`.
    """
    gap = max_gap if register_map.max_gap is None else min(max_gap, register_map.max_gap)
    limit = register_map.block_cap if cap is None else cap
    blocks: list[Block] = []
    for table in ("coil", "discrete", "input", "holding"):
        ours = sorted((s for s in specs if s.table == table and s.readable), key=lambda s: s.address)
        most = MOST_BITS if table in BIT_TABLES else limit
        barred = [range(at, at) for where, at in cuts if where == table]
        blocks += (Block.of(run) for run in _runs(ours, gap, most, [*_holes(register_map, table), *barred]))
    return blocks


def _runs(specs: Sequence[ValueSpec], gap: int, most: int, holes: Sequence[range]) -> list[list[ValueSpec]]:
    runs: list[list[ValueSpec]] = []
    for spec in specs:
        last = runs[-1] if runs else None
        joins = (
            last is not None
            and spec.address - last[-1].end <= gap
            and spec.end - last[0].address <= most
            and not any(hole.start <= spec.address and last[-1].end <= hole.stop for hole in holes)
        )
        if joins and last is not None:
            last.append(spec)
        else:
            runs.append([spec])
    return runs


def _holes(register_map: RegisterMap, table: Table) -> list[range]:
    return [range(hole.first, hole.last + 1) for hole in register_map.forbidden if hole.table == table]
