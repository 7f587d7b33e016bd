"""What systemd wants to hear (sd_notify(3)): ready, reloading, stopping, and that the watchdog may rest.

Outside a unit of Type=notify there is no socket and every call does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends to the socket in $NOTIFY_SOCKET, a path or an abstract name ('@…'). Never blocks, never fails."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_us = _watchdog_us(environ)

    @property
    def watchdog_s(self) -> float | None:
        """How long systemd waits between signs of life before it kills us; None where nobody waits."""
        return self._watchdog_us / 1e6 if self._watchdog_us else None

    def ready(self, status: str) -> None:
        """Start-up or a reload has ended, and well."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The way out has begun."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The loop turns and every supervised loop has shown life in its time."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(message.encode(), self._address)
            except OSError:
                return  # a supervisor that does not listen must not take the site down


def _watchdog_us(environ: Mapping[str, str]) -> int:
    """WATCHDOG_USEC, if it is meant for this process (WATCHDOG_PID; sd_watchdog_enabled(3))."""
    meant_for = environ.get("WATCHDOG_PID", str(os.getpid()))
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) if text.isdecimal() and meant_for == str(os.getpid()) else 0
