"""The guard's own process: it waits, and when the daemon falls silent or dies it writes what makes its devices safe.

It stands on the standard library alone, does no more than this, and is deaf to the signals that end a daemon: it ends
when the daemon does, after it has acted. Each message is one datagram of JSON; a descriptor comes with the one that
announces it. Not here: what the bytes mean, which the drivers know.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

_MOST_BYTES = 65_536
_WRITE_WITHIN_S = 0.25
_DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT, signal.SIGQUIT)


@dataclass(slots=True)
class Watched:
    """One device: the descriptor of its wire, its last words, when to say them again, and whether it is armed."""

    name: str
    descriptor: int
    data: bytes
    again_after_s: tuple[float, ...]
    armed: bool = False


class Watch:
    """What the guard knows. `daemon` is its end of the line to the daemon, `lease_s` how long that may be silent."""

    def __init__(self, daemon: socket.socket, lease_s: float) -> None:
        self._daemon = daemon
        self._lease_s = lease_s
        self._watched: dict[int, Watched] = {}
        self._heard_at_s = time.monotonic()
        self._again: list[tuple[float, Watched]] = []

    def keep(self) -> None:
        """Return when the daemon is gone and all has been said."""
        poll = select.poll()
        poll.register(self._daemon, select.POLLIN)
        alive = True
        while alive or self._again:
            ready = poll.poll(self._patience_ms(alive))
            if ready and alive:  # what has arrived counts before a silence does: perhaps it is we who were held up
                alive = self._hear()
                if not alive:
                    poll.unregister(self._daemon)
                    self._act("the daemon has ended")
            elif alive and time.monotonic() - self._heard_at_s >= self._lease_s:
                self._act(f"the daemon has been silent for {time.monotonic() - self._heard_at_s:.2f} s")
            self._say_again()

    def _patience_ms(self, alive: bool) -> float:
        due_s = [at_s for at_s, _ in self._again]
        if alive and any(watched.armed for watched in self._watched.values()):
            due_s.append(self._heard_at_s + self._lease_s)
        return max(0.0, (min(due_s) - time.monotonic()) * 1000) + 1 if due_s else 1000.0

    def _hear(self) -> bool:
        """Take one message; returns whether the daemon is still there."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._daemon, _MOST_BYTES, 1)
        except OSError:
            return False
        if not data:
            return False
        self._heard_at_s = time.monotonic()
        self._obey(json.loads(data), descriptors)
        return True

    def _obey(self, message: dict[str, Any], descriptors: list[int]) -> None:
        number = message.get("number", 0)
        match message["do"]:
            case "watch":
                self._forget(number)
                again = tuple(message["again_after_s"])
                self._watched[number] = Watched(
                    message["name"], descriptors[0], bytes.fromhex(message["data"]), again, message["armed"]
                )
            case "arm" if number in self._watched:
                self._watched[number].armed = True
            case "release" if number in self._watched:
                self._watched[number].armed = False
            case "forget":
                self._forget(number)

    def _forget(self, number: int) -> None:
        watched = self._watched.pop(number, None)
        if watched is not None:
            os.close(watched.descriptor)
            self._again = [(at_s, each) for at_s, each in self._again if each is not watched]

    def _act(self, why: str) -> None:
        """Say the last words of all that is armed, at once; once each, until it is armed afresh."""
        now_s = time.monotonic()
        for number, watched in self._watched.items():
            if watched.armed:
                watched.armed = False
                failure = _write(watched.descriptor, watched.data)
                self._again += [(now_s + after_s, watched) for after_s in watched.again_after_s]
                self._tell(number, why, failure)

    def _say_again(self) -> None:
        now_s = time.monotonic()
        due = [watched for at_s, watched in self._again if at_s <= now_s]
        self._again = [(at_s, watched) for at_s, watched in self._again if at_s > now_s]
        for watched in due:
            _write(watched.descriptor, watched.data)

    def _tell(self, number: int, why: str, failure: str) -> None:
        try:
            message = {"number": number, "why": why, "failure": failure}
            self._daemon.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)
        except OSError:
            return  # nobody is left to hear it


def _write(descriptor: int, data: bytes) -> str:
    """Write all of it; returns what went wrong, or ''."""
    end_s = time.monotonic() + _WRITE_WITHIN_S
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return "its line takes no more bytes"
            select.select([], [descriptor], [], left_s)
        except OSError as error:
            return error.strerror or str(error)
    return ""


def main() -> None:
    """`python -m fleetd.guard.process DESCRIPTOR LEASE_S`."""
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as daemon:
        Watch(daemon, float(sys.argv[2])).keep()


if __name__ == "__main__":
    main()
