"""`Pulse`: when a silent line is tested with a ping, and when it is given up.

A broker that owes us answers and says nothing is asked soon, for one that lives answers a ping at once, however busy
its disk is. A line on which even that fails has lost its network; TCP would try again in ever longer pauses, and a new
connection is there sooner once the network is.
"""

from __future__ import annotations

from enum import Enum, auto

_ASK_AFTER_S = 1.5


class Verdict(Enum):
    """What is to be done about the line."""

    FINE = auto()
    PING = auto()
    GONE = auto()


class Pulse:
    """The silence of one line. Told the time, it needs no clock."""

    def __init__(self, keepalive_s: float, now_s: float) -> None:
        self._idle_s = keepalive_s / 2
        self._heard_s = self._owing_s = now_s
        self._asked_s: float | None = None

    def look(self, now_s: float, patience_s: float, *, heard: bool, owed: bool) -> Verdict:
        """Judge: `heard` if anything has come in since the last look, `owed` if an answer is due; a ping is waited for
        as long as `patience_s`.
        """
        if heard:
            self._heard_s, self._asked_s = now_s, None
        if heard or not owed:
            self._owing_s = now_s
        if self._asked_s is not None:
            return Verdict.GONE if now_s - self._asked_s > patience_s else Verdict.FINE
        if now_s - self._owing_s > _ASK_AFTER_S or now_s - self._heard_s > self._idle_s:
            self._asked_s = now_s
            return Verdict.PING
        return Verdict.FINE
