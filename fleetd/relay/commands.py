"""Commands as they come in over MQTT: bounded, checked JSON into a `Command`, or a refusal that says what is wrong.

    fleetd/<site>/<device>/command   {"id", "action", "args"?, "issuer"?, "issued_at"?, "expires_at"? | "expires_in_s"?}

or the same, with "site", "device", "counter" and "issued_at", signed (`signed`). Whether the device exists, may do
this, or has done it already is not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from fleetd.access.matrix import STOP
from fleetd.access.signature import read_token
from fleetd.errors import Refusal
from fleetd.records import Command, Value
from fleetd.store.counters import HIGHEST

MOST_BYTES = 64 * 1024
DEFAULT_LIFE_S = 30.0
UNSIGNED = "mqtt"
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
    issuer: _Word = UNSIGNED
    issued_at: _When | None = None
    expires_at: _When | None = None
    expires_in_s: _LifeS | None = None


W = TypeVar("W", bound=_Wanted)


class _Signed(_Wanted, kw_only=True):
    """What a signature covers: the command, where it is for, and a number that rises from one to the next."""

    site: str
    device: str
    counter: Annotated[int, Meta(ge=0, le=HIGHEST)]


class SignedWish(NamedTuple):
    """A signed command as it stands there, still to be believed."""

    command: Command
    site: str
    device: str
    counter: int


class _Glimpse(msgspec.Struct):
    """As much as identifies a command that is otherwise wrong."""

    id: _Word
    action: str = ""


_wanted = msgspec.json.Decoder(_Wanted)
_signed = msgspec.json.Decoder(_Signed)
_glimpse = msgspec.json.Decoder(_Glimpse)


def read_command(topic: str, payload: bytes, *, retained: bool, now: datetime, size: int | None = None) -> Command:
    """The command in one MQTT message. Raises UnreadableCommand.

    `size` is the payload's whole length, where only its beginning is here.

    Without `expires_at` a command lives for `expires_in_s` (default 30 s) from `issued_at`, or else from now.
    """
    device = device_of(topic)
    check_size(device, len(payload) if size is None else size)
    wanted = _decoded(_wanted, payload, device, retained=retained)
    return _command(wanted, device, now, said_by(wanted.issuer))


def read_signed(topic: str, payload: bytes, *, retained: bool, now: datetime) -> SignedWish:
    """The command that a signature covers; its issuer is still empty. Raises UnreadableCommand."""
    device = device_of(topic)
    wanted = _decoded(_signed, payload, device, retained=retained)
    if wanted.issued_at is None:
        raise _unreadable("bad-command", "a signed command says when it was issued_at", device, payload)
    return SignedWish(_command(wanted, device, now, ""), wanted.site, wanted.device, wanted.counter)


def read_stop(topic: str, token: bytes, *, retained: bool, now: datetime) -> Command | None:
    """The stop in a signed command whose signature does not count; None if it is no stop. It goes out all the same."""
    try:
        command = read_signed(topic, read_token(token).payload, retained=retained, now=now).command
    except Refusal:
        return None
    return msgspec.structs.replace(command, issuer=UNSIGNED) if command.action == STOP else None


def device_of(topic: str) -> str:
    """The device, or group of them, that a command's topic names. Raises UnreadableCommand."""
    device = topic.split("/")[-2]
    if _DEVICE.fullmatch(device) is None:
        raise UnreadableCommand("bad-device", f"{device[:64]!r} is no device name")
    return device


def check_size(device: str, size: int) -> None:
    """Raises UnreadableCommand for what is too large to be looked at."""
    if size > MOST_BYTES:
        reason = f"a command of {size} bytes is above the limit of {MOST_BYTES}"
        raise UnreadableCommand("too-large", reason, device=device)


def said_by(claimed: str) -> str:
    """The issuer of a command that nobody has signed: `mqtt`, and whom it claims to come from, if anybody."""
    return UNSIGNED if claimed == UNSIGNED else f"{UNSIGNED}:{claimed}"


def _decoded(decoder: msgspec.json.Decoder[W], payload: bytes, device: str, *, retained: bool) -> W:
    try:
        wanted = decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable("bad-command", f"no command: {error}", device, payload) from None
    if retained:
        raise _unreadable("retained", "a command must not be retained: it would come again and again", device, payload)
    if wanted.expires_at is not None and wanted.expires_in_s is not None:
        raise _unreadable("bad-command", "give expires_at or expires_in_s, not both", device, payload)
    return wanted


def _command(wanted: _Wanted, device: str, now: datetime, issuer: str) -> Command:
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
        issuer=issuer,
        issued_at=issued_at,
        expires_at=expires_at.astimezone(UTC),
    )


def _unreadable(rule: str, reason: str, device: str, payload: bytes) -> UnreadableCommand:
    try:
        seen = _glimpse.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return UnreadableCommand(rule, reason, device=device)
    return UnreadableCommand(rule, reason, device=device, id=seen.id, action=seen.action[:64])


def command_schema() -> dict[str, Any]:
    """The JSON Schema of a command as it comes in."""
    return msgspec.json.schema(_Wanted)
