"""A day with real hardware: the box that an antenna may not leave, the tape of what was said, and what came of it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleetd.clock import SystemClock
from fleetd.devices import AzEl, Rotator, RotatorLimits, load_driver
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_hil import catalogue
from fleetd_hil.capture.tape import Tape, tapped

_NUMBER = r"-?\d+(?:\.\d+)?"
_BOX = re.compile(rf"(?P<a>{_NUMBER}):(?P<b>{_NUMBER}),(?P<c>{_NUMBER}):(?P<d>{_NUMBER})")
_SLACK_DEG = 3.0  # what an axis overruns while it brakes, and half a step of a coarse controller


class LeftTheBox(AssertionError):
    """An antenna is where it was promised not to be; it has been told to stop."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a real antenna may be turned, in the controller's own degrees."""

    azimuth_deg: tuple[float, float]
    elevation_deg: tuple[float, float]

    @classmethod
    def parse(cls, text: str) -> Box:
        """Read AZ_LO:AZ_HI,EL_LO:EL_HI. Raises ValueError."""
        match = _BOX.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r}: write it as AZ_LO:AZ_HI,EL_LO:EL_HI in degrees, as in 80:120,10:40")
        a, b, c, d = map(float, match.groups())
        if b - a < 10 or d - c < 5:
            raise ValueError(f"{text!r}: the suite needs 10 degrees of azimuth and 5 of elevation at least")
        return cls((a, b), (c, d))

    def within(self, limits: RotatorLimits) -> RotatorLimits:
        """What of the controller's range lies in it."""
        return replace(
            limits,
            azimuth_min_deg=max(limits.azimuth_min_deg, self.azimuth_deg[0]),
            azimuth_max_deg=min(limits.azimuth_max_deg, self.azimuth_deg[1]),
            elevation_min_deg=max(limits.elevation_min_deg, self.elevation_deg[0]),
            elevation_max_deg=min(limits.elevation_max_deg, self.elevation_deg[1]),
        )

    def holds(self, at: AzEl) -> bool:
        """Whether a measured direction lies in it, or as near as an axis may come to rest."""
        (a, b), (c, d) = self.azimuth_deg, self.elevation_deg
        in_azimuth = a - _SLACK_DEG <= at.azimuth_deg <= b + _SLACK_DEG
        return in_azimuth and c - _SLACK_DEG <= at.elevation_deg <= d + _SLACK_DEG


class Boxed:
    """A rotator that is not let out of a box: not sent there, and stopped where it is seen there."""

    def __init__(self, driver: Rotator, box: Box) -> None:
        self._driver = driver
        self._box = box

    @property
    def limits(self) -> RotatorLimits:
        return self._box.within(self._driver.limits)

    async def point(self, to: AzEl, /) -> None:
        self.limits.admit(to)
        await self._driver.point(to)

    async def where(self) -> AzEl:
        at = await self._driver.where()
        if not self._box.holds(at):
            await self._driver.stop()
            there = f"{at.azimuth_deg:g}, {at.elevation_deg:g}"
            raise LeftTheBox(f"it stands at {there}, outside the box: turn it in by hand, or state another --box")
        return at

    async def stop(self) -> None:
        await self._driver.stop()


@dataclass
class Day:
    """The record of one device: a tape, opened before the first test, and how many tests ended how."""

    driver: str
    url: str
    unit: str
    folder: Path
    settings: Mapping[str, Any]
    watched: bool
    outcome: Counter[str] = field(default_factory=Counter)
    moved: bool = False
    """Whether it has passed a test in which it moves, or transmits."""
    tape: Tape | None = None

    def begin(self) -> None:
        """Ask where it stands, and begin the tape. Raises FleetError when it cannot be reached."""
        self.start_tape(asyncio.run(self._standing()))

    def start_tape(self, options: Mapping[str, float]) -> None:
        """A file of its own, with the day's date."""
        clock = SystemClock()
        head = {"sim": self.driver, "unit": self.unit, "device": self.unit, "host": "fleetd's device suite"}
        path = self.folder / f"{clock.now():%Y-%m-%d}-{self.driver}.jsonl"
        number = 1
        while path.exists():
            number += 1
            path = path.with_name(f"{clock.now():%Y-%m-%d}-{self.driver}-{number}.jsonl")
        self.tape = Tape.new(path, clock, {**head, "link": self.url, "options": dict(options)})

    def ports(self) -> Ports:
        """Links of which every byte goes to the tape."""
        return Ports(tapped(self.tape)) if self.tape else Ports()

    def note(self, outcome: str, *, moves: bool) -> None:
        """A test has ended."""
        self.outcome["not tried" if moves and not self.watched else outcome] += 1
        self.moved |= moves and outcome == "passed"

    def end(self) -> None:
        """The last line of the tape."""
        if self.tape is not None:
            self.tape.close(outcome=dict(self.outcome), moved=self.moved)

    async def _standing(self) -> dict[str, float]:
        """Where a rotator stands, as its sim's options say it, so that a replay begins there."""
        spec, clock = load_driver(self.driver), SystemClock()
        connecting = spec.connect(Ports(), parse_link(self.url), spec.settings(**self.settings), clock)
        async with connecting as driver:
            if not isinstance(driver, Rotator):
                return {}
            at = await driver.where()
        kind = catalogue.find(self.driver)
        return dict(
            kind.chosen({"start_azimuth_deg": at.azimuth_deg, "start_elevation_deg": max(0.0, at.elevation_deg)})
        )
