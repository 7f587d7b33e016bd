"""What must hold in every scenario, whatever befalls the site. Each is judged from outside: sims and messages alone.

Antennas and transmitters are looked at all the time, a transmitter also at the instant in which it is keyed; what was
ordered, done and published is gone through at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fleetd.config.site import Site
from fleetd.contact.settings import AntennaSettings
from fleetd.downlink.orders import ORDERS
from fleetd_hil.models.rotator import Axis, RotatorModel
from fleetd_hil.scenario.given import Order, Orders
from fleetd_hil.scenario.model import OrbitWish
from fleetd_hil.scenario.observer import Observer
from fleetd_hil.scenario.world import World
from fleetd_hil.sims.little_donkey import LittleDonkeyUnit

WITHIN_LIMITS = "no motion beyond the limits"
NEVER_BELOW_MASK = "never below the mask"
NO_BLIND_TRANSMIT = "no transmission while unsynchronised"
ABOVE_THE_HORIZON = "no transmission while no satellite that takes it is up"
NOTHING_LOST = "nothing published is lost"
ONCE = "no command is carried out twice"
NEVER_LATE = "no command is carried out late"
A_STOP_STANDS = "no stop is ended from afar"
BY_THE_MANUAL = "no byte that the manual does not allow"
LEFT_AT_REST = "nothing turns or transmits once fleetd has left"
NAMES: tuple[str, ...] = (
    WITHIN_LIMITS,
    NEVER_BELOW_MASK,
    NO_BLIND_TRANSMIT,
    ABOVE_THE_HORIZON,
    NOTHING_LOST,
    ONCE,
    NEVER_LATE,
    A_STOP_STANDS,
    BY_THE_MANUAL,
    LEFT_AT_REST,
)

_SLACK_DEG = 1.0  # a controller of whole degrees, and what an axis overruns while it brakes
_LOW_DEG = 0.5  # that an uplink may stand below its least elevation, for a gate that judges ten times a second
_UNKEYED_WITHIN_S = 0.5  # of the clock's loss; what the guard would take, too
_BRAKES_WITHIN_S = 4.0
"""How long after fleetd has left an axis may still brake."""
_JUST_BROKEN_S = 60.0  # what could not be reached shortly before could not be stopped either
_BY_CODE = {order.code: order.name for orders in ORDERS.values() for order in orders.values()}


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that did not hold, and when this was first seen."""

    name: str
    after_s: float
    words: str


@dataclass
class Guardian:
    """Looks at the world at every step, and at everything once more at the end."""

    site: Site
    world: World
    observer: Observer
    orders: Orders = field(default_factory=Orders)
    wishes: dict[str, OrbitWish] = field(default_factory=dict)
    breaches: dict[str, Breach] = field(default_factory=dict)
    _unsynced_since_s: float | None = None
    _clear: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for rig in self.world.rigs.values():
            rig.on_key = self._keyed

    def look(self, after_s: float, *, synced: bool) -> None:
        """One step of the world."""
        self.world.advance(after_s)
        if synced:
            self._unsynced_since_s = None
        elif self._unsynced_since_s is None:
            self._unsynced_since_s = after_s
        for name, words in (*self._directions(), *self._transmitters(after_s)):
            self._breach(name, after_s, words)

    def _keyed(self) -> None:
        """A transmitter was told to transmit just now."""
        clock = self.observer.clock
        after_s = clock.monotonic()
        if not clock.synced:
            self._breach(NO_BLIND_TRANSMIT, after_s, "a transmitter was keyed while nobody knew what time it was")
        for name, words in self._transmitters(after_s):
            self._breach(name, after_s, words)

    def ordered(self, command_id: str, device: str, action: str, life_s: float) -> None:
        """Somebody gives an order now that stands for so long; one for all is one for each."""
        at_s = self.observer.clock.monotonic()
        for name in self.world.seats if device == "all" else (device,):
            of_it = f"{command_id}:{name}" if device == "all" else command_id
            if self._refused(of_it, name):
                self.orders.void(of_it, name)
            self.orders.give(of_it, Order(name, action, at_s, at_s + life_s))

    def _refused(self, command_id: str, device: str) -> bool:
        said = (each.body for each in self.observer.of("result") if each.body["device"] == device)
        stages = [body["stage"] for body in said if body["id"] == command_id]
        return bool(stages) and stages[-1] == "refused"

    async def end(self) -> None:
        """All is over, what was kept has been sent, and fleetd has left: judge that, and soon what still moves."""
        clock = self.observer.clock
        self._last_look(clock.monotonic())
        await clock.sleep(_BRAKES_WITHIN_S)
        self._look_after(clock.monotonic())

    def _last_look(self, after_s: float) -> None:
        for name, words in (*self._numbers(), *self._commands(), *self._stops(), *self._violations()):
            self._breach(name, after_s, words)

    def _look_after(self, after_s: float) -> None:
        """What it stopped has had its time to come to rest."""
        self.world.advance(after_s)
        for name, seat in self.world.seats.items():
            if seat.sim.faults.held(after_s - _JUST_BROKEN_S, after_s):
                continue
            if isinstance(seat.model, RotatorModel) and any(axis.moving for axis in seat.model.axes):
                self._breach(LEFT_AT_REST, after_s, f"{name} turns")
            if (rig := self.world.rigs.get(name)) is not None and rig.keyed:
                self._breach(LEFT_AT_REST, after_s, f"{name} transmits")

    def _breach(self, name: str, after_s: float, words: str) -> None:
        self.breaches.setdefault(name, Breach(name, after_s, words))

    # Antennas

    def _directions(self) -> Iterator[tuple[str, str]]:
        for antenna in self.site.antennas:
            seat = self.world.seats.get(antenna.rotator)
            model = seat.model if seat else None
            if not isinstance(model, RotatorModel):
                continue
            for axis, motor, (low, high) in (
                ("azimuth", model.azimuth, antenna.azimuth_limits_deg),
                ("elevation", model.elevation, antenna.elevation_limits_deg),
            ):
                if _goes_beyond(motor, low, high):
                    there = f"{axis} {motor.position_deg:.1f} deg, beyond {low:g} to {high:g}"
                    yield WITHIN_LIMITS, f"{antenna.name} turned to {there}"
            yield from self._below_mask(antenna, model)

    def _below_mask(self, antenna: AntennaSettings, model: RotatorModel) -> Iterator[tuple[str, str]]:
        """One that was found below its mask has to get out of there somehow; one that was clear of it stays so."""
        if (mask := antenna.mask) is None:
            return
        azimuth_deg, elevation_deg = model.azimuth.position_deg, model.elevation.position_deg
        if elevation_deg > 90:
            azimuth_deg, elevation_deg = azimuth_deg + 180, 180 - elevation_deg
        least_deg = float(mask.elevation_deg(np.array([azimuth_deg % 360]))[0])
        if elevation_deg >= least_deg - _SLACK_DEG:
            self._clear.add(antenna.name)
        elif antenna.name in self._clear:
            there = f"{azimuth_deg % 360:.1f}, {elevation_deg:.1f} deg, below {least_deg:.1f}"
            yield NEVER_BELOW_MASK, f"{antenna.name} points at {there}"

    # Transmitters

    def _transmitters(self, after_s: float) -> Iterator[tuple[str, str]]:
        for antenna in self.site.antennas:
            model = self.world.rigs.get(antenna.rig or "")
            if model is None or not (model.keyed and model.asked):
                continue  # one whose key sticks was told to be silent, and that is all that can be done over its wire
            since_s = self._unsynced_since_s
            if since_s is not None and after_s - since_s > _UNKEYED_WITHIN_S:
                yield NO_BLIND_TRANSMIT, f"{antenna.rig} transmits while nobody knows what time it is"
            if words := self._nobody_up(after_s):
                yield ABOVE_THE_HORIZON, f"{antenna.rig} transmits, and {words}"

    def _nobody_up(self, after_s: float) -> str:
        """Why nobody can take what is transmitted; '' if somebody can, or nothing is known of the sky."""
        there: list[str] = []
        for satellite in self.site.satellites:
            look = self.world.sky.look(satellite.name, after_s) if self.world.sky else None
            if look is None or satellite.uplink_hz is None:
                continue
            # Elements that are wrong are nobody's fault here; what lies below the horizon is then the limit.
            as_told = self.wishes.get(satellite.name, OrbitWish()).late == 0
            least_deg = satellite.uplink_min_elevation_deg - _LOW_DEG if as_told else 0.0
            if look.elevation_deg >= least_deg:
                return ""
            there.append(f"{satellite.name} stands at {look.elevation_deg:.1f} deg, of at least {least_deg:g}")
        return ", ".join(there)

    # What was ordered, done and published

    def _commands(self) -> Iterator[tuple[str, str]]:
        for each in self.observer.of("result"):
            if each.body["stage"] != "refused":  # given by somebody whom we have not seen do it
                self.orders.learn(each.body["id"], each.body["device"], each.body["action"])
        for act, how in self.orders.unfounded(self.world.acts(_BY_CODE)):
            words = f"{act.device} was made to {act.action} at {act.at_s:.1f} s, "
            if how == "late":
                yield NEVER_LATE, words + "when that had expired"
            else:
                yield ONCE, words + "for which there was no order of its own"

    def _stops(self) -> Iterator[tuple[str, str]]:
        for name, seat in self.world.seats.items():
            for at_s, action in seat.part.against_stop if isinstance(seat.part, LittleDonkeyUnit) else ():
                yield A_STOP_STANDS, f"{name} was told to {action} at {at_s:.1f} s, and nobody had pressed its reset"

    def _numbers(self) -> Iterator[tuple[str, str]]:
        for node, missing in self.observer.missing().items():
            some = ", ".join(map(str, sorted(missing)[:5]))
            yield NOTHING_LOST, f"{len(missing)} messages of {node} never came, the first are {some}"

    def _violations(self) -> Iterator[tuple[str, str]]:
        for what in self.world.violations():
            yield BY_THE_MANUAL, what


def _goes_beyond(motor: Axis, low_deg: float, high_deg: float) -> bool:
    """Whether it turns away from what is allowed; one that was found there may turn back."""
    if motor.velocity_deg_s < 0:
        return motor.position_deg < low_deg - _SLACK_DEG
    return motor.velocity_deg_s > 0 and motor.position_deg > high_deg + _SLACK_DEG
