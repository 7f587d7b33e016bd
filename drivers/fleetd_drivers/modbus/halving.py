"""Finds out which registers of a refused block a device does not hand out, by asking for halves of it.

A map says what a kind of device has; the one at hand may be older, or refuse blocks that reach across a gap. What has
been found is remembered for an hour, reconnections included, and then asked anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from fleetd.errors import Declined
from fleetd.registers.model import Table
from fleetd.registers.plan import Block

NO_SUCH_ADDRESS = (2, 3)
"""Exceptions by which a device refuses the addresses or the length of a read."""

REMEMBERED_S = 3600.0
_NEXT_SEARCH_S = 60.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one device has taught about itself: addresses across which it answers no request, values that it lacks."""

    cuts: frozenset[tuple[Table, int]] = frozenset()
    missing: frozenset[str] = frozenset()
    """Names of values, those of bit fields being their register's."""


@dataclass(slots=True)
class Notebook:
    """What is remembered of one device, in seconds of a running clock."""

    lesson: Lesson = field(default_factory=Lesson)
    _learned_at: float = float("-inf")
    _searched_at: float = float("-inf")

    def recall(self, now: float) -> Lesson:
        """What has been learned, if that is not too long ago."""
        if now - self._learned_at > REMEMBERED_S:
            self.lesson = Lesson()
        return self.lesson

    async def study(
        self, blocks: Iterable[Block], read: Callable[[Block], Awaitable[object]], now: Callable[[], float]
    ) -> bool:
        """Learn which parts of `blocks` can be read; returns whether asking again makes sense.

        `read` asks for one block. Raises DeviceError where something else than a refused address goes wrong.
        """
        if now() - self._searched_at < _NEXT_SEARCH_S:
            return False
        self._searched_at = now()
        search = _Search(read)
        for block in blocks:
            await search.look_into(block)
        if not search.found:
            return False
        known = self.lesson
        self.lesson = Lesson(known.cuts | search.cuts, known.missing | search.missing)
        self._learned_at = now()
        return True


@dataclass(slots=True)
class _Search:
    read: Callable[[Block], Awaitable[object]]
    cuts: set[tuple[Table, int]] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    found: bool = False
    """Whether the device hands out anything at all."""

    async def look_into(self, block: Block) -> None:
        try:
            await self.read(block)
        except Declined as error:
            if error.code not in NO_SUCH_ADDRESS:
                raise
        else:
            self.found = True
            return
        if len(block.specs) == 1:
            self.missing.add(block.specs[0].name)
            return
        middle = len(block.specs) // 2
        left, right = Block.of(block.specs[:middle]), Block.of(block.specs[middle:])
        self.cuts.add((right.table, right.address))
        await self.look_into(left)
        await self.look_into(right)
