"""The device's side of the SPID wire: Rot1Prog, Rot2Prog and MD-01.

Commands of 13 bytes, replies of 5 (Rot1Prog) or 12 with raw digits; set is answered by the MD-01 alone (spid.txt and
spid.c as Hamlib ships them). What is only reported from the field is a fault that can be switched on.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import Axis, RotatorModel
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.sims import rotator

FAULTS = (
    FaultKind("log", "a line of text comes before each reply, as from an MD-01"),
    FaultKind("log-w", "a line of text with the letter W in it comes before each reply"),
    FaultKind("digit", "a digit of the azimuth is above 9"),
    FaultKind("half", "the reply breaks off after 7 bytes, of 5 after 3"),
    FaultKind("stop-error", "the reply to a stop is off by this much", 1.5, "deg"),
    FaultKind("drift", "the scales shift by this much when spoken to sooner than the model bears", 1.0, "deg"),
    FaultKind("answers-set", "a Rot1Prog or Rot2Prog answers a set, too"),
    FaultKind("silent-set", "an MD-01 does not answer a set"),
    *rotator.FAULTS,
)

Model = Literal["rot1", "rot2", "md01"]

_SIZE = 13
_STOP, _STATUS, _SET, _MANUAL = 0x0F, 0x1F, 0x2F, 0x14
_LEAST_APART_S = {"rot1": 0.0, "rot2": 2.0, "md01": 0.0}
"""How long after the last command the next may come; of the Rot2Prog, as UniClOGS reports it."""


class SpidSim:
    """A controller over a rotator model. What it should not have been sent is noted as a violation."""

    def __init__(self, model: RotatorModel | None = None, kind: Model = "rot2", pulses: int = 2) -> None:
        self.name = f"spid-{kind}"
        self.units: tuple[int, ...] = ()
        self.model = model or RotatorModel()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self.off_deg = 0.0
        self._kind = kind
        self._pulses = 1 if kind == "rot1" else pulses
        self._antenna = rotator.Antenna(self.model, self.faults)
        self._unread = bytearray()
        self._heard_at_s = float("-inf")

    def attach(self) -> Feed:
        """The serial port; its half-read command outlives the computer's opening and closing of it."""
        return self.feed

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        """Take bytes at running time `at_s` and answer each whole command."""
        self.advance(at_s)
        self._unread += data
        answers: list[Answer] = []
        while (start := self._unread.find(b"W")) >= 0:
            del self._unread[:start]
            if len(self._unread) < _SIZE:
                return answers
            if self._unread[_SIZE - 1] != 0x20:
                del self._unread[:1]
                continue
            command = bytes(self._unread[:_SIZE])
            del self._unread[:_SIZE]
            self._keep_pace(at_s)
            answers += [Answer(self._dressed(reply, at_s)) for reply in self._obey(command, at_s)]
        self._unread.clear()
        return answers

    def advance(self, at_s: float) -> None:
        """Bring the antenna up to running time `at_s`."""
        self._antenna.advance(at_s)

    def _keep_pace(self, at_s: float) -> None:
        apart_s, self._heard_at_s = at_s - self._heard_at_s, at_s
        if apart_s < _LEAST_APART_S[self._kind]:
            self.violations.append(f"spoken to after {apart_s:.2f} s; it needs {_LEAST_APART_S[self._kind]:g} s")
            self.off_deg += self.faults.value("drift", at_s) or 0.0

    def _obey(self, command: bytes, at_s: float) -> list[bytes]:
        kind = command[11]
        if kind == _STOP:
            self._antenna.stop()
            return [self._position(at_s, self.faults.value("stop-error", at_s) or 0.0)]
        if kind == _STATUS:
            return [self._position(at_s)]
        if kind == _SET:
            self._set(command)
            answers = self._kind == "md01" or self.faults.value("answers-set", at_s) is not None
            return [self._position(at_s)] if answers and self.faults.value("silent-set", at_s) is None else []
        if kind == _MANUAL and self._kind == "md01":
            self._turn_by_hand(command[1])
            return [self._position(at_s)]
        self.violations.append(f"{command.hex(' ')} is no command of a {self.name}")
        return []

    def _set(self, command: bytes) -> None:
        azimuth, elevation = self.model.axes
        wanted = {azimuth: command[1:4] if self._kind == "rot1" else command[1:5]}
        if self._kind != "rot1":
            wanted[elevation] = command[6:10]
        if not all(digits.isdigit() for digits in wanted.values()):
            self.violations.append(f"{command.hex(' ')} has what is no digit")
            return
        for axis, digits in wanted.items():
            self._go(axis, int(digits) / self._pulses - 360 - (self.off_deg if axis is azimuth else 0.0))

    def _go(self, axis: Axis, angle_deg: float) -> None:
        if not axis.build.low_deg - 2 <= angle_deg <= axis.build.high_deg + 2:
            self.violations.append(f"{angle_deg:g} is beyond the end stops")
        else:
            axis.go(angle_deg)

    def _turn_by_hand(self, bits: int) -> None:
        azimuth, elevation = self.model.axes
        for axis, up, down in ((azimuth, 2, 1), (elevation, 4, 8)):
            if bits & (up | down):
                axis.jog(1 if bits & up else -1)

    def _position(self, at_s: float, off_deg: float = 0.0) -> bytes:
        azimuth_deg, elevation_deg = self._antenna.shown(at_s)
        azimuth = self._tenths(azimuth_deg + self.off_deg + off_deg)
        if self.faults.value("digit", at_s) is not None:
            azimuth = bytes((azimuth[0], 10, *azimuth[2:]))
        if self._kind == "rot1":
            return b"W" + azimuth[:3] + b" "
        pulses = bytes((self._pulses,))
        return b"W" + azimuth + pulses + self._tenths(elevation_deg + off_deg) + pulses + b" "

    def _tenths(self, angle_deg: float) -> bytes:
        """Four raw digits, of tenths of a degree, in steps of one pulse."""
        tenths = round(10 * (round(angle_deg * self._pulses) / self._pulses + 360))
        return bytes(tenths // place % 10 for place in (1000, 100, 10, 1))

    def _dressed(self, reply: bytes, at_s: float) -> bytes:
        if self.faults.value("half", at_s) is not None:
            reply = reply[: 3 if len(reply) == 5 else 7]
        if self.faults.value("log", at_s) is not None:
            reply = b"1 motor 0: 24.1 V, 0.3 A\r\n" + reply
        if self.faults.value("log-w", at_s) is not None:
            reply = b"2 Warning: Wind is 12 m/s W\r\n" + reply
        return reply
