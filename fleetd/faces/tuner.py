"""`TunerFace`: what a client of the rigctld port can have done with an antenna's radio: tune it, and set its mode.

It gives way to contacts, which work the radio themselves, and it never transmits: only a contact can, through its gate.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

from fleetd.contact.antenna import Antenna
from fleetd.contact.hold import Hold
from fleetd.contact.radio import Radio
from fleetd.devices import RigMode, Side
from fleetd.errors import Refusal
from fleetd.faces.lines import Outcome, Request

LETTERS: Mapping[str, str] = {
    "F": "set_freq", "f": "get_freq", "M": "set_mode", "m": "get_mode", "V": "set_vfo", "v": "get_vfo",
    "I": "set_split_freq", "i": "get_split_freq", "X": "set_split_mode", "x": "get_split_mode",
    "S": "set_split_vfo", "s": "get_split_vfo", "T": "set_ptt", "t": "get_ptt", "_": "get_info",
    "q": "quit", "Q": "quit", "AOS": "aos", "LOS": "los",
}  # fmt: skip
MOTIONS = ("set_freq", "set_mode", "set_split_freq", "set_split_mode", "set_ptt")
"""The commands that are written down."""

_ARGUMENTS = {
    "set_freq": 1, "set_mode": 2, "set_vfo": 1, "set_split_freq": 1, "set_split_mode": 2, "set_split_vfo": 2,
    "set_ptt": 1,
}  # fmt: skip
_SIDES = {"VFOA": Side.MAIN, "Main": Side.MAIN, "currVFO": Side.MAIN, "VFOB": Side.SUB, "Sub": Side.SUB}
_NAMES = {Side.MAIN: "VFOA", Side.SUB: "VFOB"}
_MODES: Mapping[str, RigMode] = {
    "LSB": "lsb", "USB": "usb", "CW": "cw", "AM": "am", "FM": "fm", "PKTUSB": "usb-data", "PKTFM": "fm-data",
}  # fmt: skip
_WIDTH = "15000"
_RANGES = "100000.000000 10000000000.000000 0x1ff -1 -1 0x77e00007 0xf"
_STATE = (
    "1", "2", "0", _RANGES, "0 0 0 0 0 0 0", _RANGES, "0 0 0 0 0 0 0", "0x1ff 1", "0 0", "0x1ff 15000", "0 0",
    "0", "0", "0", "0", "", "", "0x0", "0x0", "0x0", "0x0", "0x0", "0x0",
    "vfo_ops=0x0", "ptt_type=0x1", "targetable_vfo=0x0", "has_set_vfo=1", "has_get_vfo=1", "has_set_freq=1",
    "has_get_freq=1", "has_set_conf=0", "has_get_conf=0", "timeout=0", "done",
)  # fmt: skip
"""As rigctld 4.5.4 words it: version, model, region, ranges, steps, filters, offsets, levels, then names and values."""

_SAID: Mapping[str, Outcome] = {
    "chk_vfo": Outcome([("ChkVFO: ", "0")], bare=True),
    "dump_state": Outcome([("", line) for line in _STATE]),
    "get_powerstat": Outcome([("Power Status: ", "1")]),
    "get_lock_mode": Outcome([("Locked: ", "0")]),
    "aos": Outcome(),  # gpredict says so where it is set to; a contact is not made of it
    "los": Outcome(),
}
"""What is always answered the same."""


class TunerFace:
    """One client's hand on one radio; `hold` says whose it is, and `who` is this client."""

    letters = LETTERS
    motions = MOTIONS

    def __init__(self, antenna: Antenna, radio: Radio, hold: Hold, who: str) -> None:
        self._antenna = antenna
        self._radio = radio
        self._hold = hold
        self._who = who
        self._side = Side.MAIN
        self._split = False
        self._modes = dict.fromkeys(Side, "FM")
        self._acts: Mapping[str, Callable[[tuple[str, ...]], Awaitable[Outcome]]] = {
            "set_freq": lambda words: self._tune(self._side, words),
            "get_freq": lambda _: self._tuned("Frequency: ", self._side),
            "set_mode": lambda words: self._set_mode(self._side, words),
            "get_mode": lambda _: self._mode(("Mode: ", "Passband: "), self._side),
            "set_split_freq": lambda words: self._tune(self._other, words),
            "get_split_freq": lambda _: self._tuned("TX Frequency: ", self._other),
            "set_split_mode": lambda words: self._set_mode(self._other, words),
            "get_split_mode": lambda _: self._mode(("TX Mode: ", "TX Passband: "), self._other),
            "set_ptt": self._ptt,
        }

    async def obey(self, request: Request) -> Outcome:
        """Do what is asked. Raises Refusal and DeviceError."""
        if request.name in ("aos", "los"):
            return Outcome()  # gpredict says so where it is set to; a contact is not made of it
        if (told := self._told(request)) is not None:
            return told
        act = self._acts.get(request.name)
        if act is None and request.name not in _ARGUMENTS:
            raise Refusal("not-implemented", f"{request.name or 'that command'} is not done here")
        if act is None or len(request.words) != _ARGUMENTS.get(request.name, 0):
            raise Refusal("usage", f"{request.name} with {len(request.words)} arguments is no command")
        return await act(request.words)

    def let_go(self) -> None:
        """The client is gone: what it held is free again."""
        if self._hold.owner == self._who:
            self._hold.free()

    def _told(self, request: Request) -> Outcome | None:
        """The answer to what concerns this client alone; None to what concerns the radio."""
        match request.name, request.words:
            case "get_info", ():
                return Outcome([("Info: ", f"fleetd, radio of {self._antenna.name}")])
            case "get_vfo", ():
                return Outcome([("VFO: ", _NAMES[self._side])])
            case "get_split_vfo", ():
                return Outcome([("Split: ", str(int(self._split))), ("TX VFO: ", _NAMES[self._other])])
            case "get_ptt", ():
                return Outcome([("PTT: ", str(int(self._radio.transmitting)))])
            case "set_vfo", (name,):
                self._side = _side(name)
                return Outcome()
            case "set_split_vfo", (switch, name):
                self._take_split(switch, name)
                return Outcome()
        return None if request.words else _SAID.get(request.name)

    def _take_split(self, switch: str, name: str) -> None:
        """The side that is named transmits, so the other one is worked by the plain commands from now on."""
        self._split = switch == "1"
        if name in _SIDES:
            self._side = Side.SUB if _SIDES[name] is Side.MAIN and self._split else Side.MAIN

    @property
    def _other(self) -> Side:
        return Side.SUB if self._side is Side.MAIN else Side.MAIN

    async def _tune(self, side: Side, words: tuple[str, ...]) -> Outcome:
        self._check()
        await self._radio.tune(side, _hertz(words[0]))
        self._hold.moved(self._who)
        return Outcome()

    async def _tuned(self, name: str, side: Side) -> Outcome:
        return Outcome([(name, str(await self._radio.tuned(side)))])

    async def _set_mode(self, side: Side, words: tuple[str, ...]) -> Outcome:
        self._check()
        if words[0] not in _MODES:
            raise Refusal("usage", f"{words[0][:20]!r} is no mode that is known here")
        await self._radio.set_mode(side, _MODES[words[0]])
        self._modes[side] = words[0]
        self._hold.moved(self._who)
        return Outcome()

    async def _mode(self, names: tuple[str, str], side: Side) -> Outcome:
        """The mode that this client set; no radio is asked for it."""
        return Outcome([(names[0], self._modes[side]), (names[1], _WIDTH)])

    async def _ptt(self, words: tuple[str, ...]) -> Outcome:
        if words[0] == "0" and not self._radio.transmitting:
            return Outcome()
        raise Refusal("transmit", "only a contact transmits, through its own gate, and only it ends that")

    def _check(self) -> None:
        if (contact := self._antenna.hold.contact) is not None:
            raise Refusal("in-use", f"the radio of {self._antenna.name} is worked by {contact}")
        self._hold.check(self._who)


def _side(name: str) -> Side:
    if name not in _SIDES:
        raise Refusal("usage", f"{name[:20]!r} is no VFO that is known here")
    return _SIDES[name]


def _hertz(word: str) -> int:
    """Whole Hz from a word such as 145900000.000000."""
    try:
        hz = float(word)
    except ValueError:
        hz = math.nan
    if not math.isfinite(hz):
        raise Refusal("usage", f"{word[:20]!r} is no frequency in Hz")
    return round(hz)
