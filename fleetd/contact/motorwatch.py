"""`MotorWatch`: raises the alarms of one antenna's motors and feedback, and does about each what can be done.

A motor that stalls is stopped and tried again after a while. One that runs away or turns the wrong way is stopped, and
nothing moves it until somebody has acknowledged the alarm. Feedback that freezes, jumps or stays away stops nothing:
the antenna goes on along its path without it.
"""

from __future__ import annotations

import structlog

from fleetd.alarms import Alarms
from fleetd.contact.antenna import Antenna
from fleetd.contact.motion import Finding, Trouble
from fleetd.errors import DeviceError
from fleetd.records import Severity

log = structlog.get_logger(__name__)

SPARING = "moves-spent"
_TICK_S, _IDLE_TICK_S = 0.25, 1.0
_REST_S = 10.0  # that a stalled motor is given before it is tried again
_BARRING = (Trouble.RUNAWAY, Trouble.WRONG_WAY)
_STOPPING = (*_BARRING, Trouble.STALLED)


class MotorWatch:
    """Watches one antenna."""

    def __init__(self, antenna: Antenna, alarms: Alarms) -> None:
        self._antenna = antenna
        self._alarms = alarms
        self._clock = antenna.clock
        self._raised: dict[Trouble, float] = {}

    async def run(self) -> None:
        """For ever."""
        self._take_up()
        while True:
            now_s = self._clock.monotonic()
            for finding in self._findings(now_s):
                await self._found(finding, now_s)
            for trouble in [each for each in self._raised if self._over(each, now_s)]:
                self._clear(trouble)
            self._note_moves()
            await self._clock.sleep(_TICK_S if self._antenna.motion.under_way(now_s) else _IDLE_TICK_S)

    def _take_up(self) -> None:
        """What barred the antenna before a restart bars it still: that nobody has seen to it has not changed."""
        for trouble in _BARRING:
            if self._alarms.claim(self._antenna.name, trouble):
                self._raised[trouble] = self._clock.monotonic()
                self._antenna.barred = f"{trouble} of before the restart; acknowledge the alarm once it is seen to"

    def _findings(self, now_s: float) -> list[Finding]:
        found, antenna = self._antenna.motion.findings(now_s), self._antenna
        if blind := antenna.feedback.blind:
            found.append(Finding(Trouble.LOST, f"turned without knowing where it stands: {blind}"))
        return found

    async def _found(self, finding: Finding, now_s: float) -> None:
        antenna, trouble = self._antenna, finding.trouble
        self._raised.setdefault(trouble, now_s)
        severity = Severity.CRITICAL if trouble in _STOPPING else Severity.WARNING
        text = f"{antenna.name}: {finding.text}"
        self._alarms.raise_(antenna.name, trouble, severity, text, value=finding.value, limit=finding.limit)
        if trouble not in _STOPPING:
            return
        if trouble in _BARRING:
            antenna.barred = f"{finding.text}; acknowledge the alarm {trouble} once it is seen to"
        else:
            antenna.barred = antenna.barred or f"{finding.text}; tried again {_REST_S:.0f} s later"
            self._raised[trouble] = now_s
        if antenna.motion.under_way(now_s):
            await self._brake()

    async def _brake(self) -> None:
        try:
            await self._antenna.brake()
        except DeviceError as error:
            log.warning("antenna could not be stopped", antenna=self._antenna.name, reason=str(error))

    def _over(self, trouble: Trouble, now_s: float) -> bool:
        """Whether a trouble that was raised is no more."""
        antenna, since_s = self._antenna, self._raised[trouble]
        if trouble in _BARRING:
            return self._acknowledged(trouble)
        if trouble is Trouble.STALLED:
            if now_s - since_s >= _REST_S and not any(each in self._raised for each in _BARRING):
                antenna.barred = ""
            return antenna.motion.moved_at_s > since_s + 1.0
        return all(finding.trouble is not trouble for finding in self._findings(now_s))

    def _acknowledged(self, trouble: Trouble) -> bool:
        mine = [entry for entry in self._alarms.list() if (entry.device, entry.name) == (self._antenna.name, trouble)]
        return not mine or mine[0].acknowledged_by is not None

    def _clear(self, trouble: Trouble) -> None:
        del self._raised[trouble]
        self._alarms.clear(self._antenna.name, trouble)
        if trouble in _STOPPING and not any(each in self._raised for each in _STOPPING):
            self._antenna.barred = ""
            self._antenna.motion.forgive()

    def _note_moves(self) -> None:
        antenna = self._antenna
        if antenna.thrift.sparing:
            most = antenna.settings.moves_per_hour
            text = f"{antenna.name}: most of the {most} moves of an hour are spent; it is moved less often"
            self._alarms.raise_(antenna.name, SPARING, Severity.WARNING, text, limit=most)
        else:
            self._alarms.clear(antenna.name, SPARING)
