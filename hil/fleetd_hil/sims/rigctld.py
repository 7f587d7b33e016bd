"""The server's side of Hamlib's `rigctld`, one radio behind it; rigctld(1) and what rigctld 4.5.4 answers.

In VFO mode each command that concerns a VFO names it first; without it, the second receiver is reached as the transmit
half of a split.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fleetd_hil.faults import Faults
from fleetd_hil.models.rig import RigModel, Side
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.sims import hamlib
from fleetd_hil.sims.hamlib import DONE, INVALID, REJECTED, Act, NetServer, Outcome

FAULTS = hamlib.FAULTS

_LETTERS = {
    "F": "set_freq", "f": "get_freq", "M": "set_mode", "m": "get_mode", "V": "set_vfo", "v": "get_vfo",
    "I": "set_split_freq", "i": "get_split_freq", "X": "set_split_mode", "x": "get_split_mode",
    "S": "set_split_vfo", "s": "get_split_vfo", "T": "set_ptt", "t": "get_ptt", "_": "get_info",
}  # fmt: skip
_VFOS: dict[str, Side] = {
    "Main": "main", "VFOA": "main", "currVFO": "main", "Sub": "sub", "VFOB": "sub",
}  # fmt: skip
_MODES = ("LSB", "USB", "CW", "AM", "FM", "PKTUSB", "PKTFM")


class RigctldSim:
    """A server over a radio model; `vfo_mode` as if it had been begun with -o."""

    def __init__(self, model: RigModel | None = None, *, vfo_mode: bool = True) -> None:
        self.name = "rigctld"
        self.units: tuple[int, ...] = ()
        self.model = model or RigModel()
        self.faults = Faults(FAULTS)
        self._vfo_mode = vfo_mode
        self._split = False
        named = int(vfo_mode)
        acts = {
            "set_freq": Act(1 + named, self._on_side(self._tune)),
            "get_freq": Act(named, self._on_side(self._frequency)),
            "set_mode": Act(2 + named, self._on_side(self._set_mode)),
            "get_mode": Act(named, self._on_side(self._mode)),
            "set_ptt": Act(1 + named, self._on_side(self._key)),
            "get_ptt": Act(named, self._on_side(self._keyed)),
            "set_split_vfo": Act(2 + named, self._set_split),
            "set_split_freq": Act(1 + named, self._on_sub(self._tune)),
            "get_split_freq": Act(named, self._on_sub(self._frequency)),
            "set_split_mode": Act(2 + named, self._on_sub(self._set_mode)),
            "get_info": Act(0, lambda _, __: (DONE, [("Info: ", "Simulated radio")])),
        }
        self._server = NetServer(_LETTERS, acts, self.faults)

    @property
    def violations(self) -> deque[str]:
        """What no well-behaved client would have sent."""
        return self._server.violations

    def attach(self) -> Feed:
        """One client's connection; whether VFO mode is on is answered without any report."""
        feed = self._server.attach()

        def hear(data: bytes, at_s: float) -> list[Answer]:
            if data.strip().lstrip(b"+") == b"\\chk_vfo" and self.faults.value("mute", at_s) is None:
                name = "ChkVFO: " if data.startswith(b"+") else ""
                return [Answer(f"{name}{int(self._vfo_mode)}\n".encode())]
            return list(feed(data, at_s))

        return hear

    def _on_side(self, act: Callable[[Side, list[str]], Outcome]) -> Callable[[list[str], float], Outcome]:
        def carry_out(words: list[str], _at_s: float) -> Outcome:
            if not self._vfo_mode:
                return act("main", words)
            side = _VFOS.get(words[0])
            # The real one takes the present VFO where it does not know the name, and reports success.
            return (INVALID, []) if side is None else act(side, words[1:])

        return carry_out

    def _on_sub(self, act: Callable[[Side, list[str]], Outcome]) -> Callable[[list[str], float], Outcome]:
        def carry_out(words: list[str], _at_s: float) -> Outcome:
            if not self._split:
                self._server.violations.append("the transmit half of a split is worked, and split is off")
                return REJECTED, []
            return act("sub", words[int(self._vfo_mode) :])

        return carry_out

    def _tune(self, side: Side, words: list[str]) -> Outcome:
        if not words[0].isdecimal():
            self._server.violations.append(f"{words[0]} is no frequency in whole Hz")  # the real one takes it, nan too
            return INVALID, []
        return (DONE if self.model.tune(side, int(words[0])) else REJECTED), []

    def _frequency(self, side: Side, _words: list[str]) -> Outcome:
        name = "Frequency: " if side == "main" or self._vfo_mode else "TX Frequency: "
        return DONE, [(name, str(self.model.side(side).frequency_hz))]

    def _set_mode(self, side: Side, words: list[str]) -> Outcome:
        if words[0] not in _MODES:
            self._server.violations.append(f"{words[0]} is no mode")  # the real one reports success
            return INVALID, []
        self.model.side(side).mode = words[0]
        return DONE, []

    def _mode(self, side: Side, _words: list[str]) -> Outcome:
        return DONE, [("Mode: ", self.model.side(side).mode), ("Passband: ", "15000")]

    def _key(self, _side: Side, words: list[str]) -> Outcome:
        if words[0] not in ("0", "1", "2", "3"):
            return INVALID, []
        self.model.key(words[0] != "0")
        return DONE, []

    def _keyed(self, _side: Side, _words: list[str]) -> Outcome:
        return DONE, [("PTT: ", str(int(self.model.keyed)))]

    def _set_split(self, words: list[str], _at_s: float) -> Outcome:
        self._split = words[int(self._vfo_mode)] == "1"
        return DONE, []
