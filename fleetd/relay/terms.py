"""`Terms`: what a broker's CONNACK grants, and what of our own wishes it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from fleetd.relay.failures import UplinkLost
from fleetd.relay.mqtt.packets import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    Connack,
    reason,
)
from fleetd.relay.settings import Broker, RelaySettings

_BAD_PASSWORD = (0x86, 0x87)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which a session is held."""

    window: int
    """How many messages may be unacknowledged at a time."""
    keepalive_s: int
    most_bytes: int = 0
    """The largest packet that the broker takes; 0 if it does not say."""
    retains: bool = True

    @classmethod
    def wished(cls, settings: RelaySettings) -> Terms:
        """What we ask for."""
        return cls(settings.in_flight, settings.keepalive_s)

    def agreed(self, broker: Broker, connack: Connack) -> Terms:
        """What the broker makes of it. Raises UplinkLost if it will not have us, or not acknowledge what we say."""
        code, wishes = connack
        if code:
            cure = "; look at the relay's username and password" if code in _BAD_PASSWORD else ""
            refusal = f"{broker} refuses the connection: {reason(code, wishes)}{cure}"
            raise UplinkLost(refusal, will_taken=False)
        if wishes.get(MAXIMUM_QOS) == 0:
            raise UplinkLost(f"{broker} acknowledges no messages (QoS 0 only); choose another broker")
        return Terms(
            window=min(self.window, int(wishes.get(RECEIVE_MAXIMUM, self.window))),
            keepalive_s=int(wishes.get(SERVER_KEEP_ALIVE, self.keepalive_s)) or self.keepalive_s,
            most_bytes=int(wishes.get(MAXIMUM_PACKET_SIZE, 0)),
            retains=wishes.get(RETAIN_AVAILABLE, 1) != 0,
        )
