"""A relay with its store and hub in this process: what the tests of brokers and consumers stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleetd.clock import Clock, ScaledClock
from fleetd.hub import Hub
from fleetd.records import Command, Event, Quality, Reading
from fleetd.relay.guest import Guest
from fleetd.relay.pace import never
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.relay.sparkplug.edge import Edge
from fleetd.store.settings import StoreSettings
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@dataclass
class Site:
    """A running relay and what belongs to it."""

    hub: Hub
    store: Store
    relay: Relay

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():  # noqa: ASYNC110  # the relay's status is read, not heard
            await asyncio.sleep(0.005)

    async def acked(self) -> None:
        await self.until(lambda: self.relay.status().connected and self.relay.status().backlog == 0)


@asynccontextmanager
async def site(
    folder: Path,
    *brokers: str,
    name: str = "hangzhou",
    guests: Sequence[Guest] = (),
    in_contact: Callable[[], bool] = never,
    max_mib: int = 64,
    before: int = 0,
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    """A relay; `before` readings of three robots wait in its store already."""

    async def nobody(command: Command) -> None:
        raise TypeError(command)

    clock, hub = clock or ScaledClock(NOW, datetime.now(UTC), 20.0), Hub()
    limits = StoreSettings(path=str(folder), max_mib=max_mib)
    async with Store.open(folder / "store", node=f"{name}-1", clock=clock, settings=limits) as store:
        for first in range(0, before, 500):
            await store.outbox.append([reading(number) for number in range(first, min(before, first + 500))])
        chosen = RelaySettings(brokers=list(brokers), **settings)
        edge = Edge(chosen, chosen.sparkplug, store, hub, clock, name, {}) if chosen.sparkplug else None
        relay = Relay(chosen, store, hub, clock, name, nobody, guests=guests, edge=edge, in_contact=in_contact)
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(0)
        try:
            yield Site(hub, store, relay)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def reading(number: int, size: int = 0, at: datetime = NOW) -> Reading:
    values = {"number": number, "pad": "x" * size}
    return Reading(at=at, device=f"robot-{number % 3}", quality=Quality.GOOD, values=values)


def event(number: int) -> Event:
    return Event(at=NOW, source="test", name="n", text=str(number))


def say(one: Site, numbers: range) -> None:
    for number in numbers:
        one.hub.publish(reading(number))


def readings(bodies: list[dict[str, Any]], device: str = "") -> list[int]:
    return [one["values"]["number"] for one in bodies if "values" in one and one["device"].startswith(device)]


def in_order(numbers: list[int]) -> bool:
    """Whether these rise, repeats of what was sent before aside."""
    first_seen = list(dict.fromkeys(numbers))
    return first_seen == sorted(first_seen)
