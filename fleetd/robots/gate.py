"""The last look before a command, by the robot's newest reading: interlocks, and a second person where it is hazardous.

It is taken when a command comes in, so that whoever sent it hears at once, and again just before it is sent, for by
then the world may be another. A reading from before the robot's last command or stop says nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetd.access.matrix import Access
from fleetd.devices import ActionSpec
from fleetd.errors import Refusal
from fleetd.records import Command, Quality, Reading
from fleetd.robots.consent import Consents
from fleetd.robots.interlocks import is_hazardous, judge_interlocks
from fleetd.robots.lane import Lane
from fleetd.robots.zones import Zones

_FRESH = timedelta(seconds=1)
"""A reading that stands against a command as it comes in counts if it is no older; else the next one is waited for."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Interlocks, zones and consent, for all robots of a site."""

    access: Access
    consents: Consents
    zones: Zones

    def at_entry(self, lane: Lane, command: Command, now: datetime) -> bool:
        """Whether the command has to wait for a second person. Raises Refusal if its robot stands against it now."""
        reading = _believed(lane)
        if reading is not None and now - reading.at <= _FRESH:
            self._judge(lane, command, reading)
        return self._lacks_consent(lane, command, lane.robot.poller.newest)  # looked at again before it is sent

    def needs_news(self, lane: Lane, command: Command, since: datetime) -> bool:
        """Whether, to let the command pass or not, a newer reading is needed than the robot's newest."""
        action = _action(lane, command)
        if not action.interlocks and not action.harmless_when and not self.zones.rule(action.name):
            return False
        reading = _believed(lane)
        if reading is None:
            return True
        return reading.at < since and self._verdict(lane, command, reading) is not None

    def before_sending(self, lane: Lane, command: Command) -> Refusal | None:
        """What stands against sending the command now."""
        return self._verdict(lane, command, _believed(lane))

    def _verdict(self, lane: Lane, command: Command, reading: Reading | None) -> Refusal | None:
        if self._lacks_consent(lane, command, reading):
            return Refusal("confirm", f"{command.action} is hazardous now, and no second person has confirmed it")
        if reading is not None:
            try:
                self._judge(lane, command, reading)
            except Refusal as refusal:
                return refusal
        return None

    def _judge(self, lane: Lane, command: Command, reading: Reading) -> None:
        judge_interlocks(_action(lane, command), reading)
        self.zones.judge(command.action, reading)

    def _lacks_consent(self, lane: Lane, command: Command, reading: Reading | None) -> bool:
        if not self.access.enforced or self.consents.given(command.id):
            return False
        return is_hazardous(_action(lane, command), reading)


def _action(lane: Lane, command: Command) -> ActionSpec:
    """One that an earlier run took and this one does not know has no rules here; the driver refuses it."""
    return lane.robot.actions.get(command.action) or ActionSpec(command.action, "")


def _believed(lane: Lane) -> Reading | None:
    """The newest reading, if it is beyond doubt and taken after the last thing that changed the robot."""
    reading = lane.robot.poller.newest
    if reading is None or reading.quality is not Quality.GOOD:
        return None
    return reading if lane.changed_at is None or reading.at > lane.changed_at else None
