"""The device's side of the Yaesu GS-232B wire.

Commands end with CR and are answered with CR, or with data and CR LF; "?>" means no. Angles are three digits counted
from the counter-clockwise stop (Yaesu GS-232A/B manuals, p. 15-18; reply captured in Hamlib issue 122). Where only
firmware in the field is the source, the behaviour is a fault that can be switched on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.sim import Answer, Feed

FAULTS = (
    FaultKind("extra-cr", "an empty command is answered with ?>, as B units do"),
    FaultKind("prompt", "a prompt > and an empty line come before each answer"),
    FaultKind("swallow", "the first byte of a command is lost if it comes too soon after the last", 0.05, "s"),
    FaultKind("az-only", "the elevation is missing from the answer to C2"),
    FaultKind("no-lf", "answers end without LF"),
    FaultKind("no-cr", "answers end without CR"),
    FaultKind("no-end", "answers end without CR and LF"),
    FaultKind("frozen", "the reported position stands still while the antenna moves"),
    FaultKind("seized", "the motors do not turn"),
    FaultKind("wrong-way", "the azimuth motor turns the wrong way"),
    FaultKind("overshoot", "each move runs past its target and settles", 4.0, "deg"),
    FaultKind("glitch", "each tenth position is far off in azimuth", 60.0, "deg"),
    FaultKind("wrapped", "the azimuth is reported as a bearing: 10 for 370"),
)

_LONGEST_COMMAND = 4 * 3801  # a timed program of 3800 points
_SPEED_SHARES = {"X1": 0.25, "X2": 0.5, "X3": 0.75, "X4": 1.0}  # four steps per the manual; their ratio is assumed
_CALIBRATIONS = ("O", "F", "O2", "F2", "Z")
_REFUSED = b"?>\r\n"
_DONE = b"\r"
_HELP = b"R L A C M S U D E B W C2 X1-X4 P36 P45\r\n"


class Gs232bSim:
    """A GS-232B over a rotator model. Timed programs and calibration change nothing and are noted as violations."""

    def __init__(self, model: RotatorModel | None = None) -> None:
        self.name = "gs232b"
        self.units: tuple[int, ...] = ()
        self.model = model or RotatorModel()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self._unread = bytearray()
        self._at_s: float | None = None
        self._heard_at_s = float("-inf")
        self._azimuth_span_deg = 450
        self._programmed = 0
        self._told = 0
        self._frozen: tuple[float, float] | None = None
        azimuth, elevation = self.model.axes
        self._simple: dict[str, Callable[[], object]] = {
            "R": lambda: azimuth.jog(1),
            "L": lambda: azimuth.jog(-1),
            "A": azimuth.stop,
            "U": lambda: elevation.jog(1),
            "D": lambda: elevation.jog(-1),
            "E": elevation.stop,
            "S": self._stop,
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
        """Bring the antenna up to running time `at_s`, breaking and mending it where faults begin and end."""
        if self._at_s is None:
            self._at_s = at_s
        for edge_s in self.faults.edges(self._at_s, at_s):
            self._break(self._at_s)
            self.model.step(edge_s - self._at_s)
            self._at_s = edge_s
        self._break(at_s)

    def _break(self, at_s: float) -> None:
        frozen = self.faults.value("frozen", at_s) is not None
        if not frozen:
            self._frozen = None
        elif self._frozen is None:
            self._frozen = (self.model.azimuth.position_deg, self.model.elevation.position_deg)
        self.model.azimuth.reversed = self.faults.value("wrong-way", at_s) is not None
        for axis in self.model.axes:
            axis.seized = self.faults.value("seized", at_s) is not None
            axis.overshoot_deg = self.faults.value("overshoot", at_s) or 0.0

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

    def _stop(self) -> None:
        for axis in self.model.axes:
            axis.stop()

    def _position(self, command: str, at_s: float) -> bytes:
        azimuth_deg, elevation_deg = self._frozen or (
            self.model.azimuth.position_deg,
            self.model.elevation.position_deg,
        )
        self._told += 1
        if (off_deg := self.faults.value("glitch", at_s)) is not None and self._told % 10 == 0:
            azimuth_deg = (azimuth_deg + off_deg) % 450
        if self.faults.value("wrapped", at_s) is not None:
            azimuth_deg %= 360
        azimuth, elevation = f"AZ={round(azimuth_deg):03d}", f"EL={round(elevation_deg):03d}"
        if command == "B":
            return f"{elevation}\r\n".encode()
        if command == "C" or self.faults.value("az-only", at_s) is not None:
            return f"{azimuth}\r\n".encode()
        return f"{azimuth}  {elevation}\r\n".encode()

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
