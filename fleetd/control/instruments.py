"""What is counted and measured of a running daemon beside what its rooms know of themselves."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.records import ContactReport, Event, Result
from fleetd.supervise import Progress

_LOOK_S = 0.25  # real time between two looks at the loop


class LoopLag:
    """How much later than it asked for the event loop wakes somebody who sleeps: what everybody waits for nothing."""

    BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS_S) + 1)
        """Looks by lag: up to each bound, and beyond the last."""
        self.sum_s = 0.0

    async def run(self) -> None:
        """Look for ever, in real time."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None

        def look(due_s: float) -> None:  # no task, whose turns would cost more than the look
            nonlocal timer
            now_s = loop.time()
            self.note(max(0.0, now_s - due_s))
            timer = loop.call_at(now_s + _LOOK_S, look, now_s + _LOOK_S)

        look(loop.time())
        try:
            await loop.create_future()
        finally:
            if timer is not None:
                timer.cancel()

    def note(self, lag_s: float) -> None:
        """One look."""
        self.counts[bisect_left(self.BOUNDS_S, lag_s)] += 1
        self.sum_s += lag_s

    def quantile_s(self, share: float) -> float:
        """The bound below which this share of the looks lies; 0 before the first."""
        wanted, seen = share * sum(self.counts), 0
        for bound_s, count in zip((*self.BOUNDS_S, float("inf")), self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return bound_s if seen else 0.0
        return float("inf")


@dataclass(slots=True)
class Counts:
    """Records by what they say, since the daemon began."""

    events: Counter[str] = field(default_factory=Counter)
    """By severity."""
    results: Counter[str] = field(default_factory=Counter)
    """By stage."""
    contacts: Counter[str] = field(default_factory=Counter)
    """By outcome."""
    newest_contact: dict[str, ContactReport] = field(default_factory=dict)
    """By antenna."""

    async def watch(self, hub: Hub) -> None:
        """Count for ever."""
        with hub.subscribe("counts", Event, Result, ContactReport) as records:
            async for record in records:
                match record:
                    case Event():
                        self.events[record.severity] += 1
                    case Result():
                        self.results[record.stage] += 1
                    case ContactReport():
                        self.contacts[record.outcome] += 1
                        self.newest_contact[record.antenna] = record


@dataclass(frozen=True, slots=True)
class Instruments:
    """All of them."""

    progress: Progress
    ports: Ports
    lag: LoopLag = field(default_factory=LoopLag)
    counts: Counts = field(default_factory=Counts)
