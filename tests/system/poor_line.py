"""A network that loses, delays and cuts, beneath the kernel's own TCP: a TUN device in a namespace of this process.

Whatever is sent to `THERE` leaves by the device, and comes back here as if `THERE` had sent it to `HERE`: with its two
addresses exchanged no checksum changes, so a server that listens on `HERE` answers its own process over that network.
Packets are lost, held back and let go by rate as `tc netem` would, which not every kernel has; retransmissions, their
growing pauses and the closing window are the kernel's own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HERE, THERE = "10.99.0.1", "10.99.0.2"
_NAME = b"poor"
_MOST_QUEUED_S = 1.0  # what a slow line keeps before it drops the rest
_TUNSETIFF, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x400454CA, 0x8914, 0x8916, 0x891C
_IFF_TUN_NO_PI, _IFF_UP = 0x1001, 0x1


@dataclass
class PoorLine:
    """How the network is; each may be changed at any time. Made by `poor_line`."""

    device: int
    loss: float = 0.0
    """Part of the packets that is lost, each way."""
    delay_s: float = 0.0
    """How long a packet is on its way, each way."""
    bytes_per_s: float = 1e9
    """How fast packets follow each other."""
    cut: bool = False
    """Whether all packets are lost and nobody says so."""
    sent: int = 0
    lost: int = 0
    ended: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(8))
    _free_at_s: float = 0.0

    def carry(self) -> None:
        """Take what waits at the device."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet = os.read(self.device, 65536)
            except BlockingIOError:
                return
            self.sent += 1
            now_s = loop.time()
            begins_s = max(now_s, self._free_at_s)
            if self._loses(packet) or begins_s > now_s + _MOST_QUEUED_S:
                self.lost += 1
                continue
            self._free_at_s = begins_s + len(packet) / self.bytes_per_s
            loop.call_at(self._free_at_s + self.delay_s, self._arrive, packet)

    def _loses(self, packet: bytes) -> bool:
        return self.cut or packet[0] >> 4 != 4 or self.chance.random() < self.loss

    def _arrive(self, packet: bytes) -> None:
        if not self.ended:
            os.write(self.device, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])


@contextmanager
def poor_line() -> Iterator[PoorLine]:
    """The network while the context lasts, in a running event loop; needs a namespace in which we are root."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", _NAME, _IFF_TUN_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for order, address in ((_SIOCSIFADDR, HERE), (_SIOCSIFNETMASK, "255.255.255.0")):
                wanted = struct.pack("16sHH4s8x", _NAME, socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(any_socket, order, wanted)
            for name in (_NAME, b"lo"):
                fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH", name, _IFF_UP))
        line = PoorLine(device)
        loop = asyncio.get_running_loop()
        loop.add_reader(device, line.carry)
        try:
            yield line
        finally:
            loop.remove_reader(device)
            line.ended = True
    finally:
        os.close(device)


async def _trial() -> None:
    with poor_line():
        pass


if __name__ == "__main__":
    asyncio.run(_trial())
