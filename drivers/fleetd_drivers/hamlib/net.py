"""The client's side of the protocol of Hamlib's servers in its extended form: lines and values, nothing else.

Sources: rotctld(1) and rigctld(1), "Protocol", and answers of rotctld and rigctld 4.5.4 (Debian). Only the extended
form, asked for by a `+`, ends every answer with `RPRT`, and repeats in its first line what was asked: so an answer that
belongs to another question is told from this one's. Commands are written by their long names; numbers have a point,
whatever the locale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

ERRORS: Mapping[int, str] = {
    1: "an invalid parameter, or a value beyond the device's limits",
    2: "an invalid configuration",
    3: "too little memory",
    4: "a feature that is not implemented",
    5: "a device that did not answer it in time",
    6: "an input or output error",
    7: "an internal error",
    8: "a device that breaks its protocol",
    9: "a device that rejects the command",
    10: "an argument that was cut short",
    11: "a feature that is not available",
    12: "a target that cannot be addressed",
    13: "an error on its bus",
    14: "a collision on its bus",
    15: "an invalid pointer",
    16: "an invalid target",
    17: "an argument out of its domain",
    18: "a function that is deprecated",
    19: "a security error",
    20: "a device without power",
    21: "a limit that is exceeded",
    22: "a lack of access",
}
"""What the numbers after `RPRT -` mean; from Hamlib's rig.h."""

_MOST_LINE = 512


def ask(command: str, *arguments: str) -> bytes:
    """One command with its arguments, asking for an answer in the extended form."""
    return " ".join((f"+\\{command}", *arguments)).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: the command that it repeats ('' if none), its lines in between, and the number of its report."""

    command: str
    lines: tuple[str, ...]
    report: int

    def text(self, name: str) -> str | None:
        """The value of a line `name: value` or `name=value`, None if there is none."""
        for line in self.lines:
            key, _, value = line.replace("=", ":", 1).partition(":")
            if key.strip() == name:
                return value.strip()
        return None

    def number(self, name: str) -> float | None:
        """The same as a number, None if it is none; a decimal comma will do."""
        try:
            return float((self.text(name) or "").replace(",", "."))
        except ValueError:
            return None


class Decoder:
    """Fed the bytes of one exchange, yields the answers that have become whole; `commands` are those it may hear of."""

    def __init__(self, commands: Iterable[str]) -> None:
        self._head = re.compile(rf"({'|'.join(commands)}):")  # anywhere in a line: noise may stand before it
        self._unread = bytearray()
        self._lines: list[str] = []

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Take what arrived. Raises ValueError for a line without end."""
        self._unread += data
        while (end := self._unread.find(b"\n")) >= 0:
            line = self._unread[:end].decode("ascii", "replace").strip()
            del self._unread[: end + 1]
            if (answer := self._line(line)) is not None:
                yield answer
        if len(self._unread) > _MOST_LINE:
            raise ValueError(f"a line of more than {_MOST_LINE} bytes")

    def _line(self, line: str) -> Answer | None:
        if not line.startswith("RPRT "):
            self._lines.append(line)
            return None
        lines, self._lines = self._lines, []
        # The repeated command is the last line that has its form: what stands before it belongs to nobody.
        heads = [at for at, each in enumerate(lines) if self._command(each)]
        report = line.removeprefix("RPRT ").strip()
        if not report.lstrip("-").isdecimal():
            raise ValueError(f"{line!r} is no report")
        first = heads[-1] if heads else len(lines)
        return Answer(self._command(lines[first]) if heads else "", tuple(lines[first + 1 :]), int(report))

    def _command(self, line: str) -> str:
        """The command that a line repeats, as in `get_pos:` and `set_pos: 90 45`; '' if it is a value, or text."""
        found = self._head.search(line)
        return found[1] if found else ""
