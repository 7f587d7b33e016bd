"""The hub: everyone gets what they asked for, and a slow listener loses only its own oldest."""

from __future__ import annotations

from datetime import UTC, datetime

from fleetd.hub import Hub
from fleetd.records import DeviceState, DeviceStatus, Quality, Reading

AT = datetime(2026, 11, 11, tzinfo=UTC)


def reading(n: int) -> Reading:
    return Reading(at=AT, device="robot-1", quality=Quality.GOOD, values={"n": n})


STATUS = DeviceStatus(at=AT, device="robot-1", state=DeviceState.ONLINE)


async def test_a_subscription_gets_only_the_kinds_that_it_named() -> None:
    hub = Hub()
    with hub.subscribe("all") as everything, hub.subscribe("status", DeviceStatus) as statuses:
        hub.publish(reading(1))
        hub.publish(STATUS)
        assert await everything.get_batch(10) == [reading(1), STATUS]
        assert await statuses.get_batch(10) == [STATUS]


async def test_a_full_queue_drops_its_own_oldest_and_counts() -> None:
    hub = Hub()
    with hub.subscribe("slow", capacity=3) as slow, hub.subscribe("quick") as quick:
        for n in range(5):
            hub.publish(reading(n))
        assert slow.dropped == 2
        assert [r.values["n"] for r in await slow.get_batch(10) if isinstance(r, Reading)] == [2, 3, 4]
        assert quick.dropped == 0
        assert len(quick) == 5


async def test_after_its_context_a_subscription_hears_nothing() -> None:
    hub = Hub()
    with hub.subscribe("gone") as gone:
        pass
    hub.publish(STATUS)
    assert len(gone) == 0
