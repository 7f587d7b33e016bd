"""The device's side of the Yaesu GS-232A and GS-232B wires, which differ in how a position is worded.

Commands end with CR and are answered with CR, or with data and CR LF; "?>" means no. Angles are three digits counted
from the counter-clockwise stop (Yaesu GS-232A/B manuals, p. 15-18; reply captured in Hamlib issue 122). Where only
firmware in the field is the source, the behaviour is a fault that can be switched on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Literal

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.sims import rotator

FAULTS = (
    FaultKind("extra-cr", "an empty command is answered with ?>, as B units do"),
    FaultKind("prompt", "a prompt > and an empty line come before each answer"),
    FaultKind("swallow", "the first byte of a command is lost if it comes too soon after the last", 0.05, "s"),
    FaultKind("az-only", "the elevation is missing from the answer to C2"),
    FaultKind("no-lf", "answers end without LF"),
    FaultKind("no-cr", "answers end without CR"),
    FaultKind("no-end", "answers end without CR and LF"),
    *rotator.FAULTS,
)

_LONGEST_COMMAND = 4 * 3801  # a timed program of 3800 points
_SPEED_SHARES = {"X1": 0.25, "X2": 0.5, "X3": 0.75, "X4": 1.0}  # four steps per the manual; their ratio is assumed
_CALIBRATIONS = ("O", "F", "O2", "F2", "Z")
_REFUSED = b"?>\r\n"
_DONE = b"\r"
_WORDINGS = {"a": (b"+0%03d", b"+0%03d", b""), "b": (b"AZ=%03d", b"EL=%03d", b"  ")}
"""Azimuth, elevation and what stands between them."""
_HELP = b"R L A C M S U D E B W C2 X1-X4 P36 P45\r\n"


class Gs232bSim:
    """A GS-232A or B over a rotator model. Timed programs and calibration change nothing; they are violations."""

    def __init__(self, model: RotatorModel | None = None, dialect: Literal["a", "b"] = "b") -> None:
        self.name = f"gs232{dialect}"
        self.units: tuple[int, ...] = ()
        self.model = model or RotatorModel()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self._antenna = rotator.Antenna(self.model, self.faults)
        self._wordings = _WORDINGS[dialect]
        self._unread = bytearray()
        self._heard_at_s = float("-inf")
        self._azimuth_span_deg = 450
        self._programmed = 0
        azimuth, elevation = self.model.axes
        self._simple: dict[str, Callable[[], object]] = {
            "R": lambda: azimuth.jog(1),
            "L": lambda: azimuth.jog(-1),
            "A": azimuth.stop,
            "U": lambda: elevation.jog(1),
            "D": lambda: elevation.jog(-1),
            "E": elevation.stop,
            "S": self._antenna.stop,
        }

    def attach(self) -> Feed:
        """The serial port; its half-read command outlives the computer's opening and closing of it."""
        return self.feed

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        """Take bytes at running time `at_s` and answer each whole command."""
        self.advance(at_s)
        self._unread += self._swallowed(data, at_s)
        answers = []
        while (end := self._unread.find(b"\r")) >= 0:
            command = bytes(self._unread[:end]).decode("ascii", "replace").strip().upper()
            del self._unread[: end + 1]
            answers += [Answer(self._dressed(reply, at_s)) for reply in self._answer(command, at_s)]
        if len(self._unread) > _LONGEST_COMMAND:
            self._unread.clear()
            answers.append(Answer(_REFUSED))
        return answers

    def advance(self, at_s: float) -> None:
        """Bring the antenna up to running time `at_s`."""
        self._antenna.advance(at_s)

    def _swallowed(self, data: bytes, at_s: float) -> bytes:
        within_s = self.faults.value("swallow", at_s)
        too_soon = within_s is not None and at_s - self._heard_at_s < within_s and not self._unread
        self._heard_at_s = at_s
        return data[1:] if too_soon else data

    def _answer(self, command: str, at_s: float) -> list[bytes]:
        if not command:
            return [_REFUSED] if self.faults.value("extra-cr", at_s) is not None else []
        if command in self._simple:
            self._simple[command]()
            return [_DONE]
        if command in ("C", "B", "C2"):
            return [self._position(command, at_s)]
        if command[0] in "MWTN":
            return [self._move(command)]
        return [self._set(command)]

    def _set(self, command: str) -> bytes:
        if command in _SPEED_SHARES:
            self.model.azimuth.speed_share = _SPEED_SHARES[command]
            return _DONE
        if command in ("P36", "P45"):
            self._azimuth_span_deg = 10 * int(command[1:])
            return _DONE
        if command in _CALIBRATIONS:
            self.violations.append(f"{command} changes the calibration")
            return _REFUSED
        return _HELP if command == "H" else _REFUSED

    def _move(self, command: str) -> bytes:
        if command == "N":
            return f"+{self._programmed:04d}+0000\r\n".encode()
        if not re.fullmatch(r"[MW]\d{3}( \d{3})*", command):
            return self._program(0, command) if command == "T" else _REFUSED
        angles = [int(word) for word in command[1:].split()]
        wanted = 1 if command[0] == "M" else 2
        if len(angles) > wanted:
            return self._program(len(angles) - 1, command)
        if len(angles) < wanted or angles[0] > self._azimuth_span_deg or angles[-1] > self._most(command):
            return _REFUSED
        self.model.azimuth.go(float(angles[0]))
        if wanted == 2:
            self.model.elevation.go(float(angles[1]))
        return _DONE

    def _most(self, command: str) -> int:
        return 180 if command[0] == "W" else self._azimuth_span_deg

    def _program(self, angles: int, command: str) -> bytes:
        self._programmed = angles // (2 if command[0] == "W" else 1) if angles else self._programmed
        self.violations.append(f"{command[:40]} is a timed program")
        return _DONE

    def _position(self, command: str, at_s: float) -> bytes:
        azimuth_deg, elevation_deg = self._antenna.shown(at_s)
        azimuth = self._wordings[0] % round(azimuth_deg)
        elevation = self._wordings[1] % round(elevation_deg)
        if command == "B":
            return elevation + b"\r\n"
        if command == "C" or self.faults.value("az-only", at_s) is not None:
            return azimuth + b"\r\n"
        return self._wordings[2].join((azimuth, elevation)) + b"\r\n"

    def _dressed(self, reply: bytes, at_s: float) -> bytes:
        if self.faults.value("prompt", at_s) is not None:
            reply = b">\r\n" + reply
        if self.faults.value("no-lf", at_s) is not None:
            reply = reply.replace(b"\n", b"")
        if self.faults.value("no-cr", at_s) is not None:
            reply = reply.replace(b"\r", b"")
        if self.faults.value("no-end", at_s) is not None:
            reply = reply.rstrip(b"\r\n")
        return reply
