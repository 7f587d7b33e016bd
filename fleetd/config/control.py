"""What may be configured about the control API."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from fleetd.settings import Secret, Settings


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [IPV6]:PORT. Raises ValueError that says what would be right."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r}: write it as HOST:PORT, as in 127.0.0.1:9464")
    return host, int(port)


def _checked(text: str) -> str:
    parse_listen(text)
    return text


class HttpSettings(Settings):
    """Monitoring over TCP: /metrics, /healthz and /readyz."""

    listen: Annotated[str, AfterValidator(_checked), Field(examples=["127.0.0.1:9464"])]
    """Address and port. Beyond this machine only with a token."""
    token: Secret | None = None
    """Where the token is kept that a caller must give as `Authorization: Bearer TOKEN`."""

    @property
    def end(self) -> tuple[str, int]:
        """Host and port."""
        return parse_listen(self.listen)

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is None and not _is_loopback(self.end[0]):
            raise ValueError(f"{self.listen} can be reached from elsewhere: set a token, or listen on 127.0.0.1")
        return self


class ControlSettings(Settings):
    """Where the daemon listens for `fleetctl`, and for monitoring."""

    socket: Path = Path("/run/fleetd/control.sock")
    """Path of the Unix socket."""
    http: HttpSettings | None = None
    """Monitoring over TCP; there is none unless this is set."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
