"""Link URLs: where a byte stream is and how its line is set, in one string.

serial:///dev/ttyUSB0?baud=9600&parity=N&stop=1&bits=8&rts=off&dtr=off
tcp://host:port
modbus+tcp://host:port            modbus+rtuovertcp://host:port
modbus+rtu:///dev/ttyUSB1?baud=19200&parity=E
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from fleetd.errors import ConfigError

Parity = Literal["N", "E", "O"]
SERIAL_SCHEMES = ("serial", "modbus+rtu")
TCP_SCHEMES = ("tcp", "modbus+tcp", "modbus+rtuovertcp")
_DEFAULT_PORTS = {"modbus+tcp": 502, "modbus+rtuovertcp": 502}
_OPTIONS = ("baud", "bits", "parity", "stop", "rts", "dtr")


@dataclass(frozen=True, slots=True)
class SerialLine:
    """How a serial port is opened. RTS and DTR stay down unless asked for: on many rigs they key the transmitter."""

    path: str
    baud: int = 9600
    bits: int = 8
    parity: Parity = "N"
    stop_bits: int = 1
    rts: bool = False
    dtr: bool = False

    @property
    def character_s(self) -> float:
        """Time of one character on the line, in seconds: start, data, parity and stop bits."""
        return (1 + self.bits + (self.parity != "N") + self.stop_bits) / self.baud


@dataclass(frozen=True, slots=True)
class TcpEnd:
    """A TCP peer."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LinkUrl:
    """A parsed link URL. Equal URLs mean the same physical line."""

    text: str
    scheme: str
    end: SerialLine | TcpEnd

    def __str__(self) -> str:
        return self.text


def parse_link(text: str) -> LinkUrl:
    """Read a link URL. Raises ConfigError that says which part is wrong and what would be right."""
    try:
        parts = urlsplit(text)
    except ValueError as error:  # a bracket without its fellow, or what no host may hold
        raise ConfigError(f"link {text!r}: is no URL: {error}") from None
    if parts.scheme in SERIAL_SCHEMES:
        return LinkUrl(text, parts.scheme, _serial_line(text, parts.netloc, parts.path, dict(parse_qsl(parts.query))))
    if parts.scheme in TCP_SCHEMES:
        return LinkUrl(text, parts.scheme, _tcp_end(text, parts.scheme))
    known = ", ".join(f"{scheme}://" for scheme in (*SERIAL_SCHEMES, *TCP_SCHEMES))
    raise ConfigError(f"link {text!r}: unknown scheme {parts.scheme!r}; known are {known}")


def _tcp_end(text: str, scheme: str) -> TcpEnd:
    parts = urlsplit(text)
    try:
        port = parts.port or _DEFAULT_PORTS.get(scheme)
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        raise ConfigError(f"link {text!r}: write it as {scheme}://host:port with a port from 1 to 65535")
    if parts.path.strip("/") or parts.query:
        raise ConfigError(f"link {text!r}: nothing may follow the port")
    return TcpEnd(parts.hostname, port)


def _serial_line(text: str, netloc: str, path: str, options: Mapping[str, str]) -> SerialLine:
    if netloc or not path.startswith("/"):
        raise ConfigError(f"link {text!r}: the device path must follow three slashes, as in serial:///dev/ttyUSB0")
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ConfigError(f"link {text!r}: unknown option {unknown[0]!r}; known are {', '.join(_OPTIONS)}")
    parity = options.get("parity", "N")
    if parity not in ("N", "E", "O"):
        raise ConfigError(f"link {text!r}: parity {parity!r} must be N, E or O")
    return SerialLine(
        path=path,
        baud=_whole(text, options, "baud", 9600, 50, 4_000_000),
        bits=_whole(text, options, "bits", 8, 7, 8),
        parity=parity,  # type: ignore[arg-type]  # narrowed just above, which mypy does not see through `in`
        stop_bits=_whole(text, options, "stop", 1, 1, 2),
        rts=_on_off(text, options, "rts"),
        dtr=_on_off(text, options, "dtr"),
    )


def _whole(text: str, options: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = options.get(name, str(default))
    if not value.isdecimal() or not low <= int(value) <= high:
        raise ConfigError(f"link {text!r}: {name}={value} must be a whole number from {low} to {high}")
    return int(value)


def _on_off(text: str, options: Mapping[str, str], name: str) -> bool:
    value = options.get(name, "off")
    if value not in ("on", "off"):
        raise ConfigError(f"link {text!r}: {name}={value} must be on or off")
    return value == "on"
