"""The sims of this harness by name: what each is, what may be chosen about it, how it is built, what breaks in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from fleetd.errors import ConfigError
from fleetd_hil.faults import FaultKind
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.sim import Sim
from fleetd_hil.sims import gs232b


@dataclass(frozen=True, slots=True)
class RotatorOptions:
    """A rotator; unless chosen otherwise of the G-5500 class: one turn in a minute, 450 degrees of azimuth."""

    azimuth_max_deg: float = 450.0
    elevation_max_deg: float = 180.0
    azimuth_slew_deg_s: float = 6.0
    elevation_slew_deg_s: float = 3.0
    acceleration_deg_s2: float = 6.0
    start_azimuth_deg: float = 0.0
    start_elevation_deg: float = 0.0

    def build(self) -> RotatorBuild:
        """The mechanics that these options describe."""
        return RotatorBuild(
            AxisBuild(0.0, self.azimuth_max_deg, self.azimuth_slew_deg_s, self.acceleration_deg_s2),
            AxisBuild(0.0, self.elevation_max_deg, self.elevation_slew_deg_s, self.acceleration_deg_s2),
            self.start_azimuth_deg,
            self.start_elevation_deg,
        )


@dataclass(frozen=True, slots=True)
class SimKind:
    """One kind of sim. `build` takes an instance of `options` and a seed."""

    name: str
    help: str
    faults: tuple[FaultKind, ...]
    options: type
    build: Callable[[Any, int], Sim]


KINDS: Mapping[str, SimKind] = {
    kind.name: kind
    for kind in (
        SimKind(
            "gs232b",
            "a Yaesu GS-232B rotator controller with an azimuth-elevation rotator behind it",
            gs232b.FAULTS,
            RotatorOptions,
            lambda options, _seed: gs232b.Gs232bSim(RotatorModel(options.build())),
        ),
    )
}


def find(name: str) -> SimKind:
    """The kind of this name. Raises ConfigError naming those that there are."""
    if name not in KINDS:
        raise ConfigError(f"unknown sim {name!r}; known are {', '.join(KINDS)}")
    return KINDS[name]


def read_options(kind: SimKind, pairs: Iterable[str]) -> Any:
    """An instance of the kind's options from KEY=VALUE texts, all values being numbers. Raises ConfigError."""
    known = [field.name for field in fields(kind.options)]
    chosen: dict[str, float] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in known:
            raise ConfigError(f"{kind.name} has no option {key!r}; known are {', '.join(known)}")
        try:
            chosen[key] = float(value)
        except ValueError:
            raise ConfigError(f"option {pair!r}: write it as {key}=NUMBER") from None
    return kind.options(**chosen)
