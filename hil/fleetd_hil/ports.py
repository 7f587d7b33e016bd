"""Where a sim can be reached: behind a pseudo-terminal or a TCP port. The bench opens, watches and closes them.

A pseudo-terminal is as lossy as a real port: what a device says while no program has it open is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import termios
import tty
from pathlib import Path
from typing import Protocol

from fleetd.errors import LinkLost
from fleetd_hil.line import Line, Stand


class Port(Protocol):
    """A place at which a sim is reached."""

    restless: bool
    """Whether it must be watched even while nothing is broken."""

    @property
    def address(self) -> str:
        """A path, or host:port, as it stands behind the scheme of a link URL."""
        ...

    async def plug(self) -> None:
        """Be there; nothing if it is."""
        ...

    async def unplug(self) -> None:
        """Be gone: whoever is connected loses the line."""
        ...

    async def close(self) -> None:
        """Be gone for good."""
        ...

    def watch(self, *, stalled: bool) -> None:
        """Listen, or stop listening while the far end hangs; called some fifty times a second where it must be."""
        ...


class PtyPort:
    """A sim behind a pseudo-terminal, and behind the symbolic link `link` if a stable name is wanted."""

    restless = True  # the kernel does not tell when a program opens it

    def __init__(self, stand: Stand, link: Path | None = None) -> None:
        self.path = ""
        self._link = link
        self._line = Line(stand, self._send)
        self._master: int | None = None
        self._old_slave: int | None = None
        self._listening = False
        self._unsent = bytearray()

    @property
    def address(self) -> str:
        return str(self._link or self.path)

    async def plug(self) -> None:
        if self._master is not None:
            return
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(slave)
        os.close(slave)
        self._drop_old()
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.path)

    async def unplug(self) -> None:
        if self._master is None:
            return
        self._listen(self._master, on=False)
        with contextlib.suppress(OSError):  # held, the old number cannot be given to the port that comes back
            self._old_slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        os.close(self._master)
        self._master = None
        self._unsent.clear()
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    async def close(self) -> None:
        await self.unplug()
        self._drop_old()

    def _drop_old(self) -> None:
        if self._old_slave is not None:
            os.close(self._old_slave)
            self._old_slave = None

    def watch(self, *, stalled: bool) -> None:
        if self._master is not None:
            self._listen(self._master, on=not stalled and _opened(self._master))
        if not stalled:
            self._line.resume()

    def _listen(self, master: int, *, on: bool) -> None:
        loop = asyncio.get_running_loop()
        if on and not self._listening:
            loop.add_reader(master, self._readable, master)
        elif self._listening and not on:
            loop.remove_reader(master)
            loop.remove_writer(master)
        self._listening = on

    def _readable(self, master: int) -> None:
        try:
            data = os.read(master, 4096)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last program that had it open has closed it
            self._listen(master, on=False)
            self._forget()
            return
        self._line.hear(data)

    def _forget(self) -> None:
        """What was sent to a port that has been closed does not wait for the next program to open it."""
        self._unsent.clear()
        with contextlib.suppress(OSError):  # another program has it for itself already
            slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                termios.tcflush(slave, termios.TCIFLUSH)
            finally:
                os.close(slave)

    def _send(self, data: bytes) -> None:
        if self._master is not None and _opened(self._master):
            self._unsent += data
            self._flush(self._master)

    def _flush(self, master: int) -> None:
        try:
            sent = os.write(master, self._unsent)
        except BlockingIOError:  # the program does not read
            sent = 0
        except OSError:
            sent = len(self._unsent)
        del self._unsent[:sent]
        loop = asyncio.get_running_loop()
        if self._unsent:
            loop.add_writer(master, self._flush, master)
        else:
            loop.remove_writer(master)


def _opened(master: int) -> bool:
    """Whether some program holds the terminal's other end."""
    poll = select.poll()
    poll.register(master, select.POLLIN)
    return not any(events & select.POLLHUP for _, events in poll.poll(0))


class TcpPort:
    """A sim behind a TCP port; any number of programs may connect. Port 0 finds a free one and keeps it."""

    restless = False

    def __init__(self, stand: Stand, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._stand = stand
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, None] = {}  # in the order in which they came

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def plug(self) -> None:
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self._stand, self._connections), self.host, self.port, backlog=1024
            )
        except OSError as error:
            raise LinkLost(f"cannot listen on {self.address}: {error.strerror or error}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        gone = [connection.abort() for connection in list(self._connections)]
        await asyncio.gather(*gone)
        await server.wait_closed()

    async def close(self) -> None:
        await self.unplug()

    def watch(self, *, stalled: bool) -> None:
        for connection in list(self._connections):
            connection.watch(stalled=stalled)


class _Connection(asyncio.Protocol):
    """One program's connection to a TCP port."""

    def __init__(self, stand: Stand, among: dict[_Connection, None]) -> None:
        self._line = Line(stand, self._send, self._hang_up)
        self._among = among
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a server's transports read and write
        self._among[self] = None

    def data_received(self, data: bytes) -> None:
        self._line.hear(data)

    def connection_lost(self, _why: Exception | None) -> None:
        self._among.pop(self, None)
        if not self._gone.done():
            self._gone.set_result(None)

    def abort(self) -> asyncio.Future[None]:
        """Reset it; the future is done once it is gone."""
        if self._transport is not None:
            self._transport.abort()
        return self._gone

    def watch(self, *, stalled: bool) -> None:
        if self._transport is None:
            return
        if stalled:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
            self._line.resume()

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()
