"""What the sims of Hamlib's servers share: their lines, plain and extended form, and the ways in which they fail.

Written from rotctld(1), rigctld(1) and what 4.5.4 answers. Commands are a letter, or a long name behind a backslash; a
leading `+` asks for the extended form. A wrong command is answered by nothing, as the real ones do. Not here: what the
commands do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.sim import Answer, Feed

FAULTS = (
    FaultKind("mute", "no command is answered"),
    FaultKind("timeouts", "each n-th command is answered with RPRT -5: the device behind it was silent", 2.0, "th"),
    FaultKind("io-error", "the device behind the server is gone: it hangs up without a word"),
    FaultKind("split", "an answer's first line comes alone, and the rest this much later", 0.01, "s"),
)

DONE, INVALID, TIMED_OUT, REJECTED = 0, -1, -5, -9
_LONGEST_LINE = 512

Outcome = tuple[int, Sequence[tuple[str, str]]]
"""The number to report, and the values with what stands before each in the extended form."""


@dataclass(frozen=True, slots=True)
class Act:
    """One command: how many arguments it takes, and what it does with them at a running time."""

    arguments: int
    carry_out: Callable[[list[str], float], Outcome]


class NetServer:
    """A server's dialogue: `letters` are its short commands, `acts` what it does by long name.

    `plain` are the few values that have a name in the plain form, too, by their name in the extended one.
    """

    def __init__(
        self,
        letters: Mapping[str, str],
        acts: Mapping[str, Act],
        faults: Faults,
        plain: Mapping[str, str] | None = None,
    ) -> None:
        self._letters = letters
        self._plain = plain or {}
        self._acts = acts
        self._faults = faults
        self._asked = 0
        self.violations: deque[str] = deque(maxlen=100)

    def attach(self, advance: Callable[[float], None] = lambda _: None) -> Feed:
        """One client's connection, with its own half-read line; `advance` is told the time before its lines."""
        unread = bytearray()

        def feed(data: bytes, at_s: float) -> list[Answer]:
            advance(at_s)
            unread.extend(data)
            answers = []
            while (end := unread.find(b"\n")) >= 0:
                line = unread[:end].decode("ascii", "replace").strip()
                del unread[: end + 1]
                answers += self.answer(line, at_s)
            del unread[:-_LONGEST_LINE]
            return answers

        return feed

    def answer(self, line: str, at_s: float) -> list[Answer]:
        """What one line of a client is answered with."""
        words = line.lstrip("+").split()
        if not words or self._faults.value("mute", at_s) is not None:
            return []
        if words[0] in ("q", "Q", "\\quit") or self._faults.value("io-error", at_s) is not None:
            return [Answer(b"", hang_up=True)]
        name = words[0].removeprefix("\\") if words[0].startswith("\\") else self._letters.get(words[0], "")
        act = self._acts.get(name)
        if act is None or len(words) - 1 != act.arguments:
            self.violations.append(f"{line[:40]!r} is no command")
            return []
        outcome = (TIMED_OUT, []) if self._is_silent(at_s) else act.carry_out(words[1:], at_s)
        return self._worded(" ".join([f"{name}:", *words[1:]]), outcome, at_s, extended=line.startswith("+"))

    def _is_silent(self, at_s: float) -> bool:
        """Whether the device behind the server does not answer this time."""
        self._asked += 1
        every = self._faults.value("timeouts", at_s)
        return every is not None and self._asked % max(1, int(every)) == 0

    def _worded(self, head: str, outcome: Outcome, at_s: float, *, extended: bool) -> list[Answer]:
        report, values = outcome
        if extended:
            lines = [head, *(f"{name}{value}" for name, value in values), f"RPRT {report}"]
        elif values and report == DONE:
            lines = [f"{self._plain.get(name, '')}{value}" for name, value in values]
        else:
            lines = [f"RPRT {report}"]
        data = "".join(f"{line}\n" for line in lines).encode()
        if (later_s := self._faults.value("split", at_s)) is None:
            return [Answer(data)]
        first = data.index(b"\n") + 1
        return [Answer(data[:first]), Answer(data[first:], later_s)]
