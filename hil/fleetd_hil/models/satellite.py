"""A small satellite: battery, clock, what it measures, and how it answers. Pure: time is an argument, no radio here.

The electrical figures are plausible for a few kilograms and belong to no satellite that flies. In eclipse the battery
discharges, and with what it gives it ages: each full cycle takes a little of what it can hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

_AGEING_PER_CYCLE = 0.0001


class Status(IntEnum):
    """What became of a telecommand."""

    DONE = 0
    REFUSED = 1
    REPLAYED = 2
    NOT_AUTHENTIC = 3
    UNKNOWN_CODE = 4


class Order(IntEnum):
    """What it can be told."""

    PING = 1
    SET_BEACON_PERIOD = 2
    PAYLOAD = 3
    STORE_MESSAGE = 4
    TAKE_PICTURE = 5
    TRANSMITTER = 6


@dataclass(frozen=True, slots=True)
class SatelliteBuild:
    """What it is made of."""

    capacity_wh: float = 20.0
    solar_w: float = 6.0
    load_w: float = 3.2
    beacon_period_s: float = 10.0
    housekeeping_every: int = 3
    """Each n-th beacon has housekeeping beside it."""
    most_messages: int = 20


@dataclass(slots=True)
class SatelliteModel:
    """One satellite in its own running time; `boot_s` is when its computer started, on that clock."""

    build: SatelliteBuild = field(default_factory=SatelliteBuild)
    seconds: float = 0.0
    charge: float = 0.9
    """Of what the battery can hold now."""
    health: float = 1.0
    """What it can hold, of what it could when new."""
    sunlit: bool = True
    temperature_c: float = 8.0
    beacon_period_s: float = 0.0
    payload_on: bool = False
    transmitter_on: bool = True
    last_command: int = 0
    taken: int = 0
    refused: int = 0
    orders_relayed: int = 0
    messages: list[bytes] = field(default_factory=list)
    messages_delivered: int = 0
    pictures: int = 0
    performed: list[tuple[int, int]] = field(default_factory=list)
    """Counter and code of each order that was carried out, in this order."""

    def __post_init__(self) -> None:
        self.beacon_period_s = self.beacon_period_s or self.build.beacon_period_s

    @property
    def battery_v(self) -> float:
        """Two cells in series."""
        return 6.4 + 2.0 * self.charge

    def step(self, dt_s: float, *, sunlit: bool) -> None:
        """Let `dt_s` seconds pass in the Sun, or in the Earth's shadow."""
        self.sunlit = sunlit
        self.seconds += dt_s
        load_w = self.build.load_w + (1.5 if self.payload_on else 0.0)
        net_wh = ((self.build.solar_w if sunlit else 0.0) - load_w) * dt_s / 3600
        if not sunlit:
            self.health -= _AGEING_PER_CYCLE * load_w * dt_s / 3600 / self.build.capacity_wh
        holds_wh = self.build.capacity_wh * self.health
        self.charge = min(1.0, max(0.0, self.charge + net_wh / holds_wh))
        aim_c = 18.0 if sunlit else -12.0
        self.temperature_c += (aim_c - self.temperature_c) * min(1.0, dt_s / 1800)
        if self.payload_on:
            self.orders_relayed += int((self.seconds) // 5) - int((self.seconds - dt_s) // 5)

    def obey(self, counter: int, code: int, body: bytes) -> Status:
        """Take one authentic order; a counter that is not above the last one's is a replay and does nothing."""
        if counter <= self.last_command:
            self.refused += 1
            # The answer to the very last order may have been lost: it is told again, and nothing is done again.
            again = self.performed and self.performed[-1] == (counter, code)
            return Status.DONE if again else Status.REPLAYED
        if code not in set(Order):
            self.refused += 1
            return Status.UNKNOWN_CODE
        self.last_command = counter
        if not self._perform(Order(code), body):
            self.refused += 1
            return Status.REFUSED
        self.taken += 1
        self.performed.append((counter, code))
        return Status.DONE

    def _perform(self, order: Order, body: bytes) -> bool:
        match order:
            case Order.PING:
                return body == b""
            case Order.SET_BEACON_PERIOD if len(body) == 2 and 1 <= int.from_bytes(body, "big") <= 3600:
                self.beacon_period_s = float(int.from_bytes(body, "big"))
            case Order.PAYLOAD if body in (b"\x00", b"\x01"):
                self.payload_on = body == b"\x01"
            case Order.STORE_MESSAGE if 0 < len(body) <= 180 and len(self.messages) < self.build.most_messages:
                self.messages.append(body)
            case Order.TAKE_PICTURE if body == b"":
                self.pictures += 1
            case Order.TRANSMITTER if body in (b"\x00", b"\x01"):
                self.transmitter_on = body == b"\x01"
            case _:
                return False
        return True
