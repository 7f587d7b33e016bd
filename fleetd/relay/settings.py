"""What may be configured about the relay: which brokers, how to be let in, how much at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fleetd.relay.sparkplug.settings import SparkplugSettings
from fleetd.settings import Secret, Settings

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker listens; `tls` for mqtts://."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_broker(text: str) -> Broker:
    """Read mqtt://host[:port] or mqtts://host[:port]. Raises ValueError that says what would be right."""
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"{text!r}: write it as mqtt://host:port, or mqtts://host:port for TLS")
    if "@" in parts.netloc:
        # The text is not repeated: it may hold a password.
        raise ValueError("a broker's URL holds no user or password; use username and password beside it")
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r}: write it as {parts.scheme}://host:port and nothing more")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"{text!r}: the port must be from 1 to 65535")
    return Broker(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], tls=parts.scheme == "mqtts")


def _checked(text: str) -> str:
    parse_broker(text)
    return text


BrokerUrl = Annotated[str, AfterValidator(_checked), Field(examples=["mqtts://broker.example.org:8883"])]


class HomeAssistantSettings(Settings):
    """Which values Home Assistant finds by itself, by MQTT discovery."""

    prefix: Annotated[str, Field(pattern=r"^[^+#\x00/]+(/[^+#\x00/]+)*$")] = "homeassistant"
    """The discovery prefix that is configured there."""
    devices: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Names of devices, with wildcards; those that have no register map have no values to announce."""


class RelaySettings(Settings):
    """The MQTT brokers and how to speak with them."""

    brokers: Annotated[list[BrokerUrl], Field(min_length=1)]
    """Brokers in order of preference; when one fails the next is tried. mqtt://host:port, or mqtts:// for TLS."""
    protocol: Literal["5", "3.1.1"] = "5"
    """Version of MQTT. With 3.1.1 a broker cannot say that it refused a message."""
    client_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")] | None = None
    """Name of this client at the broker, unique there; "fleetd-" and the site's name if not given."""
    username: Annotated[str, Field(min_length=1)] | None = None
    """User at the broker."""
    password: Secret | None = None
    """Where the user's password is kept."""
    ca_file: str | None = None
    """Certificates of the authorities that may vouch for a mqtts:// broker (PEM); the system's if not given."""
    cert_file: str | None = None
    """Our own certificate for a mqtts:// broker that asks for one (PEM)."""
    key_file: str | None = None
    """The private key of `cert_file` (PEM, without a pass phrase)."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 15
    """After 1.5 times this without a word the broker drops us, seconds. A line with nothing to say is tested at half of
    it, one that owes acknowledgements after two seconds of silence."""
    in_flight: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many messages may be on their way, unacknowledged, at a time. A broker may ask for fewer."""
    ack_within_s: Annotated[float, Field(ge=1.0, le=600.0)] = 20.0
    """A broker that leaves a message unacknowledged for so long is left, seconds."""

    backlog_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 10_000.0
    """How many readings a second may be sent that were made before the broker was there, so that others get through."""
    backlog_per_s_in_contact: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """The same while an antenna works a contact; 0 keeps the backlog until it is over, and `backlog_per_s` holds then,
    too, if this is not given."""
    live_first: bool = False
    """Whether readings made since the broker is there overtake those that waited for it. Each robot's readings then
    come in two strands, each in order; if not, all come in order, and whatever is not a reading overtakes them."""

    sparkplug: SparkplugSettings | None = None
    """Have readings leave as Sparkplug B in place of JSON."""
    home_assistant: HomeAssistantSettings | None = None
    """Announce the values of devices to Home Assistant."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("a password needs a username beside it")
        if self.sparkplug is not None and self.home_assistant is not None:
            raise ValueError("home_assistant reads the JSON readings that sparkplug takes away; leave one of them out")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        tls_files = self.ca_file or self.cert_file
        if tls_files and not any(parse_broker(url).tls for url in self.brokers):
            raise ValueError("ca_file and cert_file are for mqtts:// brokers, and none is listed")
        return self
