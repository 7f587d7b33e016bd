"""The server's side of the protocol of Hamlib's servers: one line to a request, one outcome to its answer. Pure.

Sources: rotctld(1) and rigctld(1), "Protocol"; answers of rotctld and rigctld 4.5.4. A letter or a long name behind a
backslash; `+` before it asks for the extended form, and so does one of `;|,`, which then stands between the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fleetd.errors import Declined, DeviceError, FleetError, Refusal, ReplyTimeout

DONE = 0
INVALID, NOT_IMPLEMENTED, TIMED_OUT, IO_ERROR = -1, -4, -5, -6
REJECTED, BUSY, NO_ACCESS = -9, -14, -19

_SEPARATORS = ";|,"
_OF_RULES = {
    "in-use": BUSY,
    "stopped": BUSY,
    "transmitting": BUSY,
    "usage": INVALID,
    "not-implemented": NOT_IMPLEMENTED,
}
_OUT_OF_REACH = ("not-finite", "azimuth-limits", "elevation-limits", "controller-limits", "rig-limits", "mask")


@dataclass(frozen=True, slots=True)
class Request:
    """One command of a client: its long name ('' for one that nobody knows), its words, and the form of the answer."""

    name: str
    words: tuple[str, ...] = ()
    separator: str = ""
    """What stands between the records of the answer in the extended form; '' for the plain one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to: values, each with what stands before it in the extended form, and a report."""

    values: Sequence[tuple[str, str]] = field(default_factory=tuple)
    report: int = DONE
    bare: bool = False
    """Answered without a report even in the extended form, as chk_vfo alone is."""
    hang_up: bool = False


def parse(line: str, letters: Mapping[str, str]) -> Request:
    """One line of a client; `letters` are the short commands."""
    separator = ""
    if line[:1] == "+":
        separator, line = "\n", line[1:]
    elif line[:1] and line[0] in _SEPARATORS:
        separator, line = line[0], line[1:]
    head, *words = line.replace(",", ".").split() or [""]
    name = head[1:] if head.startswith("\\") else letters.get(head, "")
    return Request(name, tuple(words), separator)


def worded(request: Request, outcome: Outcome) -> bytes:
    """The whole answer, for one write: a client such as gpredict reads once."""
    if outcome.bare:
        form = "{0}{1}\n" if request.separator else "{1}\n"
        return "".join(form.format(*value) for value in outcome.values).encode()
    if request.separator:
        head = " ".join((f"{request.name}:", *request.words))
        records = [head, *(name + value for name, value in outcome.values), f"RPRT {outcome.report}"]
        return (request.separator.join(records) + "\n").encode()
    if outcome.values and outcome.report == DONE:
        return "".join(f"{value}\n" for _, value in outcome.values).encode()
    return f"RPRT {outcome.report}\n".encode()


def report_of(error: FleetError) -> int:
    """Hamlib's number for a refusal or a failure."""
    if isinstance(error, Refusal):
        return INVALID if error.rule in _OUT_OF_REACH else _OF_RULES.get(error.rule, REJECTED)
    if isinstance(error, Declined):
        return REJECTED
    if isinstance(error, ReplyTimeout):
        return TIMED_OUT
    return IO_ERROR if isinstance(error, DeviceError) else REJECTED
