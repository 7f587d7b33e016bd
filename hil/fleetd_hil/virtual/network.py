"""TCP without sockets: servers and connections of one loop, in memory, in order, with a little delay each way.

A port that nobody serves refuses; a network that is cut loses all its connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

LATENCY_S = 0.0005
_FIRST_PORT = 40_000

Factory = Callable[[], asyncio.BaseProtocol]


class Network:
    """Who listens where."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._servers: dict[int, MemoryServer] = {}
        self._next_port = _FIRST_PORT
        self._ends: dict[MemoryTransport, None] = {}  # in the order in which they were made
        self._is_cut = False

    async def connect(self, factory: Factory, host: str, port: int) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """A connection to whoever listens at the port. Raises ConnectionRefusedError."""
        await asyncio.sleep(LATENCY_S)
        server = self._servers.get(port)
        if server is None or self._is_cut:
            raise ConnectionRefusedError(111, f"nobody listens on {host}:{port}")
        near, far = MemoryTransport(self._loop, port, self._ends), MemoryTransport(self._loop, port, self._ends)
        near.peer, far.peer = far, near
        protocol = factory()
        far.begin(server.factory())
        near.begin(protocol)
        await asyncio.sleep(0)  # both sides have heard of it when this returns, as with a real loop
        return near, protocol

    def listen(self, factory: Factory, host: str, port: int) -> MemoryServer:
        """A server at the port, or at a free one for 0. Raises OSError where there is one already."""
        if not port:
            port, self._next_port = self._next_port, self._next_port + 1
        if port in self._servers:
            raise OSError(98, f"{host}:{port} is taken")
        server = MemoryServer(self, factory, host, port)
        self._servers[port] = server
        return server

    def cut(self) -> None:
        """Nobody reaches anybody: all connections are gone, and what was under way with them; new ones are refused."""
        self._is_cut = True
        for end in list(self._ends):
            end.vanish()

    def mend(self) -> None:
        """Connections can be made again."""
        self._is_cut = False

    def forget(self, port: int) -> None:
        """Nobody listens there any more."""
        self._servers.pop(port, None)


class MemoryServer:
    """What `loop.create_server` returns, as far as anybody here asks it."""

    def __init__(self, network: Network, factory: Factory, host: str, port: int) -> None:
        self.factory = factory
        self.sockets: Sequence[_Name] = (_Name(host, port),)
        self._network = network
        self._port = port

    def close(self) -> None:
        """Listen no more; connections go on."""
        self._network.forget(self._port)
        self.sockets = ()

    async def wait_closed(self) -> None:
        """At once."""

    def is_serving(self) -> bool:
        """Whether it listens."""
        return bool(self.sockets)

    async def start_serving(self) -> None:
        """It does from the beginning."""


class _Name:
    def __init__(self, host: str, port: int) -> None:
        self._name = host, port

    def getsockname(self) -> tuple[str, int]:
        return self._name


class MemoryTransport(asyncio.Transport):
    """One end of a connection. What is written arrives at the other end after `LATENCY_S`, in order."""

    peer: MemoryTransport

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, among: dict[MemoryTransport, None]) -> None:
        super().__init__({"peername": ("memory", port), "sockname": ("memory", port), "socket": None})
        self._loop = loop
        self._protocol: Any = None
        self._arriving: deque[bytes | None] = deque()  # None: the other side has ended it
        self._reading = True
        self._closing = False
        self._over = False
        self._among = among
        among[self] = None

    def begin(self, protocol: Any) -> None:
        """Tell the protocol that it is connected."""
        self._protocol = protocol
        self._loop.call_soon(protocol.connection_made, self)

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data and not self._closing:
            self._give(bytes(data))

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._give(None)
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        self.close()

    def vanish(self) -> None:
        """The connection is gone without a word."""
        self._closing = True
        self._arriving.clear()
        self._loop.call_soon(self._end, ConnectionResetError(104, "the network is cut"))

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is always room."""

    def get_write_buffer_size(self) -> int:
        return 0

    def _give(self, data: bytes | None) -> None:
        if self._over:
            return
        self.peer.send_to(data)

    # Reading

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._arrive)

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def send_to(self, data: bytes | None) -> None:
        """Bytes are on their way here; None says that no more will be."""
        self._arriving.append(data)
        self._loop.call_later(LATENCY_S, self._arrive)

    def _arrive(self) -> None:
        """Hand over what has arrived; one timer runs for each piece, and the first takes them all that are there."""
        while self._arriving and self._reading and not self._over:
            data = self._arriving.popleft()
            if data is None:
                self._closing = True
                self._protocol.eof_received()
                self._end(None)
            elif not self._closing:
                self._protocol.data_received(data)

    def _end(self, why: Exception | None) -> None:
        if not self._over:
            self._over = True
            self._among.pop(self, None)
            self._protocol.connection_lost(why)
