"""The radio's side of Icom's CI-V, as an IC-9700 speaks it.

Written from the IC-9700 CI-V Reference Guide (frames p. 3, command table, formats p. 13) and from what Hamlib 4.5.4
expects of one. Each receiver has two VFOs, of which the commands 25 and 26 reach those of Main alone. The echo of a bus
of one wire is the line's fault `echo`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rig import Receiver, RigModel, Side
from fleetd_hil.sim import Answer, Feed

FAULTS = (
    FaultKind("transceive", "a frame for all, as when the dial is turned, comes unasked before each answer"),
    FaultKind("collision", "each n-th command collides with another talker and is lost in a jam code", 3.0, "th"),
    FaultKind("short-preamble", "answers begin with one FE, not two"),
    FaultKind("refusing", "each n-th command is answered with NG", 2.0, "th"),
    FaultKind("stuck-key", "the transmitter stays on whatever is said"),
)

_PREAMBLE, _END, _OK, _NG = b"\xfe\xfe", 0xFD, b"\xfb", b"\xfa"
_CONTROLLER, _ALL = 0xE0, 0x00
_JAM = bytes((0xFC,) * 5 + (_END,))
_LONGEST = 128
_MODES = {0x00: "LSB", 0x01: "USB", 0x02: "AM", 0x03: "CW", 0x04: "RTTY", 0x05: "FM", 0x07: "CW-R", 0x08: "RTTY-R"}
_NUMBERS = {name: number for number, name in _MODES.items()}
_SIDES: dict[int, Side] = {0xD0: "main", 0xD1: "sub"}


class IcomCivSim:
    """A radio at one CI-V address."""

    def __init__(self, model: RigModel | None = None, address: int = 0xA2) -> None:
        self.name = "icom-civ"
        self.units: tuple[int, ...] = ()
        self.model = model or RigModel()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self.satellite_mode = False
        self.selected: Side = "main"
        self._address = address
        self._split = 0
        self._data: dict[Side, bytes] = {"main": b"\x00\x00", "sub": b"\x00\x00"}
        self._spare: dict[Side, Receiver] = {"main": Receiver(432_000_000), "sub": Receiver(144_500_000)}
        self._second_vfo: dict[Side, bool] = {"main": False, "sub": False}
        self._unread = bytearray()
        self._asked = 0
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            0x03: lambda data: self._frequency(data, self._receiver),
            0x04: lambda data: self._mode(data, self._receiver),
            0x05: lambda data: self._tune(data, self.selected),
            0x06: lambda data: self._set_mode(data, self._receiver),
            0x07: self._select,
            0x0F: self._duplex,
            0x16: self._function,
            0x18: lambda data: _OK if data == b"\x01" else _NG,
            0x19: lambda data: b"\x19\x00" + bytes((self._address,)) if data == b"\x00" else _NG,
            0x1A: self._more,
            0x1C: self._transmit,
            0x25: self._vfo_frequency,
            0x26: self._vfo_mode,
        }

    def attach(self) -> Feed:
        """The port; its half-read frame outlives the computer's opening and closing of it."""
        return self.feed

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        """Take bytes and answer each whole frame that is for this radio, or for all."""
        self._unread += data
        answers = []
        while (end := self._unread.find(_END)) >= 0:
            raw = bytes(self._unread[:end])
            del self._unread[: end + 1]
            start = raw.rfind(_PREAMBLE)
            if start < 0 or len(raw) < start + 5:
                self.violations.append(f"{raw.hex(' ')} is no frame")
                continue
            to, sender, body = raw[start + 2], raw[start + 3], raw[start + 4 :]
            if to in (self._address, _ALL) and sender == _CONTROLLER:
                answers += self._answer(body, at_s)
        del self._unread[:-_LONGEST]
        return answers

    @property
    def _receiver(self) -> Receiver:
        return self.model.side(self.selected)

    def _answer(self, body: bytes, at_s: float) -> list[Answer]:
        self._asked += 1
        if self._each("collision", at_s):
            return [Answer(_JAM)]
        answers = []
        if self.faults.value("transceive", at_s) is not None:
            turned = b"\x00" + _bcd(self.model.main.frequency_hz)
            answers.append(Answer(self._framed(_ALL, turned, at_s)))
        said = _NG if self._each("refusing", at_s) else self._obey(body, at_s)
        return [*answers, Answer(self._framed(_CONTROLLER, said, at_s))]

    def _each(self, fault: str, at_s: float) -> bool:
        every = self.faults.value(fault, at_s)
        return every is not None and self._asked % max(1, int(every)) == 0

    def _framed(self, to: int, body: bytes, at_s: float) -> bytes:
        preamble = _PREAMBLE[:1] if self.faults.value("short-preamble", at_s) is not None else _PREAMBLE
        return preamble + bytes((to, self._address)) + body + bytes((_END,))

    def _obey(self, body: bytes, at_s: float) -> bytes:
        command = self._commands.get(body[0])
        if command is None:
            self.violations.append(f"{body.hex(' ')} is no command that this sim knows")
            return _NG
        said = command(body[1:])
        if self.faults.value("stuck-key", at_s) is not None:
            self.model.keyed = True
        return said

    # Commands

    def _frequency(self, data: bytes, of: Receiver) -> bytes:
        return b"\x03" + _bcd(of.frequency_hz) if not data else _NG

    def _tune(self, data: bytes, side: Side) -> bytes:
        frequency_hz = _unbcd(data)
        return _OK if frequency_hz is not None and self.model.tune(side, frequency_hz) else _NG

    def _mode(self, data: bytes, of: Receiver) -> bytes:
        return bytes((0x04, _NUMBERS[of.mode], 0x01)) if not data else _NG

    def _set_mode(self, data: bytes, of: Receiver) -> bytes:
        if not data or data[0] not in _MODES or len(data) > 2:
            return _NG
        of.mode = _MODES[data[0]]
        return _OK

    def _select(self, data: bytes) -> bytes:
        if data in (b"\x00", b"\x01"):
            self._take_vfo(second=data == b"\x01")
        elif data == b"\xb0":
            self.model.exchange()
        elif data == b"\xd2":
            return b"\x07\xd2" + bytes((self.selected == "sub",))
        elif len(data) == 1 and data[0] in _SIDES:
            self.selected = _SIDES[data[0]]
        else:
            return _NG
        return _OK

    def _take_vfo(self, *, second: bool) -> None:
        """Put VFO A or B of the selected receiver to work."""
        if self._second_vfo[self.selected] is not second:
            self._second_vfo[self.selected] = second
            receiver, spare = self._receiver, self._spare[self.selected]
            self._spare[self.selected] = Receiver(receiver.frequency_hz, receiver.mode)
            receiver.frequency_hz, receiver.mode = spare.frequency_hz, spare.mode

    def _duplex(self, data: bytes) -> bytes:
        if not data:
            return bytes((0x0F, self._split))
        self._split = data[0]
        return _OK

    def _function(self, data: bytes) -> bytes:
        if data == b"\x5a":
            return bytes((0x16, 0x5A, self.satellite_mode))
        if data in (b"\x5a\x00", b"\x5a\x01"):
            self.satellite_mode = data[1] == 1
            return _OK
        return _NG

    def _more(self, data: bytes) -> bytes:
        if data == b"\x03":
            return b"\x1a\x03\x10"  # the filter's width, by its number
        if data[:1] == b"\x06" and len(data) in (1, 3):
            if len(data) == 1:
                return b"\x1a\x06" + self._data[self.selected]
            self._data[self.selected] = data[1:]
            return _OK
        if data == b"\x07\x01":  # as an IC-910 has it
            self.satellite_mode = True
            return _OK
        return _NG

    def _transmit(self, data: bytes) -> bytes:
        if data == b"\x00":
            return bytes((0x1C, 0x00, self.model.keyed))
        if data in (b"\x00\x00", b"\x00\x01"):
            self.model.key(data[1] == 1)
            return _OK
        return _NG

    def _vfo_frequency(self, data: bytes) -> bytes:
        """Main's VFO in use (00) or the other (01)."""
        if data[:1] not in (b"\x00", b"\x01"):
            return _NG
        if len(data) == 1:
            return b"\x25" + data + _bcd(self._vfo(data[0]).frequency_hz)
        if data[0] == 0:
            return self._tune(data[1:], "main")
        frequency_hz = _unbcd(data[1:])
        if frequency_hz is None:
            return _NG
        self._spare["main"].frequency_hz = frequency_hz
        return _OK

    def _vfo_mode(self, data: bytes) -> bytes:
        if data[:1] not in (b"\x00", b"\x01"):
            return _NG
        if len(data) == 1:
            return b"\x26" + data + bytes((_NUMBERS[self._vfo(data[0]).mode],)) + self._data["main"][:1] + b"\x01"
        return self._set_mode(data[1:2], self._vfo(data[0]))

    def _vfo(self, number: int) -> Receiver:
        return self._spare["main"] if number else self.model.main


def _bcd(frequency_hz: int) -> bytes:
    return bytes.fromhex(f"{frequency_hz:010d}")[::-1]


def _unbcd(data: bytes) -> int | None:
    digits = data[::-1].hex()
    return int(digits) if len(data) == 5 and digits.isdecimal() else None
