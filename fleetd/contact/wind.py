"""Wind: an antenna that it could break is stowed, and stays stowed until it has been calm for a while.

`Gale` judges by readings and time, without I/O; `WindWatch` listens for the readings, tells the interlock, and has the
antenna stowed, whoever holds it. A wind that nobody measures counts as high.
"""

from __future__ import annotations

import asyncio

import structlog

from fleetd.alarms import Alarms
from fleetd.contact.antenna import Antenna
from fleetd.contact.safetysettings import WindSettings
from fleetd.errors import DeviceError, Refusal
from fleetd.hub import Hub
from fleetd.records import Event, Quality, Reading, Severity

log = structlog.get_logger(__name__)

ALARM = "wind"
_LOOK_S = 1.0
_AGAIN_S = 30.0  # an operator's stop is left in peace for so long
_TRY_AGAIN_S = 1.0


class Gale:
    """Whether the wind is too high, by what was measured when; times are running seconds."""

    def __init__(self, settings: WindSettings, now_s: float) -> None:
        self.value: float | None = None
        self._settings = settings
        self._told_at_s = now_s
        self._high = False
        self._calm_since_s: float | None = None

    def take(self, value: float, now_s: float) -> None:
        """One measured value."""
        self.value, self._told_at_s = value, now_s
        if value > self._settings.limit:
            self._high, self._calm_since_s = True, None
        elif value > self._settings.calm_at:
            self._calm_since_s = None
        elif self._calm_since_s is None:
            self._calm_since_s = now_s

    def why_high(self, now_s: float) -> str:
        """Why the antenna must not move now, with the figures; '' if it may."""
        own = self._settings
        silent_s = now_s - self._told_at_s
        if silent_s > own.unknown_after_s:
            self._high, self._calm_since_s = True, None
            return (
                f"{own.sensor} has given no {own.value} for {silent_s:.0f} s, more than {own.unknown_after_s:g}: "
                "an unknown wind counts as high"
            )
        if not self._high or self.value is None:
            return ""
        if self._calm_since_s is None:
            limit, than = (own.limit, "limit") if self.value > own.limit else (own.calm_at, "calm again")
            return f"{own.value} of {own.sensor} is {self.value:.1f}, above {limit:g}, the {than}"
        calm_s = now_s - self._calm_since_s
        if calm_s < own.calm_for_s:
            return (
                f"{own.value} of {own.sensor} has been at most {own.calm_at:g} for {calm_s:.0f} s of {own.calm_for_s:g}"
            )
        self._high = False
        return ""


class WindWatch:
    """Stows one antenna when the wind is too high."""

    def __init__(self, antenna: Antenna, settings: WindSettings, hub: Hub, alarms: Alarms) -> None:
        self._antenna = antenna
        self._settings = settings
        self._hub = hub
        self._alarms = alarms
        self._clock = antenna.clock
        self._gale = Gale(settings, self._clock.monotonic())
        self._high = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        with self._hub.subscribe(f"wind for {self._antenna.name}", Reading, device=self._settings.sensor) as readings:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look(), name=f"{self._antenna.name}-wind-silence")
                tasks.create_task(self._stow(), name=f"{self._antenna.name}-stow")
                async for reading in readings:
                    if isinstance(reading, Reading):
                        self._take(reading)

    def _take(self, reading: Reading) -> None:
        value = reading.values.get(self._settings.value)
        if reading.quality is Quality.STALE or not isinstance(value, (int, float)) or isinstance(value, bool):
            return
        self._gale.take(float(value), self._clock.monotonic())
        self._judge()

    async def _look(self) -> None:
        """Time passes, too: a silence grows, a calm lasts."""
        while True:
            await self._clock.sleep(_LOOK_S)
            self._judge()

    def _judge(self) -> None:
        why, antenna = self._gale.why_high(self._clock.monotonic()), self._antenna
        before, antenna.interlock.wind = antenna.interlock.wind, why
        if why:
            own = self._settings
            self._alarms.raise_(
                antenna.name, ALARM, Severity.CRITICAL, f"{antenna.name} is stowed: {why}", value=self._gale.value,
                limit=own.limit,
            )  # fmt: skip
        if why and not before:
            self._say("antenna-stowed", why, Severity.WARNING)
            self._high.set()
        elif before and not why:
            self._high.clear()
            self._alarms.clear(antenna.name, ALARM)
            self._say("antenna-released", f"it has been calm for {self._settings.calm_for_s:g} s", Severity.INFO)

    async def _stow(self) -> None:
        """Demand it at once, and again whenever the antenna turns out not to be on its way there."""
        failures = 0
        while True:
            await self._high.wait()
            pause_s = _AGAIN_S
            if not self._antenna.stowing:
                try:
                    await self._antenna.stow()
                    failures = 0
                except (DeviceError, Refusal) as error:
                    pause_s, failures = _TRY_AGAIN_S, failures + 1
                    say = log.warning if failures == 1 else log.debug
                    say("antenna is not stowed", antenna=self._antenna.name, reason=str(error), failures=failures)
            await self._clock.sleep(pause_s)

    def _say(self, name: str, text: str, severity: Severity) -> None:
        antenna = self._antenna.name
        self._hub.publish(Event.now(self._clock, antenna, name, f"{antenna}: {text}", severity))
