"""Who asks: the process at the other end of the socket, as the kernel vouches for it (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import pwd
import socket
import struct
from functools import lru_cache
from typing import NamedTuple

from aiohttp import web

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Peer(NamedTuple):
    """A process and its user."""

    pid: int
    uid: int

    @property
    def issuer(self) -> str:
        """The name under which its acts are recorded, as in uid:1000(li)."""
        return _issuer(self.uid)


def peer_of(request: web.Request) -> Peer:
    """Who sent a request."""
    if request.transport is None:
        raise ConnectionResetError("the connection is closed")
    connection = request.transport.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return Peer(pid, uid)


@lru_cache(maxsize=256)
def _issuer(uid: int) -> str:
    try:
        return f"uid:{uid}({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"uid:{uid}"
