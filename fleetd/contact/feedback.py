"""Where a rotator's scale stands, asked for with care: a wild position once more, and none for a while if in vain."""

from __future__ import annotations

import math
from datetime import datetime

from fleetd.clock import Clock
from fleetd.contact.motion import Motion
from fleetd.devices import AzEl, Rotator
from fleetd.errors import BadReply, Declined, ReplyTimeout

_BLIND_AFTER, _BLIND_S = (
    2,
    10.0,
)  # so many positions in a row that could not be read; and for how long none is asked for


class Feedback:
    """The feedback of one rotator. `blind` says why its position is not known, and is '' while it is."""

    def __init__(self, clock: Clock) -> None:
        self.blind = ""
        self._clock = clock
        self._unread = 0
        self._blind_until_s = float("-inf")

    async def ask(self, rotator: Rotator, motion: Motion) -> tuple[datetime, AzEl]:
        """What the scale shows, and when it did: half way through the exchange. `motion` is told of it.

        Raises DeviceError; Declined where an answer came, or none was asked for, and the link is as good as before.
        """
        at, shown = await self._ask(rotator)
        if motion.wild(shown, self._clock.monotonic()):
            at, shown = await self._ask(rotator)
            if motion.wild(shown, self._clock.monotonic()):
                raise Declined("its position jumps about", asked="position", answered=f"{shown}")
        motion.take(shown, self._clock.monotonic())
        return at, shown

    async def _ask(self, rotator: Rotator) -> tuple[datetime, AzEl]:
        if self._clock.monotonic() < self._blind_until_s:
            raise Declined(f"its position is not asked for at present: {self.blind}", asked="position")
        asked_at = self._clock.now()
        try:
            shown = _finite(await rotator.where())
        except (ReplyTimeout, BadReply, Declined) as error:
            self._unread += 1
            if self._unread >= _BLIND_AFTER:
                self.blind = str(error)
                self._blind_until_s = self._clock.monotonic() + _BLIND_S
            raise
        self._unread, self.blind = 0, ""
        return asked_at + (self._clock.now() - asked_at) / 2, shown


def _finite(shown: AzEl) -> AzEl:
    if not (math.isfinite(shown.azimuth_deg) and math.isfinite(shown.elevation_deg)):
        raise BadReply("the rotator's position is no finite number", answered=f"{shown}")
    return shown
