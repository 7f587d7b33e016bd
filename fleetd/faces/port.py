"""`serve_faces`: the TCP ports themselves. Clients come and go, lines are read, answers written each in one piece.

Whoever must give a token gives it in the first line; until then nothing else is done. What moves or tunes anything is
written down in the audit chain with what came of it; of a row of refusals for one reason, the first.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from fleetd.contact.antenna import Antenna
from fleetd.contact.hold import Hold
from fleetd.contact.radio import Radio
from fleetd.errors import ConfigError, DeviceError, FleetError, Refusal, StoreError
from fleetd.faces.axis import AxisFace
from fleetd.faces.lines import NO_ACCESS, Outcome, Request, parse, report_of, worded
from fleetd.faces.settings import FaceSettings
from fleetd.faces.tuner import TunerFace
from fleetd.store.audit import Audit

log = structlog.get_logger(__name__)

_LONGEST_LINE = 512
_MOST_CLIENTS = 8


class Face(Protocol):
    """What a client works through a port."""

    @property
    def letters(self) -> Mapping[str, str]:
        """The short commands."""
        ...

    @property
    def motions(self) -> Sequence[str]:
        """The commands that are written down."""
        ...

    async def obey(self, request: Request) -> Outcome:
        """Do what is asked. Raises Refusal and DeviceError."""
        ...

    def let_go(self) -> None:
        """The client is gone: what it held is free again."""
        ...


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the ports: antennas and radios by the antenna's name, and where acts are written down."""

    antennas: Mapping[str, Antenna]
    radios: Mapping[str, Radio]
    audit: Audit


@dataclass(slots=True)
class Port:
    """One listening port: what it opens for a client of this name, and the token that a client must give."""

    settings: FaceSettings
    face: Callable[[str], Face]
    audit: Audit
    token: str | None
    clients: set[str] = field(default_factory=set)

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves, says what no client says, or the daemon ends."""
        peer = writer.get_extra_info("peername")
        who = f"{self.settings.speaks}:{peer[0]}:{peer[1]}" if peer else self.settings.speaks
        try:
            if len(self.clients) >= _MOST_CLIENTS:
                log.warning("a client is turned away", port=self.settings.port, who=who, clients=len(self.clients))
                return
            self.clients.add(who)
            await _Visit(self, who, self.face(who)).converse(reader, writer)
        except (ConnectionError, asyncio.LimitOverrunError, ValueError) as error:
            log.info("a client is dropped", who=who, reason=str(error))
        finally:
            self.clients.discard(who)
            writer.close()


@dataclass(slots=True)
class _Visit:
    """One client's conversation."""

    port: Port
    who: str
    face: Face
    _known: bool = False
    _refused: str = ""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._known = self.port.token is None
        try:
            while line := await reader.readline():
                text = line.decode("ascii", "replace").strip()
                if not text or text.startswith("#"):
                    continue
                request = parse(text, self.face.letters)
                outcome = await self._outcome(request)
                writer.write(worded(request, outcome))
                await writer.drain()
                if outcome.hang_up:
                    return
        finally:
            self.face.let_go()

    async def _outcome(self, request: Request) -> Outcome:
        if request.name == "quit":
            return Outcome(hang_up=True)
        if request.name == "password":
            return await self._enter(request.words)
        if not self._known:
            return Outcome(report=NO_ACCESS)
        try:
            outcome = await self.face.obey(request)
        except (Refusal, DeviceError) as error:
            await self._failed(request, error)
            return Outcome(report=report_of(error))
        if request.name in self.face.motions:
            self._refused = ""
            await self._write_down(request, "accepted")
        return outcome

    async def _enter(self, words: tuple[str, ...]) -> Outcome:
        given, token = " ".join(words), self.port.token
        if token is None or hmac.compare_digest(given.encode(), token.encode()):
            self._known = True
            return Outcome()
        log.warning("a client gave a wrong token", who=self.who)
        await self._write_down(Request("password"), "refused: wrong token")
        return Outcome(report=NO_ACCESS, hang_up=True)

    async def _failed(self, request: Request, error: FleetError) -> None:
        """Tell of it, and write it down, once in a row of the same."""
        rule = error.rule if isinstance(error, Refusal) else type(error).__name__
        if rule == self._refused:
            return
        self._refused = rule
        log.warning("a client is refused", who=self.who, asked=request.name, rule=rule, reason=str(error))
        if request.name in self.face.motions:
            await self._write_down(request, f"refused: {rule}", str(error))

    async def _write_down(self, request: Request, outcome: str, detail: str = "") -> None:
        act = " ".join((request.name, *request.words)) if request.name != "password" else request.name
        try:
            await self.port.audit.append(self.who, f"{self.port.settings.antenna}: {act[:120]}", outcome, detail)
        except StoreError as error:
            log.error("an act could not be written down", who=self.who, act=act[:120], reason=str(error))


@asynccontextmanager
async def serve_faces(settings: Sequence[FaceSettings], behind: Behind) -> AsyncIterator[list[int]]:
    """Listen while the context lasts; yields the ports, in order. Raises ConfigError for one that cannot be had."""
    async with AsyncExitStack() as open_ports:
        yield [await open_ports.enter_async_context(_listening(port)) for port in _ports(settings, behind)]


def _ports(settings: Sequence[FaceSettings], behind: Behind) -> list[Port]:
    ports = []
    for each in settings:
        antenna = behind.antennas[each.antenna]
        token = each.token.read() if each.token else None
        ports.append(Port(each, _opened(each, antenna, behind.radios.get(each.antenna)), behind.audit, token))
    return ports


def _opened(settings: FaceSettings, antenna: Antenna, radio: Radio | None) -> Callable[[str], Face]:
    if settings.speaks == "rotctld":
        return lambda who: AxisFace(antenna, who)
    if radio is None:
        raise ConfigError(f"the rigctld port for {antenna.name} needs a radio: set antennas[].rig")
    hold = Hold(f"the radio of {antenna.name}", antenna.clock, antenna.settings.operator_lease_s)
    return lambda who: TunerFace(antenna, radio, hold, who)


@asynccontextmanager
async def _listening(port: Port) -> AsyncIterator[int]:
    """One port; its clients are cut off when the context ends."""
    host, number = port.settings.host, port.settings.port
    tasks = asyncio.TaskGroup()
    visits: set[asyncio.Task[None]] = set()

    def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = tasks.create_task(port.attend(reader, writer), name=f"{port.settings.speaks}-client")
        visits.add(visit)
        visit.add_done_callback(visits.discard)

    try:
        server = await asyncio.start_server(came, host, number, limit=_LONGEST_LINE, start_serving=False)
    except OSError as error:
        raise ConfigError(f"faces: {host}:{number} cannot be listened on: {error.strerror}") from error
    async with tasks:
        try:
            await server.start_serving()
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for visit in visits:
                visit.cancel()
