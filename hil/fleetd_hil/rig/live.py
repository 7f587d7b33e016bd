"""One site alive on simulated devices: what a test may do to it, and what it may wait for.

The daemon that runs is the one that ships, on the stage that scenarios use: in virtual time in this process, or as a
process of its own on an accelerated clock. Everything is judged by what arrives at the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.errors import ConfigError, FleetError
from fleetd.records import Stage as Life
from fleetd_hil.rig.breakage import Breakage
from fleetd_hil.rig.messages import Wanted, node, result
from fleetd_hil.rig.unseen import Unseen, breached, refused, unseen
from fleetd_hil.scenario.invariants import Guardian
from fleetd_hil.scenario.model import CommandStep
from fleetd_hil.scenario.observer import Heard, Observer
from fleetd_hil.scenario.play import all_sent, tell
from fleetd_hil.scenario.stage import Stage
from fleetd_hil.scenario.world import Seat, World
from fleetd_hil.virtual.broker import MemoryBroker

_LOOK_S = 0.5
_SOON_S = 0.02
_ONLINE_WITHIN_S = 60.0


class LiveSite:
    """The `site` of a test. Seconds are the site's own, counted from its beginning."""

    def __init__(self, settings: Site, stage: Stage, world: World) -> None:
        self.settings = settings
        """The site file, read."""
        self.world = world
        self.clock: Clock = stage.clock
        self.observer = Observer(self.clock)
        self._stage = stage
        self._guardian = Guardian(settings, world, self.observer)
        self._guardian.orders.grace_s *= self.clock.rate
        self._sent = 0

    @property
    def broker(self) -> MemoryBroker:
        """The broker of this rig: `go()` and `await come()`, and `mute` for one that acknowledges nothing."""
        return self._stage.broker

    @property
    def after_s(self) -> float:
        """Seconds since the beginning."""
        return self.clock.monotonic()

    @property
    def heard(self) -> list[Heard]:
        """Every message so far, in order."""
        return self.observer.heard

    async def expect(self, wanted: Wanted, *, within: float, since: float | None = None) -> Heard:
        """The first such message from now on (or from `since` seconds on) and `within` so many seconds from now.

        Raises Unseen, an AssertionError that says what was heard instead.
        """
        __tracebackhide__ = True
        self._known(wanted)
        began_s = self.after_s if since is None else since
        heard = await self._first(wanted, within, began_s, since is not None)
        if heard is None:
            raise self._unseen(wanted, began_s)
        return heard

    async def expect_no(self, wanted: Wanted, *, within: float) -> None:
        """No such message for so many seconds from now on. Raises Unseen with the first that came."""
        __tracebackhide__ = True
        self._known(wanted)
        if (heard := await self._first(wanted, within, self.after_s, of_old=False)) is not None:
            raise Unseen(f"{wanted} was not to come, and came after {heard.after_s:.1f} s: {heard.body}")

    def seat(self, device: str) -> Seat:
        """Where a simulated device sits. Raises ConfigError."""
        __tracebackhide__ = True
        if device not in self.world.seats:
            there = ", ".join(self.world.seats)
            raise ConfigError(f"{device!r} is no simulated device of the site; there are {there}")
        return self.world.seats[device]

    def break_(self, device: str, spec: str) -> Breakage:
        """Break a device or its line, as `fleethil list` names what can be broken. Raises ConfigError."""
        __tracebackhide__ = True
        return Breakage(self.world, self.seat(device).device.name, spec, self.after_s)

    def send(self, device: str, action: str, args: Mapping[str, Any] | None = None, *, id: str = "") -> str:  # noqa: A002  # its name on the wire
        """Send a command over MQTT, as any program of the site would; returns its id."""
        self._exists(device)
        self._sent += 1
        step = CommandStep(device=device, action=action, args=dict(args or {}), id=id or f"command-{self._sent}")
        self._guardian.ordered(step.id, device, action, step.expires_in)
        tell(self.broker, self.settings.site, step, issuer="rig-test")
        return step.id

    async def send_and_expect(
        self,
        device: str,
        action: str,
        args: Mapping[str, Any] | None = None,
        *,
        within: float,
        stage: str = "succeeded",
    ) -> Heard:
        """Send a command and wait until it has come to `stage`.

        Raises Unseen when it takes longer, or at once when it comes to another end.
        """
        __tracebackhide__ = True
        began_s, seen = self.after_s, len(self.heard)
        sent = self.send(device, action, args)
        wanted = result(device, id=sent, stage=stage)
        ends = [str(life) for life in Life if life.final and life != stage]

        def over(message: Heard) -> bool:
            mine = message.kind == "result" and message.body.get("id") == sent
            return mine and message.body["stage"] in (stage, *ends)

        heard = await self._until(over, within, seen)
        if heard is None:
            raise self._unseen(wanted, began_s)
        if heard.body["stage"] != stage:
            raise Unseen(refused(wanted, heard))
        return heard

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> int:
        """Ask the control API, as `fleetctl` would; returns the HTTP status."""
        status, _ = await self._stage.post(path, dict(body or {}))
        return status

    async def power_cut(self) -> None:
        """The daemon is gone in mid sentence, and begins anew on what was on disk."""
        await self._stage.power_cut()
        await self._begin()

    async def restart(self) -> None:
        """The daemon leaves in good order and begins anew."""
        await self._stage.leave()
        await self._begin()

    def step_clock(self, by_s: float) -> None:
        """Set the daemon's civil time; in virtual time alone."""
        self._stage.step_clock(by_s)

    def trust_clock(self, synced: bool) -> None:
        """Whether the daemon's civil time may be trusted; in virtual time alone."""
        self._stage.trust_clock(synced)

    # What the plug-in does with it

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """The daemon runs and the invariants are watched while the context lasts; raises Unseen if one was broken."""
        await self._stage.place(self.world)
        self.broker.taps.append(self.observer.hear)
        await self._begin()
        watching = asyncio.create_task(self._watch(), name="invariants")
        try:
            yield
        finally:
            watching.cancel()
            await all_sent(self._stage, self.observer)
            await self._stage.leave()
        if watching.done() and not watching.cancelled():
            await watching  # a world that cannot be watched is no world
        await self._guardian.end()
        if self._guardian.breaches:
            raise Unseen(breached(self._guardian.breaches.values()))

    async def _begin(self) -> None:
        """The daemon is up, and hears commands: what is published to nobody is lost."""
        seen = len(self.heard)
        await self._stage.begin()
        if self.after_s < 0:
            await self.clock.sleep(-self.after_s)
        if await self._until(node(state="online").fits, _ONLINE_WITHIN_S, seen) is None:
            raise FleetError(self._stage.gone() or f"fleetd did not reach its broker within {_ONLINE_WITHIN_S:g} s")
        while not self.broker.reaches(f"fleetd/{self.settings.site}/any/command"):
            await self.clock.sleep(_SOON_S)

    async def _watch(self) -> None:
        while True:
            self._guardian.look(self.after_s, synced=self.clock.synced)
            await self.clock.sleep(_LOOK_S)

    async def _first(self, wanted: Wanted, within: float, began_s: float, of_old: bool) -> Heard | None:
        if of_old:
            for message in self.heard:
                if message.after_s >= began_s and wanted.fits(message):
                    return message
        return await self._until(wanted.fits, within, len(self.heard))

    async def _until(self, fits: Any, within: float, seen: int) -> Heard | None:
        """The first message that fits of those behind the first `seen`; None once time is up."""
        if within <= 0:
            raise ValueError(f"within={within}: nothing can come in no time")
        coming: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()

        def listen(message: Heard) -> None:
            if not coming.done() and fits(message):
                coming.set_result(message)

        for message in self.heard[seen:]:
            listen(message)
        self.observer.listeners.append(listen)
        alarm = asyncio.create_task(self.clock.sleep(within), name="within")
        try:
            either: set[asyncio.Future[Any]] = {coming, alarm}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            self.observer.listeners.remove(listen)
        return coming.result() if coming.done() else None

    def _unseen(self, wanted: Wanted, began_s: float) -> Unseen:
        gone = self._stage.gone()
        return Unseen(unseen(wanted, self.observer, began_s, self.after_s) + (f"\n  {gone}" if gone else ""))

    def _known(self, wanted: Wanted) -> None:
        __tracebackhide__ = True
        if wanted.device is not None and wanted.kind in ("reading", "status", "result"):
            self._exists(wanted.device)

    def _exists(self, device: str) -> None:
        __tracebackhide__ = True
        names = list(self._names())
        if device not in names:
            raise ValueError(f"{device!r} is no device of the site; there are {', '.join(names)}")

    def _names(self) -> Iterator[str]:
        yield from (device.name for device in self.settings.devices)
        yield from (satellite.name for satellite in self.settings.satellites)
