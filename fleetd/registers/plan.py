"""Which requests read a set of values: as few as possible, none of them touching what must not be touched.

A value is never split, forbidden addresses are never asked for, a block never exceeds the device's cap, and unwanted
registers are read along only where asking twice would cost more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetd.registers.model import BIT_TABLES, NEVER, RegisterMap, Table, ValueSpec

MOST_BITS = 2000  # coils or discrete inputs of one answer, Modbus application protocol V1.1b3, sections 6.1 and 6.2


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the values that its answer holds."""

    table: Table
    address: int
    count: int
    specs: tuple[ValueSpec, ...]

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
    register_map: RegisterMap, specs: Iterable[ValueSpec], *, max_gap: int | None = None, cap: int | None = None
) -> list[Block]:
    """The requests that read all readable values of `specs`, in order of table and address.

    `max_gap` and `cap` default to the map's own; a value that is wider than `cap` gets a request of its own.
    """
    gap = register_map.max_gap if max_gap is None else max_gap
    limit = register_map.block_cap if cap is None else cap
    blocks: list[Block] = []
    for table in ("coil", "discrete", "input", "holding"):
        ours = sorted((s for s in specs if s.table == table and s.readable), key=lambda s: s.address)
        most = MOST_BITS if table in BIT_TABLES else limit
        blocks += (_block(run) for run in _runs(ours, gap, most, _holes(register_map, table)))
    return blocks


def _runs(specs: Sequence[ValueSpec], gap: int, most: int, holes: Sequence[range]) -> list[list[ValueSpec]]:
    runs: list[list[ValueSpec]] = []
    for spec in specs:
        last = runs[-1] if runs else None
        joins = (
            last is not None
            and spec.address - last[-1].end <= gap
            and spec.end - last[0].address <= most
            and not any(hole.start < spec.address and last[-1].end < hole.stop for hole in holes)
        )
        if joins and last is not None:
            last.append(spec)
        else:
            runs.append([spec])
    return runs


def _holes(register_map: RegisterMap, table: Table) -> list[range]:
    return [range(hole.first, hole.last + 1) for hole in register_map.forbidden if hole.table == table]


def _block(specs: Sequence[ValueSpec]) -> Block:
    first = specs[0]
    return Block(first.table, first.address, specs[-1].end - first.address, tuple(specs))
