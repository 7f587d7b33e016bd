"""`Radio`: the verbs of one antenna's radio over its supervised rig, and the one way in which it is keyed.

After each opening of the link, before anything else, the transmitter is put off. It is put on only through a gate, and
off in a plain sequence: unkey, see that it is so, let it settle, put back what was switched. Not here: on which
frequencies, which a contact's tuning decides, and whether it may transmit, which the gate does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from fleetd.alarms import Alarms
from fleetd.clock import Clock
from fleetd.contact.lane import Lane, exchange
from fleetd.contact.preamp import Preamp
from fleetd.contact.radiosettings import RadioSettings
from fleetd.devices import Rig, RigLimits, RigMode, Side
from fleetd.errors import DeviceError
from fleetd.guard.guard import Guard, Lease, watched_over
from fleetd.hub import Hub
from fleetd.records import Event, Quality, Reading, Severity
from fleetd.supervise import Device, Supervision

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 5.0
_LOOK_TRANSMITTING_S = 0.5
_STUCK, _LEFT_OUT = "transmitter-stuck", "preamp-left-out"  # alarms
_VALUES = {Side.MAIN: "main_hz", Side.SUB: "sub_hz"}


class RadioStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One radio as programs see it; frequencies in Hz, None while unknown."""

    name: str
    state: str
    reason: str
    main_hz: int | None
    sub_hz: int | None
    read_at: datetime | None
    transmitting: bool
    guarded: bool
    """Whether the guard would unkey it if the daemon fell silent."""


@dataclass(frozen=True, slots=True)
class RadioSurroundings:
    """What a radio stands in: who supervises it, who hears of it, who unkeys it if the daemon cannot."""

    supervision: Supervision
    hub: Hub
    guard: Guard | None = None
    alarms: Alarms | None = None


class Radio:
    """One radio. `device` is its rig's; run `supervision.run(radio.device, radio.work)` beside it."""

    def __init__(
        self, settings: RadioSettings, device: Device, around: RadioSurroundings, preamp: Preamp | None = None
    ) -> None:
        self.settings = settings
        self.device = device
        self.preamp = preamp
        self.clock: Clock = around.supervision.clock
        self.limits: RigLimits | None = None
        self.connections = 0
        """How often its link was opened: after each, nobody knows how it is tuned."""
        self._around = around
        self._lane = Lane[Rig](device)
        self._lease: Lease | None = None
        self._transmitting = False
        self._owes_off = False
        self._stands: dict[Side, int] = {}
        self._read_at: datetime | None = None

    @property
    def guarded(self) -> bool:
        """Whether the guard would unkey it if the daemon fell silent."""
        return self._lease is not None and self._lease.guarded

    @property
    def transmitting(self) -> bool:
        """Whether it has been put on and not off again."""
        return self._transmitting

    def status(self) -> RadioStatus:
        """How it stands now."""
        return RadioStatus(
            name=self.device.name,
            state=self.device.state,
            reason=self.device.reason,
            main_hz=self._stands.get(Side.MAIN),
            sub_hz=self._stands.get(Side.SUB),
            read_at=self._read_at,
            transmitting=self._transmitting,
            guarded=self.guarded,
        )

    # Verbs

    async def tune(self, side: Side, frequency_hz: int) -> int:
        """Set one side's frequency, and return what is read back. Raises Refusal and DeviceError."""
        if self.limits is not None:
            self.limits.admit(frequency_hz)

        async def act(rig: Rig) -> int:
            await rig.tune(side, frequency_hz)
            return await self._read(rig, side)

        return await self._lane.order(act)

    async def tuned(self, side: Side) -> int:
        """The frequency that a side stands on. Raises DeviceError."""
        return await self._lane.order(lambda rig: self._read(rig, side))

    async def set_mode(self, side: Side, mode: RigMode) -> None:
        """Set one side's mode. Raises Refusal and DeviceError."""
        await self._lane.order(lambda rig: rig.set_mode(side, mode))

    async def on(self, still: Callable[[], None], /) -> None:
        """Bypass the preamplifier, see that it is, and key; `still` is asked just before that.

        Where the TNC keys, all but the keying is done. Raises Refusal or DeviceError; `off` is due all the same.
        """
        self._transmitting = True
        if self.preamp is not None:
            await self.preamp.bypass()
        still()
        if self._lease is not None:
            self._lease.arm()
        if self.settings.keyed_by == "rig":
            await self._lane.order(lambda rig: rig.key(), moves=True)
            if not await self._keyed():
                raise DeviceError("it was keyed and says that it does not transmit", device=self.device.name)

    async def off(self) -> None:
        """Unkey ahead of everything, see that it is so, then put the preamplifier back after it has settled.

        Raises DeviceError if it cannot be said to be off; the preamplifier stays out of the line then, and both are
        made up for once the radio is there again.
        """
        self._owes_off = True
        try:
            await self._unkey()
        except DeviceError as error:
            self._alarm(_STUCK, Severity.CRITICAL, f"nobody knows whether it still transmits: {error}")
            raise
        self._clear(_STUCK)
        if self._lease is not None:
            self._lease.release()
        if self.preamp is not None and self._transmitting:
            await self.clock.sleep(self.settings.preamp_settle_ms / 1000)
            try:
                await self.preamp.restore()
            except DeviceError as error:
                self._alarm(_LEFT_OUT, Severity.WARNING, f"the preamplifier is not back in the line: {error}")
                return
        self._clear(_LEFT_OUT)
        self._transmitting = self._owes_off = False

    async def _unkey(self) -> None:
        await self._lane.stop(lambda rig: rig.unkey())
        if await self._keyed():
            raise DeviceError("it still transmits although it was unkeyed", device=self.device.name)

    def _alarm(self, name: str, severity: Severity, text: str) -> None:
        log.warning(text, device=self.device.name, alarm=name)
        if self._around.alarms is not None:
            self._around.alarms.raise_(self.device.name, name, severity, text)

    def _clear(self, name: str) -> None:
        if self._around.alarms is not None:
            self._around.alarms.clear(self.device.name, name)

    # The supervised loop

    async def work(self, rig: Rig) -> None:
        """Serve one connection of the rig until it fails (raises DeviceError) or the daemon ends (unkeys it)."""
        with watched_over(self._around.guard, f"{self.device.name} transmit", rig) as lease:
            self._lease = lease
            try:
                await self._serve(rig, lease)
            finally:
                self._lease = None

    async def _serve(self, rig: Rig, lease: Lease) -> None:
        lost = False
        self.limits = rig.limits
        self._stands = {}
        try:
            with self._lane.opened():  # whoever sees it online may give orders, which wait for this one
                await exchange(rig.unkey())
                self.connections += 1
                self._around.supervision.recovered(self.device)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._lane.serve(rig), name=f"{self.device.name}-lane")
                    tasks.create_task(self._look(), name=f"{self.device.name}-look")
                    tasks.create_task(lease.heed("unkeyed"), name=f"{self.device.name}-guard")
        except* DeviceError:
            lost = True
            raise
        finally:
            if lost:
                self._publish(Quality.STALE)
            else:
                await self._leave(rig)

    async def _look(self) -> None:
        """Now and then see how it stands, and that it does not transmit unless it was put on; oftener while it was."""
        due_s = self.clock.monotonic()
        while True:
            if self._transmitting or self.clock.monotonic() >= due_s:
                due_s = self.clock.monotonic() + _LOOK_EVERY_S
                await self._look_once()
            await self.clock.sleep(_LOOK_TRANSMITTING_S)

    async def _look_once(self) -> None:
        if self._owes_off:
            await self.off()
        elif await self._keyed() and not self._transmitting:
            self._say("transmits-unbidden", "it transmits and no contact has put it on: it was unkeyed")
            await self._lane.stop(lambda rig: rig.unkey())
        for side in Side:
            if not self._transmitting:
                await self.tuned(side)
        self._around.supervision.recovered(self.device)
        self._publish(Quality.GOOD)

    def _say(self, name: str, text: str) -> None:
        log.warning(name, device=self.device.name, reason=text)
        self._around.hub.publish(Event.now(self.clock, self.device.name, name, text, Severity.WARNING))

    async def _leave(self, rig: Rig) -> None:
        try:
            await exchange(rig.unkey())
        except DeviceError as error:
            log.warning("radio could not be unkeyed", device=self.device.name, reason=str(error))

    async def _keyed(self) -> bool:
        return await self._lane.order(lambda rig: rig.keyed())

    async def _read(self, rig: Rig, side: Side) -> int:
        hz = await rig.tuned(side)
        self._stands[side], self._read_at = hz, self.clock.now()
        return hz

    def _publish(self, quality: Quality) -> None:
        if self._read_at is None:
            return
        self._around.hub.publish(
            Reading(
                at=self._read_at,
                clock_synced=self.clock.synced,
                device=self.device.name,
                quality=quality,
                values={
                    **{name: self._stands.get(side) for side, name in _VALUES.items()},
                    "transmitting": self._transmitting,
                },
                absent={
                    name: "not read since it was connected"
                    for side, name in _VALUES.items()
                    if side not in self._stands
                },
            )
        )
