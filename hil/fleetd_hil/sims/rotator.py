"""What the controllers of all rotators share: the antenna behind them, and the ways in which it and its scales fail.

A controller asks for what it shows and tells the axes where to go. Not here: any wire.
"""

from __future__ import annotations

import math

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import RotatorModel

FAULTS = (
    FaultKind("frozen", "the reported position stands still while the antenna moves"),
    FaultKind("seized", "the motors do not turn"),
    FaultKind("stalled", "the azimuth motor does not turn"),
    FaultKind("wrong-way", "the azimuth motor turns the wrong way"),
    FaultKind("runaway", "a relay welds: the azimuth motor, once it turns, turns on to its end stop"),
    FaultKind("tremble", "each position is beside the true one, by so much at most", 1.0, "deg"),
    FaultKind("overshoot", "each move runs past its target and settles", 4.0, "deg"),
    FaultKind("glitch", "each tenth position is far off in azimuth", 60.0, "deg"),
    FaultKind("wrapped", "the azimuth is reported as a bearing: 10 for 370"),
)


class Antenna:
    """A rotator model in running time, with its faults; `unit` is its number on a shared line, if it is on one."""

    def __init__(self, model: RotatorModel, faults: Faults, unit: int | None = None) -> None:
        self.model = model
        self._faults = faults
        self._unit = unit
        self._at_s: float | None = None
        self._told = 0
        self._frozen: tuple[float, float] | None = None

    @property
    def moving(self) -> bool:
        """Whether an axis turns at this instant."""
        return any(axis.moving for axis in self.model.axes)

    def advance(self, at_s: float) -> None:
        """Bring it up to running time `at_s`, breaking and mending it where faults begin and end."""
        if self._at_s is None:
            self._at_s = at_s
        for edge_s in self._faults.edges(self._at_s, at_s):
            self._break(self._at_s)
            self.model.step(edge_s - self._at_s)
            self._at_s = edge_s
        self._break(at_s)

    def stop(self) -> None:
        """Brake both axes."""
        for axis in self.model.axes:
            axis.stop()

    def shown(self, at_s: float) -> tuple[float, float]:
        """Azimuth and elevation as the controller's scales show them, in degrees."""
        azimuth_deg, elevation_deg = self._frozen or self._true()
        self._told += 1
        if (off_deg := self._fault("glitch", at_s)) is not None and self._told % 10 == 0:
            build = self.model.azimuth.build
            azimuth_deg = build.low_deg + (azimuth_deg + off_deg - build.low_deg) % (build.high_deg - build.low_deg)
        if (most_deg := self._fault("tremble", at_s)) is not None:
            # The same each time it is run, and no pattern that a motor could make.
            azimuth_deg += most_deg * math.sin(2.4 * self._told)
            elevation_deg += most_deg * math.sin(3.9 * self._told)
        if self._fault("wrapped", at_s) is not None:
            azimuth_deg %= 360
        return azimuth_deg, elevation_deg

    def _break(self, at_s: float) -> None:
        if self._fault("frozen", at_s) is None:
            self._frozen = None
        elif self._frozen is None:
            self._frozen = self._true()
        self.model.azimuth.reversed = self._fault("wrong-way", at_s) is not None
        self.model.azimuth.welded = self._fault("runaway", at_s) is not None
        for axis in self.model.axes:
            axis.seized = self._fault("seized", at_s) is not None
            axis.overshoot_deg = self._fault("overshoot", at_s) or 0.0
        if self._fault("stalled", at_s) is not None:
            self.model.azimuth.seized = True

    def _true(self) -> tuple[float, float]:
        return self.model.azimuth.position_deg, self.model.elevation.position_deg

    def _fault(self, name: str, at_s: float) -> float | None:
        return self._faults.value(name, at_s, self._unit)
