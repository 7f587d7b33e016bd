"""Last words: what somebody else may write on a device's open wire to make it safe, when the daemon no longer can."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LastWords:
    """Bytes that make a device safe, and the open descriptor of its wire. Said where nothing waits for the answer."""

    descriptor: int
    data: bytes
    again_after_s: tuple[float, ...] = ()
    """When to say them again, in real seconds, for devices that lose what comes too soon after something else."""


def words_for(transport: asyncio.BaseTransport | None, data: bytes, *again_after_s: float) -> LastWords | None:
    """Last words for the wire behind a transport; None where it has no descriptor."""
    if transport is None or transport.is_closing():
        return None
    for kind in ("socket", "serial"):
        if (medium := transport.get_extra_info(kind)) is not None:
            return LastWords(medium.fileno(), data, again_after_s)
    return None
