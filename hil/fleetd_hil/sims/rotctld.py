"""The server's side of Hamlib's `rotctld`, one rotator behind it; rotctld(1) and what rotctld 4.5.4 answers."""

from __future__ import annotations

import math
from collections import deque

from fleetd_hil.faults import Faults
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.sim import Feed
from fleetd_hil.sims import hamlib, rotator
from fleetd_hil.sims.hamlib import DONE, INVALID, Act, NetServer, Outcome

FAULTS = (*hamlib.FAULTS, *rotator.FAULTS)

_LETTERS = {"p": "get_pos", "P": "set_pos", "S": "stop", "K": "park", "_": "get_info"}


_PLAIN = {
    "Minimum Azimuth: ": "min_az=",
    "Maximum Azimuth: ": "max_az=",
    "Minimum Elevation: ": "min_el=",
    "Maximum Elevation: ": "max_el=",
    "South Zero: ": "south_zero=",
    "rot_type=": "rot_type=",
}
"""How 4.5.4 words the state in its plain form, as recorded from it: `hil/captures/rotctld-hamlib-4.5.4.jsonl`."""


class RotctldSim:
    """A server over a rotator model."""

    def __init__(self, model: RotatorModel | None = None) -> None:
        self.name = "rotctld"
        self.units: tuple[int, ...] = ()
        self.model = model or RotatorModel()
        self.faults = Faults(FAULTS)
        self.antenna = rotator.Antenna(self.model, self.faults)
        acts = {
            "get_pos": Act(0, self._position),
            "set_pos": Act(2, self._move),
            "stop": Act(0, self._stop),
            "park": Act(0, lambda _, at_s: self._move(["0", "0"], at_s)),
            "get_info": Act(0, lambda _, __: (DONE, [("Info: ", "Simulated rotator")])),
            "dump_state": Act(0, self._state),
        }
        self._server = NetServer(_LETTERS, acts, self.faults, _PLAIN)

    @property
    def violations(self) -> deque[str]:
        """What no well-behaved client would have sent."""
        return self._server.violations

    def attach(self) -> Feed:
        """One client's connection."""
        return self._server.attach(self.advance)

    def advance(self, at_s: float) -> None:
        """Bring the antenna up to running time `at_s`."""
        self.antenna.advance(at_s)

    def _position(self, _words: list[str], at_s: float) -> Outcome:
        azimuth_deg, elevation_deg = self.antenna.shown(at_s)
        return DONE, [("Azimuth: ", f"{azimuth_deg:.2f}"), ("Elevation: ", f"{elevation_deg:.2f}")]

    def _move(self, words: list[str], _at_s: float) -> Outcome:
        targets = [_number(word) for word in words]
        builds = [axis.build for axis in self.model.axes]
        if not all(build.low_deg <= to <= build.high_deg for build, to in zip(builds, targets, strict=True)):
            self.violations.append(f"set_pos {' '.join(words)} is beyond the limits")
            return INVALID, []
        for axis, to in zip(self.model.axes, targets, strict=True):
            axis.go(to)
        return DONE, []

    def _stop(self, _words: list[str], _at_s: float) -> Outcome:
        self.antenna.stop()
        return DONE, []

    def _state(self, _words: list[str], _at_s: float) -> Outcome:
        azimuth, elevation = (axis.build for axis in self.model.axes)
        limits = (
            ("Minimum Azimuth: ", azimuth.low_deg),
            ("Maximum Azimuth: ", azimuth.high_deg),
            ("Minimum Elevation: ", elevation.low_deg),
            ("Maximum Elevation: ", elevation.high_deg),
        )
        told = [(name, f"{value:.6f}") for name, value in limits]
        return DONE, [
            ("rotctld Protocol Ver: ", "1"),
            ("Rotor Model: ", "1"),
            *told,
            ("South Zero: ", "0"),
            ("rot_type=", "AzEl"),
            ("", "done"),
        ]


def _number(word: str) -> float:
    """A number with a point or a comma; what is none becomes NaN, which no limits admit."""
    try:
        return float(word.replace(",", "."))
    except ValueError:
        return math.nan
