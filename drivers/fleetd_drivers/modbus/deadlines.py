"""When questions on TCP connections are overdue: one look each 20 ms, for all connections of an event loop together.

A question that is answered is taken out of the look that it was put into; what a look still finds is late. So a
connection that answers in time is not touched again for its deadline's sake, and needs no timer of its own.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import Protocol
from weakref import ReferenceType, WeakKeyDictionary, ref

from fleetd.link.wiretime import WireClock
from fleetd.slots import Slots
from fleetd_drivers.modbus.bus import Ask

_TICK_S = 0.02


class Waiting(Protocol):
    """A connection that waits for answers."""

    def overdue(self, ask: Ask, /) -> None:
        """No answer came in time. Must not raise."""
        ...


Look = dict[Ask, Waiting]
"""What is overdue at one instant unless it is taken out before, and which connection it was sent on."""


class Deadlines:
    """The looks of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._slots = Slots(WireClock(loop))
        self._looks: dict[int, Look] = {}

    def watch(self, ask: Ask, connection: Waiting) -> Look:
        """Tell `connection` up to 20 ms after `ask.due_s`, unless `ask` is popped from what is returned."""
        tick = math.ceil(ask.due_s / _TICK_S)
        look = self._looks.get(tick)
        if look is None:
            look = self._looks[tick] = {}
            self._slots.call_at(tick * _TICK_S, partial(self._ring, tick))
        look[ask] = connection
        return look

    def _ring(self, tick: int) -> None:
        look = self._looks.pop(tick)
        while look:  # each may take others out, when it makes a connection be given up
            ask = next(iter(look))
            look.pop(ask).overdue(ask)


# Kept alive by the connections alone: its clock may hold its loop, and a loop that is over must not stay for that.
_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, ReferenceType[Deadlines]] = WeakKeyDictionary()


def deadlines_of(loop: asyncio.AbstractEventLoop) -> Deadlines:
    """Those that all connections of a loop share."""
    known = _OF_LOOPS.get(loop)
    deadlines = known() if known is not None else None
    if deadlines is None:
        deadlines = Deadlines(loop)
        _OF_LOOPS[loop] = ref(deadlines)
    return deadlines
