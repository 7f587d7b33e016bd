"""The device's side of the EasyComm II and III wires.

Two-letter commands with or without a value, ended by space, CR or LF; one without a value asks (easycomm.txt as Hamlib
ships it). What is asked in one line is answered in one line, which is what Hamlib 4.5.4 expects. Where only firmware in
the field is the source, the behaviour is a fault that can be switched on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Literal

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import Axis, RotatorModel
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.sims import rotator

FAULTS = (
    FaultKind("alarm", "an alarm in words, which looks like a position, comes unasked before each answer"),
    FaultKind("apart", "each value is answered in a line of its own"),
    FaultKind("az-only", "the elevation is missing from each answer"),
    FaultKind("cr", "answers end with CR in place of LF"),
    FaultKind("jam", "the unit stands in error and takes no target; III says so when asked"),
    *rotator.FAULTS,
)

_IDLE, _MOVING, _ERROR = 1, 2, 8  # bits of GS
_JAM = 2  # bit of GE
_LONGEST_LINE = 256
_COMMAND = re.compile(r"([A-Z]{2})([+-]?\d+(?:\.\d+)?)?")
_SILENT = (
    "UP",
    "DN",
    "UM",
    "DM",
    "UR",
    "DR",
    "AO",
    "LO",
    "OP",
    "ST",
    "CW",
)  # radio, clock and outputs: taken, not done


class EasycommSim:
    """A controller over a rotator model. A target beyond the end stops is not taken, and noted as a violation."""

    def __init__(self, model: RotatorModel | None = None, version: Literal[2, 3] = 2) -> None:
        self.name = f"easycomm{version}"
        self.units: tuple[int, ...] = ()
        self.model = model or RotatorModel()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self._antenna = rotator.Antenna(self.model, self.faults)
        self._unread = bytearray()
        azimuth, elevation = self.model.axes
        self._turns: dict[str, Axis] = {"AZ": azimuth, "EL": elevation}
        self._acts: dict[str, Callable[[], object]] = {
            "SA": azimuth.stop,
            "SE": elevation.stop,
            "ML": lambda: azimuth.jog(-1),
            "MR": lambda: azimuth.jog(1),
            "MU": lambda: elevation.jog(1),
            "MD": lambda: elevation.jog(-1),
        }
        self._asks: dict[str, Callable[[float], str]] = {"VE": lambda _: f"VE{version}.0"}
        if version == 3:
            self._asks |= {"GS": self._status, "GE": self._error}
            self._speeds = {"VL": (azimuth, -1), "VR": (azimuth, 1), "VU": (elevation, 1), "VD": (elevation, -1)}
        else:
            self._speeds = {}

    def attach(self) -> Feed:
        """The serial port; its half-read command outlives the computer's opening and closing of it."""
        return self.feed

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        """Take bytes at running time `at_s`, obey the commands of each whole line and answer its questions."""
        self.advance(at_s)
        self._unread += data.replace(b"\r", b"\n")
        answers = []
        while (end := self._unread.find(b"\n")) >= 0:
            line = self._unread[:end].decode("ascii", "replace")
            del self._unread[: end + 1]
            if said := [reply for word in line.split() if (reply := self._obey(word.lstrip(";"), at_s))]:
                answers.append(Answer(self._dressed(said, at_s)))
        del self._unread[:-_LONGEST_LINE]
        return answers

    def advance(self, at_s: float) -> None:
        """Bring the antenna up to running time `at_s`."""
        self._antenna.advance(at_s)

    def _obey(self, word: str, at_s: float) -> str:
        """Carry one command out; returns what it is answered with, or nothing."""
        match = _COMMAND.fullmatch(word)
        name, value = (match[1], match[2]) if match else (word[:2], None)
        if name in self._turns:
            return self._position(name, at_s) if value is None else self._go(name, float(value), at_s)
        if name in self._acts and value is None:
            self._acts[name]()
        elif name in self._asks and value is None:
            return self._asks[name](at_s)
        elif name in self._speeds and value is not None:
            self._jog(name, float(value))
        elif word and name not in _SILENT:
            self.violations.append(f"{word[:40]} is no command of {self.name}")
        return ""

    def _go(self, name: str, angle_deg: float, at_s: float) -> str:
        axis = self._turns[name]
        if not axis.build.low_deg <= angle_deg <= axis.build.high_deg:
            self.violations.append(f"{name}{angle_deg:.1f} is beyond the end stops")
        elif self.faults.value("jam", at_s) is None:
            axis.speed_share = 1.0
            axis.go(angle_deg)
        return ""

    def _jog(self, name: str, millidegrees_s: float) -> None:
        axis, direction = self._speeds[name]
        if millidegrees_s == 0:
            axis.stop()
            return
        axis.speed_share = min(1.0, abs(millidegrees_s) / 1000 / axis.build.slew_deg_s)
        axis.jog(direction)

    def _position(self, name: str, at_s: float) -> str:
        azimuth_deg, elevation_deg = self._antenna.shown(at_s)
        if name == "EL":
            return "" if self.faults.value("az-only", at_s) is not None else f"EL{elevation_deg:.1f}"
        return f"AZ{azimuth_deg:.1f}"

    def _status(self, at_s: float) -> str:
        jammed = self.faults.value("jam", at_s) is not None
        return f"GS{_ERROR if jammed else _MOVING if self._antenna.moving else _IDLE}"

    def _error(self, at_s: float) -> str:
        return f"GE{0 if self.faults.value('jam', at_s) is None else _JAM}"

    def _dressed(self, said: list[str], at_s: float) -> bytes:
        end = "\r" if self.faults.value("cr", at_s) is not None else "\n"
        joint = end if self.faults.value("apart", at_s) is not None else " "
        alarm = f"ALmotor at AZ1.0 EL1.0 too hot{end}" if self.faults.value("alarm", at_s) is not None else ""
        return f"{alarm}{joint.join(said)}{end}".encode()
