"""What an answer is made of: what must be the same, and numbers that live. A sim is held to a device by its shapes.

A position that was 12.0 when it was recorded may be 12.3 now; where it stands, with how many decimals, and all about
it may not change. What its numbers look like is each wire's own business, and stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fleetd_hil.sims.framing import crc16


@dataclass(frozen=True, slots=True)
class Number:
    """A value in an answer, and how it is written: 3 digits always, or 6 behind the point."""

    value: float
    form: str = ""


Part = bytes | Number
Shape = Callable[[bytes], list[Part]]

_NUMBER = re.compile(rb"[-+]?\d+(\.\d+)?")


def text(answer: bytes) -> list[Part]:
    """Words and numbers in ASCII."""
    parts: list[Part] = []
    at = 0
    for match in _NUMBER.finditer(answer):
        parts += [answer[at : match.start()], Number(float(match[0]), _written(match[0]))]
        at = match.end()
    return [*parts, answer[at:]]


def _written(digits: bytes) -> str:
    whole, point, decimals = digits.lstrip(b"+-").partition(b".")
    padded = len(whole) if whole.startswith(b"0") and len(whole) > 1 else 0
    before = f"in {padded} digits " if padded else ""
    return f"{before}with {len(decimals)} decimals" if point else f"{before}as a whole number"


def plain(answer: bytes) -> list[Part]:
    """Nothing in it lives."""
    return [answer]


def spid(answer: bytes) -> list[Part]:
    """Rot1Prog's five bytes and Rot2Prog's twelve, as spid.txt of Hamlib describes them."""
    match len(answer):
        case 5:
            return [answer[:1], Number(_hundreds(answer[1:4]) - 360), answer[4:]]
        case 12:
            azimuth, elevation = _hundreds(answer[1:5]) - 360, _hundreds(answer[6:10]) - 360
            return [answer[:1], Number(azimuth), answer[5:6], Number(elevation), answer[10:]]
        case _:
            return [answer]


def _hundreds(digits: bytes) -> float:
    return float(sum(digit * 100 / 10**place for place, digit in enumerate(digits)))


def civ(answer: bytes) -> list[Part]:
    """CI-V frames; the BCD of a frequency, commands 03 and 25, lives."""
    parts: list[Part] = []
    for frame in re.findall(rb"\xfe\xfe[^\xfd]*\xfd", answer, re.DOTALL):
        start = {0x03: 5, 0x25: 6}.get(frame[4], 0) if len(frame) > 5 else 0
        digits = frame[start:-1] if start else b""
        if len(digits) == 5:
            hertz = float("".join(f"{byte:02x}" for byte in reversed(digits)))
            parts += [frame[:start], Number(hertz), b"\xfd"]
        else:
            parts.append(frame)
    return parts or [answer]


def modbus_rtu(answer: bytes) -> list[Part]:
    """Unit, function, count, then registers; the checksum must be right, and is no part."""
    if len(answer) < 4 or crc16(answer[:-2]) != int.from_bytes(answer[-2:], "little"):
        return [answer]
    return list(_pdu(answer[:-2]))


def modbus_tcp(answer: bytes) -> list[Part]:
    """The same behind a header whose transaction number is whoever asked's."""
    return list(_pdu(answer[6:])) if len(answer) > 8 else [answer]


def _pdu(answer: bytes) -> Iterator[Part]:
    if answer[1] not in (3, 4) or len(answer) < 3 or answer[2] != len(answer) - 3:
        yield answer
        return
    yield answer[:3]
    for at in range(3, len(answer) - 1, 2):
        yield Number(int.from_bytes(answer[at : at + 2], "big"))


def shape_of(sim: str, scheme: str) -> Shape:
    """How the answers of a sim are to be read."""
    if scheme == "modbus+tcp":
        return modbus_tcp
    if scheme.startswith("modbus+"):
        return modbus_rtu
    return _SHAPES.get(sim, text)


_SHAPES: Mapping[str, Shape] = {
    "spid-rot1": spid,
    "spid-rot2": spid,
    "spid-md01": spid,
    "icom-civ": civ,
    "kiss": plain,
}


def difference(theirs: bytes, ours: bytes, shape: Shape, within: float) -> str:
    """How our answer is not like theirs; '' if it is, each number within so much of theirs."""
    if bool(theirs) != bool(ours):
        return "the device answered, the sim does not" if theirs else "the device was silent, the sim answers"
    wanted, found = shape(theirs), shape(ours)
    if len(wanted) != len(found):
        return "it is not made of the same parts"
    for part, mine in zip(wanted, found, strict=True):
        if wrong := _unlike(part, mine, within):
            return wrong
    return ""


def _unlike(part: Part, mine: Part, within: float) -> str:
    if isinstance(part, Number) and isinstance(mine, Number):
        if part.form != mine.form:
            return f"{part.value:g} is written {part.form}, and {mine.value:g} {mine.form}"
        if abs(part.value - mine.value) > within:
            return f"{mine.value:g} is not within {within:g} of {part.value:g}"
        return ""
    return "" if part == mine else f"{mine!r} is not {part!r}"
