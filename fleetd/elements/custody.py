"""`Custody`: what becomes of element sets: used, held, refused or marked, with each change stored and told.

Where sets come from is `keeper`'s business. A store that takes no writes keeps nobody from using a good set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import structlog
from msgspec.structs import replace

from fleetd.clock import Clock
from fleetd.elements import alarms
from fleetd.elements.kept import Kept, Known
from fleetd.elements.views import difference
from fleetd.errors import ElementsError, Refusal, StoreError
from fleetd.orbit.decay import first_failure
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.settings import SatelliteSettings
from fleetd.orbit.trust import Limits, Outcome, judge
from fleetd.records import Event, Severity
from fleetd.store.elements import ElementShelf, SetState, StoredSet
from fleetd.supervise import Progress

log = structlog.get_logger(__name__)

_LOOK_AHEAD = timedelta(days=1)
_CHECK_AGAIN = timedelta(hours=12)  # before the end of what was found sound


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the elements are kept among. `renewed` hears of all satellites whenever one has another set or a mark."""

    shelf: ElementShelf
    progress: Progress
    publish: Callable[[Event], None]
    alarms: alarms.Register
    renewed: Callable[[Sequence[Kept]], None]

    @property
    def clock(self) -> Clock:
        """The site's."""
        return self.progress.clock


class Custody:
    """The sets of a site's satellites, in memory and in the store. One change at a time."""

    def __init__(self, satellites: Sequence[SatelliteSettings], limits: Limits, around: Surroundings) -> None:
        self.kept = [Kept(each) for each in satellites]
        self._limits = limits
        self._around = around
        self._clock = around.clock
        self._changing = asyncio.Lock()

    async def recall(self) -> None:
        """Take up what the store knows. Raises StoreError."""
        for kept in self.kept:
            await self._recall(kept)

    async def consider(self, kept: Kept, sets: Sequence[ElementSet], origin: str) -> None:
        """Judge the newest of these sets, all of this satellite, and act on it."""
        async with self._changing:
            await self._consider(kept, max(sets, key=lambda each: each.epoch), origin)

    async def check(self) -> None:
        """Mark what fails and raise or clear the alarms of all satellites."""
        async with self._changing:
            for kept in self.kept:
                await self._check(kept)

    async def accept(self, satellite: str, by: str) -> Kept:
        """Put a held set in use. Raises Refusal."""
        async with self._changing:
            kept, held = self._held(satellite)
            await self._use(kept, replace(held, decided_by=by))
            await self._check(kept)
        self._around.renewed(self.kept)
        return kept

    async def reject(self, satellite: str, by: str) -> Kept:
        """Take a held set away, never to consider it again. Raises Refusal."""
        async with self._changing:
            kept, held = self._held(satellite)
            kept.held = None
            kept.rejected.add(held.hash)
            await self._store(kept, SetState.REJECTED, replace(held, decided_by=by))
            self.say(kept.name, "elements-rejected", f"{by} rejected the held set of {kept.name}", detail=held.elements)
            await self._check(kept)
        return kept

    def say(
        self, source: str, name: str, text: str, severity: Severity = Severity.INFO, detail: ElementSet | None = None
    ) -> None:
        """Publish an event; `source` is a satellite, or elements."""
        facts = {"epoch": detail.epoch, "hash": detail.hash, "source": detail.source} if detail else {}
        self._around.publish(Event.now(self._clock, source, name, text, severity, facts))

    def _held(self, satellite: str) -> tuple[Kept, Known]:
        kept = next((each for each in self.kept if each.name == satellite), None)
        if kept is None:
            known = ", ".join(each.name for each in self.kept) or "none"
            raise Refusal("unknown-satellite", f"there is no satellite {satellite[:64]!r}; there are: {known}")
        if kept.held is None:
            raise Refusal("nothing-held", f"no set of {satellite} waits for a decision")
        return kept, kept.held

    async def _consider(self, kept: Kept, new: ElementSet, origin: str) -> None:
        now = self._clock.now()
        verdict = kept.weigh(new, origin, now if self._clock.synced else None, self._limits)
        if verdict is None:
            return
        known = Known(elements=new, origin=origin, fetched_at=now, jump=verdict.jump, reason=verdict.reason)
        match verdict.outcome:
            case Outcome.ACCEPTED:
                await self._use(kept, known)
            case Outcome.HELD:
                await self._hold(kept, known)
            case Outcome.REFUSED:
                kept.refused.add(new.hash)
                text = f"a set of {kept.name} from {new.source} is refused: {verdict.reason}"
                self.say(kept.name, "elements-refused", text, Severity.WARNING, new)

    async def _use(self, kept: Kept, known: Known) -> None:
        if kept.held is not None and kept.held.elements.epoch <= known.elements.epoch:
            kept.held = None
            await self._settle(kept)
        kept.used, kept.sound_until = known, None
        await self._store(kept, SetState.IN_USE, known)
        who = f", accepted by {known.decided_by}" if known.decided_by else ""
        epoch = f"{known.elements.epoch:%Y-%m-%d %H:%M} UTC"
        text = f"{kept.name} uses the set of {epoch} from {known.elements.source}{who}"
        self.say(kept.name, "elements-renewed", text + difference(known.jump), detail=known.elements)

    async def _hold(self, kept: Kept, known: Known) -> None:
        kept.held = known
        await self._store(kept, SetState.HELD, known)
        text = f"a set of {kept.name} from {known.elements.source} is held: {known.reason}"
        self.say(kept.name, "elements-held", text + difference(known.jump), Severity.WARNING, known.elements)

    async def _check(self, kept: Kept) -> None:
        """Mark a satellite whose set fails, once and for all, and raise or clear its alarms."""
        used, now = kept.used, self._clock.now()
        until = now + _LOOK_AHEAD
        if used and not used.failure and (kept.sound_until is None or kept.sound_until < until - _CHECK_AGAIN):
            begin = kept.sound_until or min(used.elements.epoch, now)
            failure = await asyncio.to_thread(first_failure, used.elements, begin, until)
            kept.sound_until = until
            if failure is not None:
                await self._mark(kept, used, *failure)
        alarms.raise_all(self._around.alarms, kept, now)

    async def _mark(self, kept: Kept, used: Known, when: datetime, why: str) -> None:
        failure = f"by its elements it is down from {when:%Y-%m-%d %H:%M} UTC on: {why}"
        kept.used = replace(used, failed_at=when, failure=failure)
        await self._store(kept, SetState.IN_USE, kept.used)
        text = f"{kept.name} is marked as decayed and gets no booking until a new set comes; {failure}"
        self.say(kept.name, "elements-failed", text, Severity.CRITICAL, used.elements)

    async def _recall(self, kept: Kept) -> None:
        for stored in await self._around.shelf.sets(kept.settings.norad_id):
            known = _decoded(stored)
            if known is None or judge(known.elements, kept.settings, None, None).outcome is Outcome.REFUSED:
                continue
            match stored.state:
                case SetState.IN_USE:
                    kept.used = known
                case SetState.HELD:
                    kept.held = known
                case SetState.REJECTED:
                    kept.rejected.add(known.hash)

    async def _store(self, kept: Kept, state: SetState, known: Known) -> None:
        stored = StoredSet(
            norad_id=kept.settings.norad_id,
            hash=known.hash,
            state=state,
            changed=self._clock.now(),
            body=msgspec.json.encode(known),
        )
        try:
            await self._around.shelf.put(stored)
        except StoreError as error:
            log.error("elements are used but not kept: a restart will not know them", reason=str(error))

    async def _settle(self, kept: Kept) -> None:
        try:
            await self._around.shelf.settle(kept.settings.norad_id, SetState.HELD, self._clock.now())
        except StoreError as error:
            log.error("that a held set was superseded is not kept", reason=str(error))


def _decoded(stored: StoredSet) -> Known | None:
    try:
        return msgspec.json.decode(stored.body, type=Known)
    except (msgspec.MsgspecError, ElementsError) as error:
        log.warning("a stored element set is damaged and passed over", hash=stored.hash, reason=str(error))
        return None
