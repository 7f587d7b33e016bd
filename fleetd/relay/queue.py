"""`Queue`: one lane of the outbox on its way out, in the order of its numbers.

What was just committed is kept at hand, so that a relay that keeps up never reads from disk. When too much gathers,
or in an outage, it is let go and read from the outbox in its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fleetd.store.outbox import Outbox
from fleetd.store.rows import Kind, Lane, Row
from fleetd.store.table import HIGHEST

_MOST_AT_HAND = 10_000
_READ_ROWS = 500


class Queue:
    """The rows of one lane above a number, to be taken one by one."""

    def __init__(self, outbox: Outbox, lane: Lane, *, after: int, upto: int, grows: bool = True) -> None:
        self._outbox = outbox
        self._lane = lane
        self._after = after
        self._end = HIGHEST if grows else upto
        self.rows: deque[Row] = deque()
        """What is at hand, next one first."""
        self.behind = after < upto
        """Whether more waits on disk than is at hand."""
        self._read_upto = after
        self._stored_upto = upto

    @property
    def done(self) -> bool:
        """Whether nothing is left, neither at hand nor on disk."""
        return not self.rows and not self.behind

    def offer(self, rows: Sequence[Row]) -> None:
        """Take in what was just committed; rows of the other lane are passed over."""
        readings = self._lane is Lane.READINGS
        mine = [row for row in rows if (row.kind is Kind.READING) is readings and row.seq <= self._end]
        if not mine:
            return
        if self.behind:
            self._stored_upto = mine[-1].seq  # older ones are still on disk only: these wait there, too
        elif len(self.rows) + len(mine) > _MOST_AT_HAND:
            first = self.rows[0] if self.rows else mine[0]
            self.go_back(first.seq, mine[-1].seq)
        else:
            self.rows.extend(mine)
            self._read_upto = self._stored_upto = mine[-1].seq

    def go_back(self, seq: int, upto: int) -> None:
        """Go on with row `seq`, reading from disk up to a number, as far as these are of this queue."""
        self.rows.clear()
        self._read_upto = max(self._after, min(self._read_upto, seq - 1))
        self._stored_upto = min(self._end, max(self._stored_upto, upto))
        self.behind = self._read_upto < self._stored_upto

    async def fill(self) -> None:
        """Read on from disk until enough is at hand, or all. Raises StoreError."""
        while self.behind and len(self.rows) < _READ_ROWS // 2:
            began, upto = self._read_upto, self._stored_upto
            rows = await self._outbox.read(after=began, upto=upto, most=_READ_ROWS, lane=self._lane)
            if self._read_upto != began:
                continue  # sent back meanwhile
            self.rows.extend(rows)
            self._read_upto = rows[-1].seq if rows else upto
            self.behind = self._read_upto < self._stored_upto


def queues(outbox: Outbox, boundary: int, *, live_first: bool, readings: bool = True) -> list[Queue]:
    """All that leaves over one connection, in the order of precedence; `boundary` is the last number before it."""
    urgent = Queue(outbox, Lane.URGENT, after=0, upto=boundary)
    return [urgent, *(reading_queues(outbox, boundary, live_first=live_first) if readings else ())]


def reading_queues(outbox: Outbox, boundary: int, *, live_first: bool) -> list[Queue]:
    """The readings alone, in the order of precedence."""
    if not live_first:
        return [Queue(outbox, Lane.READINGS, after=0, upto=boundary)]
    live = Queue(outbox, Lane.READINGS, after=boundary, upto=boundary)
    return [live, Queue(outbox, Lane.READINGS, after=0, upto=boundary, grows=False)]
