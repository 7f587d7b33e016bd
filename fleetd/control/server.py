"""Serving the control API on its Unix socket, for as long as a context lasts.

The socket belongs to one daemon: a lock beside it is held before anything is bound, for binding alone would silently
take the socket from whoever has it. Mode 0660: who may connect is a matter of the file's group.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from aiohttp import web

from fleetd.config.control import ControlSettings
from fleetd.control import downlink, health, history, robots, site, sky, uplink
from fleetd.control.answers import HOUSE, MOST_BYTES, permitted, recorded, worded
from fleetd.control.house import House
from fleetd.control.http import serve_http
from fleetd.errors import ConfigError, Refusal

log = structlog.get_logger(__name__)

_BACKLOG = 128
END_WITHIN_S = 1.0
_OTHERS_AND_EXECUTE = 0o117  # what is masked out of 0777 to leave 0660


@asynccontextmanager
async def serving(house: House, settings: ControlSettings) -> AsyncIterator[None]:
    """The whole API on its socket, and monitoring over TCP where the site asks for it. Raises as they do."""
    async with serve(house, Path(settings.socket)), serve_http(house, settings.http):
        yield


@asynccontextmanager
async def serve(house: House, path: Path) -> AsyncIterator[None]:
    """Answer on the socket at `path` while the context lasts; requests still open at its end get a second.

    Raises Refusal when another daemon has the socket, ConfigError when it cannot be made there.
    """
    with _held(path.with_name(f"{path.name}.lock")), _bound(path) as listener:
        runner = web.AppRunner(
            _application(house), access_log=None, shutdown_timeout=END_WITHIN_S, handle_signals=False
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            log.info("control API is there", socket=str(path))
            yield
        finally:
            await runner.cleanup()


def _application(house: House) -> web.Application:
    application = web.Application(middlewares=[recorded, worded, permitted], client_max_size=MOST_BYTES)
    application[HOUSE] = house
    application[site.WATCHERS] = set()
    application.on_shutdown.append(site.end_watching)
    for room in (site, sky, robots, history, downlink, uplink, health):
        application.add_routes(room.routes)
    return application


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`. It is never removed: two daemons could then hold two files of one name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ConfigError(f"control.socket: {path} cannot be made: {error.strerror}") from error
    try:
        _take(lock, path)
        yield
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(lock, 32).decode(errors="replace").strip() or "?"
        who = f"another fleetd (pid {owner}) holds {path}"
        raise Refusal("in-use", f"{who}; end it, or set another control.socket") from error
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())


@contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path`, in place of one that a dead daemon left there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            path.unlink(missing_ok=True)
            before = os.umask(_OTHERS_AND_EXECUTE)
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
        except OSError as error:
            raise ConfigError(f"control.socket: {path} cannot be bound: {error.strerror or error}") from error
        listener.setblocking(False)
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)
