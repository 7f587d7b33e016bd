"""A tape: one file of JSON lines with all bytes of one link. First what was recorded, then a line a piece.

    {"capture": 1, "at": "2026-11-27T15:00:00Z", "sim": "rotctld", "device": "Hamlib 4.5.4 rotctld -m 1", …}
    {"at": 0.000213, "from": "host", "hex": "700a", "text": "p\\n"}
    {"at": 0.000482, "from": "device", "hex": "302e…", "text": "0.000000\\n0.000000\\n"}

`tapped` records in this process whatever opens links through `Ports`; `record` stands between a foreign program and a
device.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TextIO

from fleetd.clock import Clock
from fleetd.errors import ConfigError
from fleetd.link.ports import OPENERS, Opener
from fleetd.link.url import LinkUrl

Side = Literal["host", "device", "opened"]
_SIDES: Mapping[str, Side] = {"host": "host", "device": "device", "opened": "opened"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that came together, seconds after the beginning; none, from `opened`, where the link was opened."""

    at_s: float
    side: Side
    data: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """One tape, read: what was recorded, and all that was said."""

    head: Mapping[str, Any]
    pieces: list[Piece] = field(default_factory=list)


class Tape:
    """Written line by line, so that whatever happens, what was said is there."""

    def __init__(self, file: TextIO, clock: Clock, head: Mapping[str, Any]) -> None:
        self._file = file
        self._clock = clock
        self._began_s = clock.monotonic()
        self._line({"capture": 1, "at": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}", **head})

    @classmethod
    def new(cls, path: Path, clock: Clock, head: Mapping[str, Any]) -> Self:
        """A fresh one. Raises ConfigError where there is one: a capture is never written over."""
        try:
            return cls(path.open("x", encoding="utf-8", buffering=1), clock, head)
        except FileExistsError:
            raise ConfigError(f"{path} is there already, and no capture is written over; name another") from None
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from None

    def hear(self, side: Side, data: bytes) -> None:
        """One piece went by."""
        line = {"at": round(self._clock.monotonic() - self._began_s, 6), "from": side, "hex": data.hex()}
        if data and all(byte in b"\r\n\t" or 0x20 <= byte < 0x7F for byte in data):
            line["text"] = data.decode("ascii")
        self._line(line)

    def close(self, **last: Any) -> None:
        """The end, with a last word where there is one."""
        if last:
            self._line(last)
        self._file.close()

    def discard(self) -> None:
        """Nothing was ever heard: no file is left."""
        self._file.close()
        Path(self._file.name).unlink()

    def _line(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")


def read_capture(path: Path) -> Capture:
    """Raises ConfigError with file and line of what is no capture."""
    pieces: list[Piece] = []
    head: Mapping[str, Any] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            if number == 1:
                head = line if line.get("capture") == 1 else {}
            elif "from" in line:
                pieces.append(Piece(float(line["at"]), _SIDES[line["from"]], bytes.fromhex(line["hex"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}:{number}: is no line of a capture: {error}") from None
    if not head:
        raise ConfigError(f'{path}:1: is no capture; its first line says {{"capture": 1, …}}')
    return Capture(head, pieces)


def tapped(tape: Tape, openers: Mapping[str, Opener] = OPENERS) -> dict[str, Opener]:
    """Openers for `Ports` of which every link is recorded."""

    def tap(opener: Opener) -> Opener:
        async def opened(url: LinkUrl, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
            made: list[_Tapped] = []

            def make() -> asyncio.Protocol:
                made.append(_Tapped(protocol(), tape))
                return made[-1]

            transport = await opener(url, make)
            return made[-1].transport or transport

        return opened

    return {scheme: tap(opener) for scheme, opener in openers.items()}


class _Tapped(asyncio.Protocol):
    """Between a transport and the protocol that it was opened for."""

    transport: Any = None

    def __init__(self, inner: asyncio.Protocol, tape: Tape) -> None:
        self._inner = inner
        self._tape = tape

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tape.hear("opened", b"")
        self.transport = _Transport(transport, self._tape)
        self._inner.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        self._tape.hear("device", bytes(data))
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class _Transport:
    """A transport that is heard writing; all else is the true one's."""

    def __init__(self, transport: Any, tape: Tape) -> None:
        self._transport = transport
        self._tape = tape

    def write(self, data: bytes) -> None:
        self._tape.hear("host", bytes(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
