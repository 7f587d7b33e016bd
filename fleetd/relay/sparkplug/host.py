"""The primary host application, as its STATE messages tell of it (6.4.26 and 5.6 of the specification). Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class _State(msgspec.Struct):
    online: bool
    timestamp: Annotated[int, Meta(ge=0)]


_decoder = msgspec.json.Decoder(_State)


class Host:
    """Whether the primary host is there; what is older than what was heard before is passed over."""

    def __init__(self, host: str) -> None:
        self.topic = f"spBv1.0/STATE/{host}"
        self.online = False
        self._newest_ms = 0

    def take(self, payload: bytes) -> bool:
        """Hear a STATE message; whether it was one, and news."""
        try:
            state = _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if state.timestamp < self._newest_ms:
            return False
        self._newest_ms = state.timestamp
        self.online = state.online
        return True
