"""When people work on antennas: from a site file, and what was entered since, which the store keeps across restarts.

A stretch without an end is a lock. While one lasts the antenna does not move, and no contact is booked into any. Not
here: the refusal itself, which is the interlock's, and the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from fleetd.clock import Clock, iso_ms
from fleetd.contact.antenna import Antenna
from fleetd.contact.interlock import Work
from fleetd.errors import DeviceError, Refusal
from fleetd.records import Event

log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_SITE_FILE = "the site file"


class Shelf(Protocol):
    """Where entries are kept, as bytes by id; each method raises StoreError."""

    async def all(self) -> list[bytes]: ...

    async def put(self, entry_id: str, body: bytes, /) -> None: ...

    async def drop(self, entry_id: str, /) -> None: ...


class Maintenance:
    """The work on all antennas of a site. `revision` rises with every change, for whoever plans around it."""

    def __init__(
        self, antennas: Mapping[str, Antenna], shelf: Shelf, clock: Clock, publish: Callable[[Event], None]
    ) -> None:
        self.revision = 0
        self._antennas = antennas
        self._shelf = shelf
        self._clock = clock
        self._publish = publish
        self._begun: set[str] = set()
        for antenna in antennas.values():
            antenna.interlock.works = tuple(_of_site_file(antenna))

    def entries(self) -> list[Work]:
        """What goes on or is still to come, in order of time."""
        now = self._clock.now()
        works = [work for antenna in self._antennas.values() for work in antenna.interlock.works]
        return sorted((work for work in works if work.end is None or work.end > now), key=lambda work: work.begin)

    async def load(self) -> None:
        """Take what the store has kept; of antennas that there are no more it is forgotten. Raises StoreError."""
        for body in await self._shelf.all():
            try:
                work = msgspec.json.decode(body, type=Work)
            except msgspec.MsgspecError as error:
                log.error("an entry of maintenance is damaged and left out", reason=str(error))
                continue
            if work.antenna in self._antennas and (work.end is None or work.end > self._clock.now()):
                self._enter(work)
            else:
                await self._shelf.drop(work.id)

    async def lock(self, antenna: str, who: str, why: str) -> Work:
        """From now on nothing moves it, until `unlock`.

        Raises Refusal, StoreError, and DeviceError if it cannot be stopped; it is locked all the same.
        """
        return await self.add(antenna, self._clock.now(), None, who, why)

    async def unlock(self, antenna: str, who: str) -> list[Work]:
        """End what goes on there now; returns it. Raises Refusal if nothing does, or the site file says so."""
        works = [work for work in self._antenna(antenna).interlock.works if work.covers(self._clock.now())]
        if not works:
            raise Refusal("not-locked", f"{antenna} is not locked")
        for work in works:
            await self.remove(work.id, who)
        return works

    async def add(self, antenna: str, begin: datetime, end: datetime | None, who: str, why: str) -> Work:
        """Enter work on an antenna; what goes on now stops it. Raises Refusal, DeviceError and StoreError."""
        place = self._antenna(antenna)
        if not why.strip():
            raise Refusal("no-reason", "say why, so that others know whom and what they wait for")
        if end is not None and not (begin < end and self._clock.now() < end):
            raise Refusal("no-time", f"work from {iso_ms(begin)} to {iso_ms(end)} is over, or ends before it begins")
        taken = {work.id for work in place.interlock.works}
        name = f"{antenna}-{begin:%Y%m%dT%H%M%SZ}"
        number = next(number for number in range(1, len(taken) + 2) if _numbered(name, number) not in taken)
        work = Work(id=_numbered(name, number), antenna=antenna, begin=begin, end=end, who=who, why=why.strip())
        self._enter(work)
        self._say(work, "maintenance-entered", f"by {who}: {why}, from {iso_ms(begin)}")
        try:
            await self._shelf.put(work.id, msgspec.json.encode(work))
        finally:
            await self._begin_due()
        return work

    async def remove(self, work_id: str, who: str) -> Work:
        """Take an entry out again. Raises Refusal and StoreError."""
        for antenna in self._antennas.values():
            for work in antenna.interlock.works:
                if work.id == work_id:
                    if work.who == _SITE_FILE:
                        raise Refusal("site-file", f"{work_id} stands in the site file: change it there and reload")
                    await self._shelf.drop(work_id)
                    antenna.interlock.works = tuple(each for each in antenna.interlock.works if each is not work)
                    self.revision += 1
                    self._say(work, "maintenance-removed", f"by {who}")
                    return work
        raise Refusal("unknown-maintenance", f"there is no maintenance {work_id!r}; 'fleetctl maintenance' lists it")

    async def run(self) -> None:
        """For ever: stop an antenna when work on it begins, and forget what is over."""
        while True:
            try:
                await self._begin_due()
            except DeviceError as error:
                log.warning("antenna could not be stopped for maintenance", reason=str(error))
            await self._clock.sleep(_LOOK_S)

    async def _begin_due(self) -> None:
        now = self._clock.now()
        for antenna in self._antennas.values():
            for work in antenna.interlock.works:
                if work.covers(now) and work.id not in self._begun:
                    self._begun.add(work.id)
                    self._say(work, "maintenance-begun", f"{work.who}: {work.why}")
                    await antenna.vacate(work.who)
            over = [work for work in antenna.interlock.works if work.end is not None and work.end <= now]
            for work in over:
                self._begun.discard(work.id)
                self._say(work, "maintenance-over", work.why)
            if over:
                antenna.interlock.works = tuple(work for work in antenna.interlock.works if work not in over)
                self.revision += 1

    def _enter(self, work: Work) -> None:
        interlock = self._antennas[work.antenna].interlock
        interlock.works = (*interlock.works, work)
        self.revision += 1

    def _antenna(self, name: str) -> Antenna:
        try:
            return self._antennas[name]
        except KeyError:
            known = ", ".join(self._antennas) or "none"
            raise Refusal("unknown-antenna", f"there is no antenna {name!r}; there are {known}") from None

    def _say(self, work: Work, name: str, text: str) -> None:
        until = f"until {iso_ms(work.end)}" if work.end else "until unlocked"
        sentence = f"{work.antenna}, {until}: {text}"
        self._publish(Event.now(self._clock, work.antenna, name, sentence, detail={"maintenance": work.id}))


def _of_site_file(antenna: Antenna) -> Iterable[Work]:
    for number, entry in enumerate(antenna.settings.maintenance, 1):
        yield Work(
            id=f"{antenna.name}-site-{number}", antenna=antenna.name, begin=entry.begin, end=entry.end,
            who=_SITE_FILE, why=entry.why,
        )  # fmt: skip


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
