"""The mast preamplifier's bypass: a switch that is on while anything is transmitted, or the preamplifier dies.

It is put on before the transmitter, read back once it has settled, and taken off after it. Nothing else ever moves it:
not a lost link, nor the end of the daemon, since the transmitter may be on then.
"""

from __future__ import annotations

from fleetd.clock import Clock
from fleetd.contact.lane import exchange
from fleetd.devices import Switch
from fleetd.errors import DeviceError, Refusal
from fleetd.supervise import Device, Supervision

_LOOK_EVERY_S = 5.0


class Preamp:
    """The bypass of one antenna; run `supervision.run(preamp.device, preamp.work)` beside it."""

    def __init__(self, device: Device, supervision: Supervision, settle_s: float) -> None:
        self.device = device
        self._settle_s = settle_s
        self._supervision = supervision
        self._clock: Clock = supervision.clock

    async def bypass(self) -> None:
        """Take the preamplifier out of the line and see that it is. Raises Refusal if it is not, and DeviceError."""
        if not await self._set(on=True):
            raise Refusal("preamp", f"the bypass of the preamplifier, {self.device.name}, was not read back as on")

    async def restore(self) -> None:
        """Put the preamplifier back into the line. Raises DeviceError if that was not read back."""
        if await self._set(on=False):
            raise DeviceError(
                "the bypass was not read back as off: the preamplifier stays out", device=self.device.name
            )

    async def work(self, switch: Switch) -> None:
        """Look now and then whether it is there, until it is not (raises DeviceError)."""
        while True:
            await exchange(switch.is_on())
            self._supervision.recovered(self.device)
            await self._clock.sleep(_LOOK_EVERY_S)

    async def _set(self, *, on: bool) -> bool:
        switch: Switch = self.device.online()
        try:
            await exchange(switch.turn(on=on))
            await self._clock.sleep(self._settle_s)
            return await exchange(switch.is_on())
        except DeviceError as error:
            error.named(self.device.name)
            raise
