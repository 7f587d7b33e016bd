"""What goes wrong between us and a broker, and how it is told."""

from __future__ import annotations

import os
import ssl

from fleetd.errors import FleetError


class UplinkLost(FleetError):
    """There is no connection, or no longer. `will_taken`: the broker may have taken our last will."""

    def __init__(self, reason: str, *, will_taken: bool = True) -> None:
        super().__init__(reason)
        self.will_taken = will_taken


class Rejected(FleetError):
    """The broker answered that it will not take a message; `code` is its MQTT 5 reason code (0x80 and above)."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


def why_unreachable(error: OSError) -> str:
    """Why no connection came about, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):  # its errno is none of the system's
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own words name the address once more, and not what is wrong
    return error.strerror or str(error) or "it hung up at once; does it speak the same version of TLS, or any?"
