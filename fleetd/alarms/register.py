"""The register of alarms: whoever watches a condition raises and clears its alarm here, and each change is published.

An alarm that came and went unseen stays in the register until somebody acknowledges it; one that latches stays active
until then. One that is shelved goes on being judged and published, with the name of who shelved it and until when, and
whoever rings bells leaves it out.

The register outlives the process. What was active at a restart stays so until whoever judges it says otherwise; what
nobody judges any more is cleared after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import msgspec
import structlog

from fleetd.alarms.entry import AlarmEntry, Kept, Key, Shelf
from fleetd.clock import Clock, iso_ms
from fleetd.errors import Refusal
from fleetd.records import Alarm, Event, Severity, Value
from fleetd.store.alarms import AlarmBook

log = structlog.get_logger(__name__)

LONGEST_SHELF = timedelta(days=30)
_LOOK_S = 5.0
_UNJUDGED_AFTER_S = 180.0  # by then every room has looked at what it watches


@dataclass(slots=True)
class Alarms:
    """The register of alarms, by device and name. `latched` holds patterns of `device/name` that latch."""

    clock: Clock
    publish: Callable[[Alarm | Event], None]
    book: AlarmBook | None = None
    latched: Sequence[str] = ()
    _entries: dict[Key, AlarmEntry] = field(default_factory=dict)
    _shelves: dict[Key, Shelf] = field(default_factory=dict)
    _inherited: set[Key] = field(default_factory=set)
    _unjudged: set[Key] = field(default_factory=set)

    def raise_(
        self,
        device: str,
        name: str,
        severity: Severity,
        text: str,
        *,
        value: Value = None,
        limit: Value = None,
        latch: bool = False,
        at: datetime | None = None,
    ) -> None:
        """The condition holds. Published when it is new or its severity changed; else only its text and value are kept.

        `text` is one sentence with the value and the limit in it; `at` is since when it holds, unless since now.
        """
        key = device, name
        before = self._entries.get(key)
        lasting = before if before is not None and before.active else None
        entry = AlarmEntry(
            device=device,
            name=name,
            active=True,
            severity=severity,
            text=text,
            value=value,
            limit=limit,
            latching=latch or any(fnmatchcase(f"{device}/{name}", pattern) for pattern in self.latched),
            at=lasting.at if lasting else at or self.clock.now(),
            acknowledged_by=lasting.acknowledged_by if lasting else None,
            acknowledged_at=lasting.acknowledged_at if lasting else None,
        )
        self._entries[key] = entry
        self._unjudged.discard(key)
        inherited = key in self._inherited
        if lasting is None or lasting.severity is not severity or lasting.latched or inherited:
            self._inherited.discard(key)
            self._tell(entry)

    def clear(self, device: str, name: str) -> None:
        """The condition holds no more; nothing happens if it was not active."""
        entry = self._entries.get((device, name))
        if entry is None or not entry.active or entry.latched:
            return
        entry = msgspec.structs.replace(entry, cleared_at=self.clock.now())
        if entry.latching and entry.acknowledged_by is None:
            self._entries[entry.key] = entry = msgspec.structs.replace(entry, latched=True)
            self._tell(entry)
        else:
            self._over(entry)

    def list(self) -> list[AlarmEntry]:
        """What is active or not acknowledged yet: active ones first, shelved ones last, then the newest first."""
        shown = [self._shown(entry) for entry in self._entries.values()]
        return sorted(shown, key=lambda entry: (bool(entry.shelved_by), not entry.active, -entry.at.timestamp()))

    def ack(self, device: str, name: str, who: str) -> AlarmEntry:
        """Somebody has seen it. One that is over leaves the register. Raises Refusal when there is no such alarm."""
        entry = self._known(device, name)
        entry = msgspec.structs.replace(entry, acknowledged_by=who, acknowledged_at=self.clock.now())
        self._event(device, "alarm-acknowledged", f"{who} has seen the alarm {name} of {device}: {entry.text}")
        if entry.active and not entry.latched:
            self._entries[entry.key] = entry
            self._keep(entry.key)
            return self._shown(entry)
        return self._shown(self._over(entry))

    def shelve(self, device: str, name: str, who: str, until: datetime, why: str = "") -> AlarmEntry:
        """Nobody is to be bothered with it until then. Raises Refusal for what is not in the register, or too long."""
        entry, now = self._known(device, name), self.clock.now()
        if not timedelta(0) < until - now <= LONGEST_SHELF:
            raise Refusal(
                "shelf", f"an alarm is shelved for up to {LONGEST_SHELF.days} days, not until {iso_ms(until)}"
            )
        self._shelves[entry.key] = Shelf(who=who, until=until, why=why)
        for_what = f": {why}" if why else ""
        self._event(
            device, "alarm-shelved", f"{who} has shelved the alarm {name} of {device} until {iso_ms(until)}{for_what}"
        )
        self._tell(entry)
        return self._shown(entry)

    def unshelve(self, device: str, name: str, who: str) -> AlarmEntry:
        """It may ring again. Raises Refusal when it is not shelved."""
        key = device, name
        if key not in self._shelves:
            raise Refusal("unknown-shelf", f"the alarm {name!r} of {device!r} is not shelved")
        entry = self._known(device, name)
        self._end_shelf(key, who)
        return self._shown(entry)

    # Over restarts

    async def restore(self) -> None:
        """Take back what an earlier run left. Raises StoreError."""
        for device, name, body in [] if self.book is None else await self.book.all():
            try:
                kept = msgspec.json.decode(body, type=Kept)
            except msgspec.MsgspecError:
                log.warning("an alarm in the store cannot be read; it is left out", device=device, alarm=name)
                continue
            if kept.shelf is not None:
                self._shelves[device, name] = kept.shelf
            if kept.entry is not None:
                self._entries[device, name] = kept.entry
                if kept.entry.active:
                    self._inherited.add((device, name))
        self._unjudged = set(self._inherited)

    def claim(self, device: str, name: str) -> bool:
        """Somebody judges this alarm, if only later: what an earlier run left of it stays until he has.

        Returns whether it is active.
        """
        self._unjudged.discard((device, name))
        entry = self._entries.get((device, name))
        return entry is not None and entry.active and not entry.latched

    async def run(self) -> None:
        """For ever: end shelves whose time is over, and clear what an earlier run left and nobody judges."""
        began_s = self.clock.monotonic()
        while True:
            await self.clock.sleep(_LOOK_S)
            now = self.clock.now()
            for key in [key for key, shelf in self._shelves.items() if shelf.until <= now]:
                self._end_shelf(key, "its time")
            if self._unjudged and self.clock.monotonic() - began_s > _UNJUDGED_AFTER_S:
                self._clear_unjudged()

    def _clear_unjudged(self) -> None:
        for device, name in sorted(self._unjudged):
            log.info("an alarm of before the restart is judged by nobody; it is cleared", device=device, alarm=name)
            self.clear(device, name)
        self._unjudged.clear()

    # Words

    def _known(self, device: str, name: str) -> AlarmEntry:
        entry = self._entries.get((device, name))
        if entry is None:
            known = ", ".join(f"{device}/{name}" for device, name in sorted(self._entries)) or "none"
            raise Refusal("unknown-alarm", f"there is no alarm {name!r} of {device!r}; there are: {known}")
        return entry

    def _over(self, entry: AlarmEntry) -> AlarmEntry:
        """The alarm is not active any more; it stays listed until it is acknowledged."""
        was_active = entry.active
        entry = msgspec.structs.replace(entry, active=False, latched=False)
        self._inherited.discard(entry.key)
        self._unjudged.discard(entry.key)
        if entry.acknowledged_by is None:
            self._entries[entry.key] = entry
        else:
            self._entries.pop(entry.key, None)
        if was_active:
            self._tell(entry)
        else:
            self._keep(entry.key)
        return entry

    def _end_shelf(self, key: Key, who: str) -> None:
        device, name = key
        del self._shelves[key]
        self._event(device, "alarm-unshelved", f"{who} has ended the shelf of the alarm {name} of {device}")
        if (entry := self._entries.get(key)) is not None and entry.active:
            self._tell(entry)
        else:
            self._keep(key)

    def _shown(self, entry: AlarmEntry) -> AlarmEntry:
        shelf = self._shelves.get(entry.key)
        if shelf is None:
            return entry
        return msgspec.structs.replace(entry, shelved_by=shelf.who, shelved_until=shelf.until, shelved_why=shelf.why)

    def _tell(self, entry: AlarmEntry) -> None:
        shelf = self._shelves.get(entry.key)
        record = Alarm(
            at=self.clock.now(),
            clock_synced=self.clock.synced,
            device=entry.device,
            name=entry.name,
            active=entry.active,
            severity=entry.severity,
            text=entry.text,
            value=entry.value,
            limit=entry.limit,
            latched=entry.latched,
            shelved_by=shelf.who if shelf else "",
            shelved_until=shelf.until if shelf else None,
        )
        self._keep(entry.key, record)
        self.publish(record)

    def _keep(self, key: Key, told: Alarm | None = None) -> None:
        if self.book is None:
            return
        entry, shelf = self._entries.get(key), self._shelves.get(key)
        body = msgspec.json.encode(Kept(entry=entry, shelf=shelf)) if entry or shelf else b""
        self.book.note(*key, body, told)

    def _event(self, source: str, name: str, text: str) -> None:
        self.publish(Event.now(self.clock, source, name, text))
