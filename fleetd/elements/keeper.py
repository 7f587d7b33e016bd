"""`Keeper`: looks at every source of elements in its time, and hands what comes to `custody`.

What is in use stays in use whatever a source does: a source that fails is an event, and age limits are alarms. A
restart without any network goes on with what the store knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import structlog

from fleetd.elements.custody import Custody, Surroundings
from fleetd.elements.files import FileSource
from fleetd.elements.kept import Kept
from fleetd.elements.settings import ElementsSettings
from fleetd.elements.views import ElementsView, view, view_source
from fleetd.elements.web import WebSource, client
from fleetd.errors import ConfigError, StoreError
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.settings import SatelliteSettings, is_url
from fleetd.records import Severity

log = structlog.get_logger(__name__)

_NAMED = 3  # catalogue numbers that a complaint lists

Source = FileSource | WebSource


class Keeper:
    """The elements of a site's satellites. `begin` once, then `run`; call it from the event loop only."""

    def __init__(
        self, satellites: Sequence[SatelliteSettings], settings: ElementsSettings, around: Surroundings
    ) -> None:
        self._settings = settings
        self._around = around
        self._custody = Custody(satellites, settings.limits, around)
        names = dict.fromkeys(source for each in satellites for source in each.elements)
        self._sources: dict[str, Source] = {name: self._source(name) for name in names}
        self._told: dict[str, str] = {}  # by source: what was said to be wrong with it

    def views(self) -> list[ElementsView]:
        """All satellites for programs."""
        return [self._view(kept) for kept in self._custody.kept]

    async def accept(self, satellite: str, by: str) -> ElementsView:
        """Put the held set of a satellite in use. Raises Refusal."""
        return self._view(await self._custody.accept(satellite, by))

    async def reject(self, satellite: str, by: str) -> ElementsView:
        """Take the held set of a satellite away, never to consider it again. Raises Refusal."""
        return self._view(await self._custody.reject(satellite, by))

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """The same as `begin`, as a step among contexts; nothing is left to do at its end."""
        await self.begin()
        yield

    async def begin(self) -> None:
        """Take up what the store knows, then look at all files and folders once; no URL is asked yet.

        Raises ConfigError where a configured file cannot be used and the store knows no set for a satellite that relies
        on it, StoreError where the store cannot be read.
        """
        await self._custody.recall()
        for source in self._sources.values():
            if isinstance(source, WebSource):
                await source.recall()
            else:
                await self._look_at_files(source)
                if source.reason and source.whole and any(each.used is None for each in self._users(source)):
                    raise ConfigError(source.reason)
        await self._custody.check()
        self._around.renewed(self._custody.kept)

    async def run(self) -> None:
        """Look at all sources for ever; returns only by cancellation or a bug."""
        async with client(self._settings) as session:
            while True:
                await self.look(session)
                self._beat(self._settings.look_every_s)
                await self._around.clock.sleep(self._settings.look_every_s)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """One round: every source, then whether what is in use is still good."""
        before = self._standing()
        for source in self._sources.values():
            self._beat(0.0)
            if isinstance(source, FileSource):
                await self._look_at_files(source)
            else:
                await self._look_at_url(source, session)
        await self._custody.check()
        if self._standing() != before:
            self._around.renewed(self._custody.kept)

    def _standing(self) -> list[tuple[str, str]]:
        return [(each.used.hash if each.used else "", each.failure) for each in self._custody.kept]

    def _beat(self, pause_s: float) -> None:
        # A request takes as long in real time however fast the clock runs.
        within_s = pause_s + (self._settings.timeout_s + 60.0) * self._around.clock.rate
        self._around.progress.beat("elements", within_s=within_s)

    def _source(self, name: str) -> Source:
        if is_url(name):
            return WebSource(name, self._settings, self._around.shelf, self._around.clock)
        return FileSource(name)

    async def _look_at_files(self, source: FileSource) -> None:
        await self._take(source, await asyncio.to_thread(source.look))

    async def _look_at_url(self, source: WebSource, session: aiohttp.ClientSession) -> None:
        # Whoever has nothing yet is not helped by hearing that nothing has changed.
        anew = any(each.used is None and each.held is None for each in self._users(source))
        try:
            sets = await source.look(session, anew=anew)
        except StoreError as error:
            log.error("no elements are asked for: that they were could not be kept", url=source.name, reason=str(error))
            return
        await self._take(source, sets)

    async def _take(self, source: Source, sets: Sequence[ElementSet]) -> None:
        self._tell_of(source)
        for kept in self._users(source) if sets else ():
            own = [each for each in sets if each.norad_id == kept.settings.norad_id]
            if own:
                await self._custody.consider(kept, own, source.name)
            elif source.whole:
                self._missed(kept, sets, source)

    def _users(self, source: Source) -> list[Kept]:
        return [kept for kept in self._custody.kept if source.name in kept.settings.elements]

    def _view(self, kept: Kept) -> ElementsView:
        sources = [view_source(self._sources[name]) for name in kept.settings.elements]
        return view(kept, sources, self._around.clock.now())

    def _tell_of(self, source: Source) -> None:
        """The first failure is a warning, what is wrong later is not news; its end is."""
        reason, told = source.reason, self._told.get(source.name, "")
        if reason and not told:
            self._custody.say("elements", "source-failed", f"{reason}; the sets in use stay", Severity.WARNING)
        elif told and not reason:
            self._custody.say("elements", "source-recovered", f"{source.name} can be used again")
        elif reason != told:
            log.debug("source of elements fails otherwise", reason=reason)
        self._told[source.name] = reason

    def _missed(self, kept: Kept, sets: Sequence[ElementSet], source: Source) -> None:
        """Say once that a source does not hold a satellite for which it is configured."""
        there = ", ".join([*(str(each.norad_id) for each in sets[:_NAMED]), *(["…"] if len(sets) > _NAMED else [])])
        text = f"{source.name} holds {there} and not the number of {kept.name}, {kept.settings.norad_id}"
        if text not in kept.refused:
            kept.refused.add(text)
            self._custody.say(kept.name, "elements-refused", text, Severity.WARNING)
