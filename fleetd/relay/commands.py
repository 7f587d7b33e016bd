"""Commands as they come in over MQTT: bounded, checked JSON into a `Command`, or a refusal that says what is wrong.

    fleetd/<site>/<device>/command   {"id", "action", "args"?, "issuer"?, "issued_at"?, "expires_at"? | "expires_in_s"?}

Whether the device exists, may do this, or has done it already is not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from fleetd.errors import Refusal
from fleetd.records import Command, Value

MOST_BYTES = 64 * 1024
DEFAULT_LIFE_S = 30.0
_MOST_ARGUMENTS = 64
_DEVICE = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")  # as `fleetd.settings.Name`

_Word = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
_LifeS = Annotated[float, Meta(gt=0, le=86_400)]
_When = Annotated[datetime, Meta(tz=True)]


class UnreadableCommand(Refusal):
    """What came in is no command. `id`, `device` and `action` are what could be read of it, else empty."""

    def __init__(self, rule: str, reason: str, *, device: str = "", id: str = "", action: str = "") -> None:  # noqa: A002
        super().__init__(rule, reason)
        self.device = device
        self.id = id
        self.action = action


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    id: _Word
    action: _Word
    args: Annotated[dict[str, Value], Meta(max_length=_MOST_ARGUMENTS)] = {}
    issuer: _Word = "mqtt"
    issued_at: _When | None = None
    expires_at: _When | None = None
    expires_in_s: _LifeS | None = None


class _Glimpse(msgspec.Struct):
    """As much as identifies a command that is otherwise wrong."""

    id: _Word
    action: str = ""


_wanted = msgspec.json.Decoder(_Wanted)
_glimpse = msgspec.json.Decoder(_Glimpse)


def read_command(topic: str, payload: bytes, *, retained: bool, now: datetime, size: int | None = None) -> Command:
    """The command in one MQTT message. Raises UnreadableCommand.

    `size` is the payload's whole length, where only its beginning is here.

    Without `expires_at` a command lives for `expires_in_s` (default 30 s) from `issued_at`, or else from now.
    """
    device = topic.split("/")[-2]
    if _DEVICE.fullmatch(device) is None:
        raise UnreadableCommand("bad-device", f"{device[:64]!r} is no device name")
    size = len(payload) if size is None else size
    if size > MOST_BYTES:
        reason = f"a command of {size} bytes is above the limit of {MOST_BYTES}"
        raise UnreadableCommand("too-large", reason, device=device)
    try:
        wanted = _wanted.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable("bad-command", f"no command: {error}", device, payload) from None
    if retained:
        raise _unreadable("retained", "a command must not be retained: it would come again and again", device, payload)
    if wanted.expires_at is not None and wanted.expires_in_s is not None:
        raise _unreadable("bad-command", "give expires_at or expires_in_s, not both", device, payload)
    return _command(wanted, device, now)


def _command(wanted: _Wanted, device: str, now: datetime) -> Command:
    issued_at = (wanted.issued_at or now).astimezone(UTC)
    expires_at = wanted.expires_at
    if expires_at is None:
        expires_at = issued_at + timedelta(seconds=wanted.expires_in_s or DEFAULT_LIFE_S)
    args: Mapping[str, Value] = wanted.args
    return Command(
        id=wanted.id,
        device=device,
        action=wanted.action,
        args=args,
        issuer=wanted.issuer,
        issued_at=issued_at,
        expires_at=expires_at.astimezone(UTC),
    )


def _unreadable(rule: str, reason: str, device: str, payload: bytes) -> UnreadableCommand:
    try:
        seen = _glimpse.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return UnreadableCommand(rule, reason, device=device)
    return UnreadableCommand(rule, reason, device=device, id=seen.id, action=seen.action[:64])
