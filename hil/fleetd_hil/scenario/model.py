"""What a scenario file may say. Everything that could be misunderstood is refused with file, line and reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import AwareDatetime, Field, model_validator

from fleetd.records import Alarm, ContactReport, DeviceStatus, Event, Frame, NodeStatus, Reading, Result
from fleetd.settings import Name, Settings
from fleetd_hil.scenario.quantities import Condition, Duration, PositiveDuration, condition

Scalar = bool | int | float | str
Wanted = dict[str, Scalar]

KINDS: dict[str, type[msgspec.Struct]] = {
    "reading": Reading,
    "status": DeviceStatus,
    "event": Event,
    "alarm": Alarm,
    "result": Result,
    "contact": ContactReport,
    "frame": Frame,
    "node": NodeStatus,
}


class CommandStep(Settings):
    """A command over MQTT, as any program of the site would send it."""

    device: Name
    action: Annotated[str, Field(min_length=1)]
    args: dict[str, Scalar] = Field(default_factory=dict)
    id: str = ""
    """How results name it; made from the time where it is left out. The same again is what a broker may send again."""
    expires_in: PositiveDuration = 60.0


class ControlStep(Settings):
    """A request to the control API, as `fleetctl` would send it."""

    post: Annotated[str, Field(pattern=r"^/v1/")]
    """The path, such as /v1/stop."""
    body: dict[str, Any] = Field(default_factory=dict)
    refused: str = ""
    """The rule by which it must be refused; left out, it must be taken."""
    either: bool = False
    """It may be taken or refused."""


class WriteStep(Settings):
    """A file of the site's folder, put there or changed while the daemon runs."""

    file: Annotated[str, Field(pattern=r"^[\w./-]+$")]
    """Its path from the site file's folder; it is changed in a copy of the scenario's folder."""
    source: str
    """A file beside the scenario whose content it gets."""


class Step(Settings):
    """One thing that happens: exactly one of the keys beside `at`."""

    at: Duration
    fault: str | None = None
    """NAME[=VALUE][+LASTING_S] of the device `of`, as `fleethil list` names them."""
    clear: str | None = None
    """Ends the fault of that name of the device `of`."""
    of: Name | None = None
    broker: Literal["away", "back", "mute", "hung", "heed"] | None = None
    """The broker goes and comes; or until it heeds again it acknowledges nothing, or hangs and does not even hear."""
    clock: Duration | Literal["unsynchronised", "synchronised"] | None = None
    """A step of the daemon's civil time, or whether it may be trusted."""
    command: CommandStep | None = None
    control: ControlStep | None = None
    daemon: Literal["power-cut", "restart"] | None = None
    """Lost in mid sentence, with what was on disk left; or ended in good order. Both start it anew."""
    write: WriteStep | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        acts = [name for name in _ACTS if getattr(self, name) is not None]
        if len(acts) != 1:
            raise ValueError(f"a step does exactly one of {', '.join(_ACTS)}; this has {', '.join(acts) or 'none'}")
        if (self.of is None) == (acts[0] in ("fault", "clear")):
            raise ValueError("`of` names the device of a fault, and goes with nothing else")
        if self.at < 0:
            raise ValueError("nothing happens before the beginning")
        return self

    @property
    def words(self) -> str:
        """For people."""
        name, value = next((name, value) for name in _ACTS if (value := getattr(self, name)) is not None)
        match value:
            case CommandStep():
                return f"command {value.action} to {value.device}"
            case ControlStep():
                return f"asked for {value.post}"
            case WriteStep():
                return f"{value.file} becomes {value.source}"
            case _:
                return f"{name} {value}" + (f" of {self.of}" if self.of else "")


_ACTS = ("fault", "clear", "broker", "clock", "command", "control", "daemon", "write")


class Expectation(Settings):
    """What must be published, from `after` on and `within` so long; or must `never` be, or so many `times`."""

    reading: Wanted | None = None
    status: Wanted | None = None
    event: Wanted | None = None
    alarm: Wanted | None = None
    result: Wanted | None = None
    contact: Wanted | None = None
    frame: Wanted | None = None
    node: Wanted | None = None
    after: Duration = 0.0
    within: Duration
    never: bool = False
    last: bool = False
    """Of each device, name or command only the last such message before the deadline counts: how it stands then."""
    times: Annotated[int | None, Field(ge=1)] = None

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"an expectation is of exactly one of {', '.join(KINDS)}")
        if not self.wanted:
            raise ValueError(
                f"without a condition on the {kinds[0]} this could hardly fail; name a field and its value"
            )
        if self.within <= 0 or self.after < 0:
            raise ValueError("`within` is longer than nothing and `after` no earlier than the beginning")
        if self.never and self.times is not None:
            raise ValueError("`never` and `times` contradict each other")
        known = {*KINDS[kinds[0]].__struct_fields__}
        for field in self.wanted:
            if kinds[0] != "reading" and field.split(".")[0] not in known:
                raise ValueError(f"a {kinds[0]} has no field {field!r}; it has {', '.join(sorted(known))}")
        self.conditions  # noqa: B018  # raises ValueError for a limit without its unit
        return self

    @property
    def kind(self) -> str:
        """The kind of message."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def wanted(self) -> Wanted:
        """Its fields as they were written."""
        found: Wanted = getattr(self, self.kind)
        return found

    @property
    def conditions(self) -> list[Condition]:
        """Its fields as conditions."""
        return [condition(field, wanted) for field, wanted in self.wanted.items()]

    @property
    def until(self) -> float:
        """The deadline, in seconds from the beginning."""
        return self.after + self.within

    @property
    def words(self) -> str:
        """For people."""
        fields = ", ".join(each.words for each in self.conditions)
        how = "never" if self.never else f"{self.times} times" if self.times else "at least once"
        which = "last " if self.last else ""
        return f"{how} a {which}{self.kind} whose {fields}, from {self.after:g} to {self.until:g} s"


class OrbitWish(Settings):
    """How a satellite really flies, whatever fleetd is told."""

    late: Duration = 0.0
    """How much later it comes along its track than by the elements that fleetd is given; negative for earlier."""
    beacon: PositiveDuration = 10.0
    """How often it sends a beacon."""


class Scenario(Settings):
    """One story of a site."""

    scenario: Name
    purpose: Annotated[str, Field(min_length=20)]
    """What somebody who reads the verdict should know of it."""
    site: str
    """The site file, relative to the scenario."""
    start: AwareDatetime
    lasts: Duration
    seed: int = 0
    simulate: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Options of the models of some devices, by device; every device that is not `real` is simulated."""
    orbits: dict[Name, OrbitWish] = Field(default_factory=dict)
    """Satellites that fly otherwise than by the elements in the site's files."""
    real: tuple[Name, ...] = ()
    """Devices that stay what the site file says: then the scenario cannot be run in virtual time."""
    timeline: tuple[Step, ...] = ()
    expect: Annotated[tuple[Expectation, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _within_its_time(self) -> Self:
        for step in self.timeline:
            if step.at >= self.lasts:
                raise ValueError(f"timeline: {step.words} comes at {step.at:g} s, when all is over")
        for each in self.expect:
            if each.until > self.lasts:
                raise ValueError(f"expect: a deadline at {each.until:g} s, when the scenario lasts {self.lasts:g} s")
        return self
