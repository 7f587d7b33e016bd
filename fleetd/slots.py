"""`Slots`: many who keep to a common grid of instants share its timers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial

from fleetd.clock import Clock


class Slots:
    """Acts that are due at the same instants, each instant with one timer of the clock."""

    _HAIR_S = 0.001  # a timer may fire so much early

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._acts: dict[float, list[Callable[[], None]]] = {}
        self._rounds: dict[tuple[float, float], dict[object, Callable[[], None]]] = {}

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        """Have `act` called once the clock's `monotonic()` has reached `due_s`; soon if it has. It must not raise."""
        key = round(due_s, 3)
        acts = self._acts.get(key)
        if acts is None:
            acts = self._acts[key] = []
            self._clock.call_at(due_s, partial(self._ring, key))
        acts.append(act)

    def every(self, period_s: float, phase_s: float, act: Callable[[], None]) -> Callable[[], None]:
        """Have `act` called at each instant `phase_s` + n x `period_s` from the next one on. It must not raise.

        An instant that passes unseen is not made up for. Returns what ends it.
        """
        key, mark = (period_s, phase_s), object()
        acts = self._rounds.get(key)
        if acts is None:
            acts = self._rounds[key] = {}
            self._again(key)
        acts[mark] = act

        def leave() -> None:
            acts.pop(mark, None)

        return leave

    async def sleep_to(self, due_s: float) -> None:
        """Return once the clock's `monotonic()` has reached `due_s`; at once (but yielding) if it has."""
        if due_s <= self._clock.monotonic():
            await self._clock.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.call_at(due_s, partial(_wake, woken))
        await woken

    def _ring(self, key: float) -> None:
        if self._clock.monotonic() < key - self._HAIR_S:
            self._clock.call_at(key, partial(self._ring, key))
            return
        for act in self._acts.pop(key):
            act()

    def _again(self, key: tuple[float, float]) -> None:
        period_s, phase_s = key
        instants = math.floor((self._clock.monotonic() + self._HAIR_S - phase_s) / period_s) + 1
        self.call_at(phase_s + instants * period_s, partial(self._go_round, key))

    def _go_round(self, key: tuple[float, float]) -> None:
        acts = self._rounds[key]
        if not acts:
            del self._rounds[key]
            return
        self._again(key)
        for act in list(acts.values()):
            act()


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
