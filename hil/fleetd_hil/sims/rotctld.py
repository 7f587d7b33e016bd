"""The server's side of Hamlib's `rotctld`: plain and extended form, one rotator behind it.

Written from rotctld(1) and what rotctld 4.5.4 answers. Commands are a letter, or a long name behind a backslash; a
leading `+` asks for the extended form. A wrong command is answered by nothing, as the real one does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.sims import rotator

FAULTS = (
    FaultKind("mute", "no command is answered"),
    FaultKind(
        "timeouts", "each n-th command is answered with RPRT -5: the rotator behind the server was silent", 2.0, "th"
    ),
    FaultKind("io-error", "the rotator behind the server is gone: it hangs up without a word"),
    FaultKind("split", "an answer's first line comes alone, and the rest this much later", 0.01, "s"),
    *rotator.FAULTS,
)

_LONG_NAMES = {"p": "get_pos", "P": "set_pos", "S": "stop", "K": "park", "_": "get_info"}
_ARGUMENTS = {"set_pos": 2}
_DONE, _INVALID, _TIMED_OUT = 0, -1, -5
_LONGEST_LINE = 512

Outcome = tuple[int, Sequence[tuple[str, str]]]
"""The number to report, and the values with what stands before each in the extended form."""


class RotctldSim:
    """A server over a rotator model."""

    def __init__(self, model: RotatorModel | None = None) -> None:
        self.name = "rotctld"
        self.units: tuple[int, ...] = ()
        self.model = model or RotatorModel()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self.antenna = rotator.Antenna(self.model, self.faults)
        self._asked = 0

    def attach(self) -> Feed:
        """One client's connection, with its own half-read line."""
        return _Client(self).feed

    def advance(self, at_s: float) -> None:
        """Bring the antenna up to running time `at_s`."""
        self.antenna.advance(at_s)

    def answer(self, line: str, at_s: float) -> list[Answer]:
        """What one line of a client is answered with."""
        words = line.lstrip("+").split()
        if not words or self.faults.value("mute", at_s) is not None:
            return []
        if words[0] in ("q", "Q", "\\quit") or self.faults.value("io-error", at_s) is not None:
            return [Answer(b"", hang_up=True)]
        name = words[0].removeprefix("\\") if words[0].startswith("\\") else _LONG_NAMES.get(words[0], "")
        act = self._acts.get(name)
        if act is None or len(words) - 1 != _ARGUMENTS.get(name, 0):
            self.violations.append(f"{line[:40]!r} is no command")
            return []
        outcome = (_TIMED_OUT, []) if self._is_silent(at_s) else act(words[1:], at_s)
        return self._worded(" ".join([f"{name}:", *words[1:]]), outcome, at_s, extended=line.startswith("+"))

    def _is_silent(self, at_s: float) -> bool:
        """Whether the rotator behind the server does not answer this time."""
        self._asked += 1
        every = self.faults.value("timeouts", at_s)
        return every is not None and self._asked % max(1, int(every)) == 0

    def _worded(self, head: str, outcome: Outcome, at_s: float, *, extended: bool) -> list[Answer]:
        report, values = outcome
        if extended:
            lines = [head, *(f"{name}{value}" for name, value in values), f"RPRT {report}"]
        elif values and report == _DONE:
            lines = [value for _, value in values]
        else:
            lines = [f"RPRT {report}"]
        data = "".join(f"{line}\n" for line in lines).encode()
        if (later_s := self.faults.value("split", at_s)) is None:
            return [Answer(data)]
        first = data.index(b"\n") + 1
        return [Answer(data[:first]), Answer(data[first:], later_s)]

    @property
    def _acts(self) -> dict[str, Callable[[list[str], float], Outcome]]:
        return {
            "get_pos": self._position,
            "set_pos": self._move,
            "stop": self._stop,
            "park": lambda _, at_s: self._move(["0", "0"], at_s),
            "get_info": lambda _, __: (_DONE, [("Info: ", "Simulated rotator")]),
            "dump_state": self._state,
        }

    def _position(self, _words: list[str], at_s: float) -> Outcome:
        azimuth_deg, elevation_deg = self.antenna.shown(at_s)
        return _DONE, [("Azimuth: ", f"{azimuth_deg:.2f}"), ("Elevation: ", f"{elevation_deg:.2f}")]

    def _move(self, words: list[str], _at_s: float) -> Outcome:
        targets = [_number(word) for word in words]
        builds = [axis.build for axis in self.model.axes]
        if not all(build.low_deg <= to <= build.high_deg for build, to in zip(builds, targets, strict=True)):
            self.violations.append(f"set_pos {' '.join(words)} is beyond the limits")
            return _INVALID, []
        for axis, to in zip(self.model.axes, targets, strict=True):
            axis.go(to)
        return _DONE, []

    def _stop(self, _words: list[str], _at_s: float) -> Outcome:
        self.antenna.stop()
        return _DONE, []

    def _state(self, _words: list[str], _at_s: float) -> Outcome:
        azimuth, elevation = (axis.build for axis in self.model.axes)
        limits = (
            ("Minimum Azimuth: ", azimuth.low_deg),
            ("Maximum Azimuth: ", azimuth.high_deg),
            ("Minimum Elevation: ", elevation.low_deg),
            ("Maximum Elevation: ", elevation.high_deg),
        )
        told = [(name, f"{value:.6f}") for name, value in limits]
        return _DONE, [
            ("rotctld Protocol Ver: ", "1"),
            ("Rotor Model: ", "1"),
            *told,
            ("South Zero: ", "0"),
            ("rot_type=", "AzEl"),
            ("", "done"),
        ]


class _Client:
    def __init__(self, server: RotctldSim) -> None:
        self._server = server
        self._unread = bytearray()

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        self._server.advance(at_s)
        self._unread += data
        answers = []
        while (end := self._unread.find(b"\n")) >= 0:
            line = self._unread[:end].decode("ascii", "replace").strip()
            del self._unread[: end + 1]
            answers += self._server.answer(line, at_s)
        del self._unread[:-_LONGEST_LINE]
        return answers


def _number(word: str) -> float:
    """A number with a point or a comma; what is none becomes NaN, which no limits admit."""
    try:
        return float(word.replace(",", "."))
    except ValueError:
        return math.nan
