"""Which conditions need attention now, since when, and who has seen them.

Whoever watches a condition raises and clears its alarm here; this room keeps the register and publishes each change.
It judges one condition itself: a device that stays away. An alarm that came and went unseen stays in the register until
somebody acknowledges it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from fleetd.clock import Clock
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.records import Alarm, DeviceState, DeviceStatus, Event, Severity, Value

OFFLINE = "offline"
OFFLINE_AFTER_S = 60.0


class AlarmEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm of the register: since when (`at`) and until when it held, and who has seen it."""

    at: datetime
    device: str
    name: str
    active: bool
    severity: Severity
    text: str
    value: Value = None
    limit: Value = None
    cleared_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None


@dataclass(slots=True)
class Alarms:
    """The register of alarms, by device and name."""

    clock: Clock
    publish: Callable[[Alarm | Event], None]
    _entries: dict[tuple[str, str], AlarmEntry] = field(default_factory=dict)
    _away: dict[str, tuple[float, str]] = field(default_factory=dict)

    def raise_(
        self, device: str, name: str, severity: Severity, text: str, *, value: Value = None, limit: Value = None
    ) -> None:
        """The condition holds. Published when it is new or its severity changed; else only its text and value are kept.

        `text` is one sentence with the value and the limit in it.
        """
        before = self._entries.get((device, name))
        lasting = before if before is not None and before.active else None
        entry = AlarmEntry(
            device=device,
            name=name,
            active=True,
            severity=severity,
            text=text,
            value=value,
            limit=limit,
            at=lasting.at if lasting else self.clock.now(),
            acknowledged_by=lasting.acknowledged_by if lasting else None,
            acknowledged_at=lasting.acknowledged_at if lasting else None,
        )
        self._entries[device, name] = entry
        if lasting is None or lasting.severity is not severity:
            self._publish(entry)

    def clear(self, device: str, name: str) -> None:
        """The condition holds no more; nothing happens if it was not active."""
        entry = self._entries.get((device, name))
        if entry is None or not entry.active:
            return
        entry = msgspec.structs.replace(entry, active=False, cleared_at=self.clock.now())
        if entry.acknowledged_by is None:
            self._entries[device, name] = entry
        else:
            del self._entries[device, name]
        self._publish(entry)

    def list(self) -> list[AlarmEntry]:
        """What is active or not acknowledged yet: active ones first, then the newest first."""
        return sorted(self._entries.values(), key=lambda entry: (not entry.active, -entry.at.timestamp()))

    def ack(self, device: str, name: str, who: str) -> AlarmEntry:
        """Somebody has seen it. One that is over leaves the register. Raises Refusal when there is no such alarm."""
        entry = self._entries.get((device, name))
        if entry is None:
            known = ", ".join(f"{device}/{name}" for device, name in sorted(self._entries)) or "none"
            raise Refusal("unknown-alarm", f"there is no alarm {name!r} of {device!r}; there are: {known}")
        entry = msgspec.structs.replace(entry, acknowledged_by=who, acknowledged_at=self.clock.now())
        if entry.active:
            self._entries[device, name] = entry
        else:
            del self._entries[device, name]
        text = f"{who} has seen the alarm {name} of {device}: {entry.text}"
        self.publish(self._event(device, "alarm-acknowledged", text))
        return entry

    async def watch(self, hub: Hub, offline_after_s: float = OFFLINE_AFTER_S) -> None:
        """For ever: raise `offline` for a device that is not online for `offline_after_s`, clear it on its return."""
        with hub.subscribe("alarms", DeviceStatus, capacity=100_000) as statuses:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sweep(offline_after_s), name="alarms of devices that stay away")
                async for status in statuses:
                    if isinstance(status, DeviceStatus):
                        self._note(status)

    def _note(self, status: DeviceStatus) -> None:
        if status.state is DeviceState.ONLINE:
            self._away.pop(status.device, None)
            self.clear(status.device, OFFLINE)
        else:
            since_s, _ = self._away.get(status.device, (self.clock.monotonic(), ""))
            self._away[status.device] = (since_s, status.reason)

    async def _sweep(self, after_s: float) -> None:
        while True:
            await self.clock.sleep(after_s / 10)
            now_s = self.clock.monotonic()
            for device, (since_s, reason) in self._away.items():
                away_s = now_s - since_s
                if away_s >= after_s:
                    text = f"{device} has not answered for {away_s:.0f} s, more than {after_s:g} s: {reason}"
                    self.raise_(device, OFFLINE, Severity.WARNING, text, value=round(away_s, 1), limit=after_s)

    def _publish(self, entry: AlarmEntry) -> None:
        self.publish(
            Alarm(
                at=self.clock.now(),
                clock_synced=self.clock.synced,
                device=entry.device,
                name=entry.name,
                active=entry.active,
                severity=entry.severity,
                text=entry.text,
                value=entry.value,
                limit=entry.limit,
            )
        )

    def _event(self, source: str, name: str, text: str) -> Event:
        return Event(at=self.clock.now(), clock_synced=self.clock.synced, source=source, name=name, text=text)
