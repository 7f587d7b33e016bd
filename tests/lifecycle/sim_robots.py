"""Simulated robots with physics and registers, spoken to in process: every write is seen, links break at will."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robots_bench import FakeRobot

from fleetd.devices import ActionSpec, Outcome, ReadBack, Sample
from fleetd.errors import BadReply, LinkLost, ReplyTimeout
from fleetd.records import Value
from fleetd.registers.codec import decode
from fleetd.registers.commands import encode_command, outcome
from fleetd.registers.loader import load_map
from fleetd_drivers.modbus.profile import load_profile
from fleetd_hil.faults import Faults
from fleetd_hil.models.robot import RobotBuild, RobotModel
from fleetd_hil.models.streets import Streets
from fleetd_hil.sims import little_donkey
from fleetd_hil.sims.little_donkey import LittleDonkeyUnit

MAP = load_map("little-donkey")
ACTIONS: Mapping[str, ActionSpec] = load_profile("little-donkey").actions
STREETS = Streets.of_seed(0)


@dataclass(frozen=True)
class Written:
    """A command as it stood on the wire, and what was known and true then."""

    number: int
    action: str
    at_s: float
    latched_before: bool
    latched_after: bool
    read: Mapping[str, Value]
    """The newest sample that the supervisor had."""


@dataclass
class SimRobot(FakeRobot):
    """A Little Donkey in its streets, driven through its registers."""

    lose: str = ""
    """The next command's fate: `write` it never arrives, `reply` it arrives and nobody hears so."""
    wire: list[Written] = field(default_factory=list)
    read_last: Mapping[str, Value] = field(default_factory=dict)
    resets: int = 0

    def __post_init__(self) -> None:
        self.model = RobotModel(RobotBuild(heartbeat_timeout_s=1e6), STREETS, parcels=20)
        self.faults = Faults(little_donkey.FAULTS)
        self.unit = LittleDonkeyUnit(MAP, self.model, self.faults, 1)

    @property
    def now_s(self) -> float:
        return self.clock.monotonic() if self.clock else 0.0

    async def read(self) -> Sample:
        await self._there()
        self.read_last = self._status()
        return Sample(dict(self.read_last))

    async def stop(self) -> None:
        await self._there()
        self.unit.write("coil", 0, [1], self.now_s)
        self.stops += 1
        if not self._status()["stop_latched"]:
            raise BadReply("it did not latch")

    async def perform(self, number: int, action: str, args: Mapping[str, Any], /) -> ReadBack:
        await self._there()
        fate, self.lose = self.lose, ""
        if fate == "write":
            raise ReplyTimeout("no answer: the request was lost")
        command = encode_command(MAP, number, action, args)
        self.unit.advance(self.now_s)
        before = bool(self.model.latched_by)
        self.unit.write("holding", command.address, command.registers, self.now_s)
        after = bool(self.model.latched_by)
        self.wire.append(Written(number, action, self.now_s, before, after, self.read_last))
        if fate == "reply":
            raise ReplyTimeout("no answer: the reply was lost")
        return self.word(number)

    async def recall(self, number: int, /) -> ReadBack:
        await self._there()
        return self.word(number)

    def word(self, number: int) -> ReadBack:
        """The robot's own word on a command, from its registers."""
        taken, reason = outcome(MAP, number, self._status())
        if taken is None:
            return ReadBack(Outcome.UNSEEN, reason)
        return ReadBack(Outcome.DONE if taken else Outcome.REFUSED, reason)

    def press(self, what: str, lasting_s: float) -> None:
        """Somebody on the spot presses the button or the bumper, for a while."""
        self.faults.inject(f"{what}+{lasting_s}", self.now_s)
        self.unit.advance(self.now_s)

    def reset(self) -> None:
        """Somebody on the spot presses the reset."""
        self.unit.advance(self.now_s)
        self.model.reset()
        self.resets += 1

    async def _there(self) -> None:
        await asyncio.sleep(0)
        if not self.there:
            raise LinkLost("it went away")
        self.unit.advance(self.now_s)

    def _status(self) -> Mapping[str, Value]:
        return decode(MAP, "input", 2, self.unit.read("input", 2, 30, self.now_s)).values
