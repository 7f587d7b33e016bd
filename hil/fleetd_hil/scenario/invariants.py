"""What must hold in every scenario, whatever befalls the site. Each is judged from outside: sims and messages alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fleetd.config.site import Site
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.scenario.observer import Observer
from fleetd_hil.scenario.world import World
from fleetd_hil.sims.little_donkey import LittleDonkeyUnit

_SLACK_DEG = 1.0  # a controller of whole degrees, and what an axis overruns while it brakes


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
    breaches: dict[str, Breach] = field(default_factory=dict)

    def look(self, after_s: float, *, synced: bool) -> None:
        """One step of the world."""
        for name, words in (*self._directions(), *self._transmitters(synced=synced)):
            self._breach(name, after_s, words)

    def last_look(self, after_s: float) -> None:
        """When all is over, and what was kept has been sent."""
        for name, words in (*self._numbers(), *self._commands(), *self._violations()):
            self._breach(name, after_s, words)

    def _breach(self, name: str, after_s: float, words: str) -> None:
        self.breaches.setdefault(name, Breach(name, after_s, words))

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
                if motor.moving and not low - _SLACK_DEG <= motor.position_deg <= high + _SLACK_DEG:
                    there = f"{axis} {motor.position_deg:.1f} deg, beyond {low:g} to {high:g}"
                    yield WITHIN_LIMITS, f"{antenna.name} turned to {there}"
            if antenna.mask is not None and any(motor.moving for motor in model.axes):
                yield from _below_mask(antenna, model)

    def _transmitters(self, *, synced: bool) -> Iterator[tuple[str, str]]:
        for antenna in self.site.antennas:
            seat = self.world.seats.get(antenna.rig or "")
            model = seat.model if seat else None
            if isinstance(model, RigModel) and model.keyed and not synced:
                yield NO_BLIND_TRANSMIT, f"{antenna.rig} transmits while nobody knows what time it is"

    def _commands(self) -> Iterator[tuple[str, str]]:
        begun: dict[str, set[str]] = {}
        for each in self.observer.of("result"):
            if each.body["stage"] != "refused":
                begun.setdefault(each.body["device"], set()).add(each.body["id"])
        for name, seat in self.world.seats.items():
            unit = seat.part
            if isinstance(unit, LittleDonkeyUnit) and len(unit.performed) > len(begun.get(name, ())):
                yield ONCE, f"{name} was made to carry out {len(unit.performed)}, of {len(begun.get(name, ()))} begun"

    def _numbers(self) -> Iterator[tuple[str, str]]:
        for node, numbers in self.observer.numbers.items():
            if missing := set(range(1, max(numbers) + 1)) - numbers:
                some = ", ".join(map(str, sorted(missing)[:5]))
                yield NOTHING_LOST, f"{len(missing)} messages of {node} never came, the first are {some}"

    def _violations(self) -> Iterator[tuple[str, str]]:
        for what in self.world.violations():
            yield BY_THE_MANUAL, what


def _below_mask(antenna: Any, model: RotatorModel) -> Iterator[tuple[str, str]]:
    azimuth_deg, elevation_deg = model.azimuth.position_deg, model.elevation.position_deg
    if elevation_deg > 90:
        azimuth_deg, elevation_deg = azimuth_deg + 180, 180 - elevation_deg
    least_deg = float(antenna.mask.elevation_deg([azimuth_deg % 360])[0])
    if elevation_deg < least_deg - _SLACK_DEG:
        there = f"{azimuth_deg % 360:.1f}, {elevation_deg:.1f} deg, below {least_deg:.1f}"
        yield NEVER_BELOW_MASK, f"{antenna.name} points at {there}"


WITHIN_LIMITS = "no motion beyond the limits"
NEVER_BELOW_MASK = "never below the mask"
NO_BLIND_TRANSMIT = "no transmission while unsynchronised"
NOTHING_LOST = "nothing published is lost"
ONCE = "no command is carried out twice"
BY_THE_MANUAL = "no byte that the manual does not allow"
NAMES: tuple[str, ...] = (WITHIN_LIMITS, NEVER_BELOW_MASK, NO_BLIND_TRANSMIT, NOTHING_LOST, ONCE, BY_THE_MANUAL)
