"""`Line`: one TCP or TLS connection to a broker, packets in and out. It knows no session and keeps nothing.

All that is said within one turn of the event loop goes out in one write. What the kernel does not take at once is
bounded: `writable` is clear meanwhile, and whoever has much to say waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import cast

from fleetd.relay.mqtt.decode import Decoder
from fleetd.relay.mqtt.packets import Malformed, Packet

_TCP_INFO_BYTES, _TCPI_RTT_US = 104, 68  # struct tcp_info of linux/tcp.h: eight bytes, then words of four
_TCP_THIN_LINEAR_TIMEOUTS = 16  # linux/tcp.h
_HIGH_WATER = 256 * 1024  # bytes not yet taken by the kernel, above which we are asked to wait


class Line(asyncio.Protocol):
    """Made by `loop.create_connection`; `take` is called with each packet that comes in, `end` once it is gone."""

    def __init__(self, level: int, take: Callable[[Packet], None], end: Callable[[], None]) -> None:
        self.reason = "the broker closed the connection"
        """Why the line ended, once it has."""
        self.ended = asyncio.Event()
        self.writable = asyncio.Event()
        self.heard = False
        """True with whatever comes in; set it to False to see whether anything still does."""
        self._take = take
        self._end = end
        self._decoder = Decoder(level)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []

    @property
    def open(self) -> bool:
        """Whether there is a connection."""
        return self._transport is not None and not self.ended.is_set()

    @property
    def round_trip_s(self) -> float:
        """What the kernel takes for the time of one turn there and back; 0 where it does not say."""
        line = self._transport.get_extra_info("socket") if self._transport else None
        if line is None or line.family == socket.AF_UNIX:
            return 0.0
        try:
            said = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except OSError:
            return 0.0
        return int.from_bytes(said[_TCPI_RTT_US : _TCPI_RTT_US + 4], sys.byteorder) / 1e6

    def send(self, packet: bytes) -> None:
        """Say something, at the end of this turn of the event loop; nothing happens once the line has ended."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packet)

    def close(self) -> None:
        """End the line once all that was said has gone out."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str = "") -> None:
        """End the line at once."""
        if reason and not self.ended.is_set():
            self.reason = reason
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are such in all but their ancestors
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._ask(_TCP_THIN_LINEAR_TIMEOUTS)  # few packets, sent again and again, need no growing pauses (tcp-thin.rst)
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        self.heard = True
        self._acknowledge_quickly()
        try:
            for packet in self._decoder.feed(data):
                self._take(packet)
        except Malformed as error:
            self.abort(f"the broker does not speak MQTT: {error}")

    def _acknowledge_quickly(self) -> None:
        """Brokers send PUBACKs one by one with Nagle's algorithm: each waits until we have acknowledged the last.

        Linux goes back to delaying that by 40 ms (tcp(7), TCP_QUICKACK), so it is asked for again and again.
        """
        self._ask(socket.TCP_QUICKACK)

    def _ask(self, option: int) -> None:
        line = self._transport.get_extra_info("socket") if self._transport else None
        if line is not None and line.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                line.setsockopt(socket.IPPROTO_TCP, option, 1)

    def pause_writing(self) -> None:
        """Too much waits to go out."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone, whoever ended it."""
        if exc is not None:
            self.reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        self._out.clear()
        self.ended.set()
        self.writable.set()
        self._end()
