"""The error tree: everything that may go wrong and is not a bug.

    FleetError
    ├── ConfigError      a file that people write is wrong      site.yaml:8:13: devices.1.link: unknown scheme 'usb'
    ├── ElementsError    an element set cannot be used          candy-tin.tle:2: checksum is 4, the digits give 7
    ├── Refusal          fleetd itself says no, and by which rule     elevation 95.0 is above the limit of 90.0
    ├── FrameError       bytes off the air break their format     the packet is cut: 40 of 52 bytes are there
    ├── StoreError       the store cannot be opened or written  /var/lib/fleetd is in use by pid 812
    └── DeviceError      one device did not do what was asked
        ├── LinkLost     its byte stream is gone or cannot be opened
        ├── ReplyTimeout no (whole) answer within the deadline; also a TimeoutError
        ├── Quarantined  silent so often that its shared line is kept for the others for now; nothing was sent
        ├── BadReply     an answer that the wire does not allow
        └── Declined     a well-formed answer that says no, such as a Modbus exception or "?>"

Each message is one sentence that an operator can act on. A device error knows the device's name, what was asked and
what came back; whoever knows the name adds it with `named`. Anything else that escapes is a bug and ends the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self


class FleetError(Exception):
    """Root of all expected failures; `str(error)` is one line for people."""


class ConfigError(FleetError):
    """A site file, overlay or register map is wrong. `problems` holds one line for each fault found."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ElementsError(FleetError):
    """An element set is malformed, damaged or impossible; the message begins with `file:line:`."""


class Refusal(FleetError):
    """fleetd refuses an act before it reaches any wire; `rule` is a stable word for programs."""

    def __init__(self, rule: str, reason: str) -> None:
        self.rule = rule
        self.reason = reason
        super().__init__(reason)


class FrameError(FleetError):
    """A frame or packet breaks its format: nothing in it is believed. `rule` is a stable word for counters."""

    def __init__(self, rule: str, reason: str) -> None:
        self.rule = rule
        self.reason = reason
        super().__init__(reason)


class StoreError(FleetError):
    """The store cannot be opened, is owned by another daemon, or does not take writes."""


class DeviceError(FleetError):
    """One device failed at one question; its supervised loop reconnects, its siblings go on.

    `device` is its configured name ('' below the supervisor, which fills it in), `asked` and `answered` are what
    went over the wire in words or hexadecimal, where there was such an exchange.
    """

    def __init__(self, reason: str, *, device: str = "", asked: str = "", answered: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.device = device
        self.asked = asked
        self.answered = answered

    def named(self, device: str) -> Self:
        """Put the device's name in, unless one is there already; returns self for `raise error.named(…)`."""
        self.device = self.device or device
        return self

    def __str__(self) -> str:
        parts = [f"{self.device}: {self.reason}" if self.device else self.reason]
        if self.asked:
            parts.append(f"asked {self.asked}")
        if self.answered:
            parts.append(f"got {self.answered}")
        return ", ".join(parts)


class LinkLost(DeviceError):
    """The byte stream under a device is gone: unplugged, reset, refused, or never there."""


class ReplyTimeout(DeviceError, TimeoutError):
    """No complete answer came within the deadline."""


class Quarantined(DeviceError):
    """The device has been silent so often that its line is kept for the others now; nothing was sent."""


class BadReply(DeviceError):
    """The answer breaks the rules of the wire: wrong length, checksum, unit, function or range."""


class Declined(DeviceError):
    """The device answered, in good form, that it will not; `code` is its own number for why, where it has one."""

    def __init__(self, reason: str, *, code: int | None = None, asked: str = "", answered: str = "") -> None:
        super().__init__(reason, asked=asked, answered=answered)
        self.code = code
