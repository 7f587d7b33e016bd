"""Plays one scenario on a stage and judges it: steps in their time, the world watched, expectations at the end."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetd.clock import Clock
from fleetd.config.site import Site, load_site
from fleetd.errors import ConfigError
from fleetd.strictyaml import load_strict, validate
from fleetd_hil.scenario.invariants import NAMES, Breach, Guardian
from fleetd_hil.scenario.model import CommandStep, Expectation, Scenario, Step
from fleetd_hil.scenario.observer import Heard, Observer
from fleetd_hil.scenario.stage import Stage
from fleetd_hil.scenario.world import World, build_world
from fleetd_hil.virtual.broker import MemoryBroker

_LOOK_S = 0.5
_COMMAND_LIFE_S = 60.0

Told = Callable[[float, str], None]
"""Hears how far it is: seconds of the scenario, and what happens."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation or invariant, and whether it held."""

    words: str
    held: bool
    evidence: str = ""


@dataclass
class Verdict:
    """What came of one scenario."""

    scenario: Scenario
    findings: list[Finding] = field(default_factory=list)
    steps: list[tuple[float, str]] = field(default_factory=list)
    heard: Sequence[Heard] = ()
    log: Sequence[str] = ()
    wall_s: float = 0.0
    """Real seconds that it took."""

    @property
    def name(self) -> str:
        """The scenario's."""
        return self.scenario.scenario

    @property
    def word(self) -> str:
        """'passed' or 'failed'."""
        return "passed" if self.passed else "failed"

    @property
    def line(self) -> str:
        """For people who wait."""
        minutes, messages = self.scenario.lasts / 60, len(self.heard)
        return f"{self.word}  {self.name}: {minutes:g} min in {self.wall_s:.1f} s, {messages} messages"

    @property
    def fingerprint(self) -> str:
        """Of the log: the same for the same scenario in virtual time."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return bool(self.findings) and all(finding.held for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Script:
    """A scenario with its files."""

    scenario: Scenario
    file: Path
    site: Site


def read_script(file: Path) -> Script:
    """Raises ConfigError with every fault by file, line and reason."""
    data, positions = load_strict(file)
    scenario = validate(Scenario, data, positions)
    if ".." in Path(scenario.site).parts:
        raise ConfigError(positions.line(("site",), "the site file lies beside the scenario or below it"))
    site = load_site(file.parent / scenario.site)
    faults = [
        positions.line(("timeline", index), fault)
        for index, step in enumerate(scenario.timeline)
        for fault in _step_faults(step, site, scenario, file.parent)
    ]
    names = {device.name for device in site.devices}
    for index, each in enumerate(scenario.expect):
        device = each.wanted.get("device")
        if each.kind in ("reading", "status", "result") and device not in {*names, None}:
            faults.append(positions.line(("expect", index), f"{device!r} is no device of the site"))
    if faults:
        raise ConfigError(faults)
    try:
        world = build_world(site, scenario.real, scenario.simulate, scenario.seed)
        for step in scenario.timeline:
            if step.fault is not None and step.of is not None:
                world.inject(step.of, step.fault, 0.0)
    except ConfigError as error:
        raise ConfigError([f"{file}: {problem}" for problem in error.problems]) from None
    return Script(scenario, file, site)


def _step_faults(step: Step, site: Site, scenario: Scenario, folder: Path) -> list[str]:
    simulated = {device.name for device in site.devices} - set(scenario.real)
    if step.of is not None and step.of not in simulated:
        return [f"{step.of!r} is no simulated device of the site; there are {', '.join(sorted(simulated))}"]
    if step.command is not None and step.command.device not in {device.name for device in site.devices}:
        return [f"{step.command.device!r} is no device of the site"]
    if step.write is not None and not (folder / step.write.source).is_file():
        return [f"there is no file {step.write.source!r} beside the scenario"]
    return []


class Player:
    """One performance."""

    def __init__(self, script: Script, stage: Stage, told: Told = lambda _at, _what: None) -> None:
        self.script = script
        self.stage = stage
        self._told = told
        self._clock: Clock = stage.clock
        self.observer = Observer(self._clock)
        self.world: World = build_world(
            script.site, script.scenario.real, script.scenario.simulate, script.scenario.seed
        )
        self.guardian = Guardian(script.site, self.world, self.observer)
        self._steps: list[tuple[float, str]] = []

    @property
    def after_s(self) -> float:
        """Seconds since the beginning, which is the zero of a stage's running time."""
        return self._clock.monotonic()

    async def play(self) -> Verdict:
        """From beginning to end. Raises FleetError when the daemon cannot be had at all."""
        scenario = self.script.scenario
        self.stage.broker.taps.append(self.observer.hear)
        await self.stage.place(self.world)
        await self.stage.begin()
        await self._until(0.0)
        watching = asyncio.create_task(self._watch(), name="invariants")
        try:
            for step in sorted(scenario.timeline, key=lambda step: step.at):
                await self._until(step.at)
                await self._act(step)
            await self._until(scenario.lasts)
        finally:
            watching.cancel()
        self.stage.broker.mute = False
        await self.stage.broker.come()
        await self.stage.leave()
        self.guardian.last_look(self.after_s)
        return self._verdict()

    async def _until(self, at_s: float) -> None:
        if (left_s := at_s - self.after_s) > 0:
            await self._clock.sleep(left_s)

    async def _watch(self) -> None:
        while True:
            self.guardian.look(self.after_s, synced=self._clock.synced)
            self._told(self.after_s, "")
            await self._clock.sleep(_LOOK_S)

    async def _act(self, step: Step) -> None:
        self._steps.append((self.after_s, step.words))
        self._told(self.after_s, step.words)
        if step.of is not None and step.fault is not None:
            self.world.inject(step.of, step.fault, self._clock.monotonic())
        elif step.of is not None and step.clear is not None:
            self.world.clear(step.of, step.clear)
        elif step.broker is not None:
            await self._broker(step.broker)
        elif isinstance(step.clock, float):
            self.stage.step_clock(step.clock)
        elif step.clock is not None:
            self.stage.trust_clock(step.clock == "synchronised")
        elif step.command is not None:
            self._command(step.command)
        elif step.control is not None:
            await self.stage.post(step.control.post, step.control.body)
        elif step.write is not None:
            self.stage.put(self.script.file.parent / step.write.source, step.write.file)
        elif step.daemon is not None:
            await (self.stage.power_cut() if step.daemon == "power-cut" else self.stage.leave())
            await self.stage.begin()

    async def _broker(self, what: str) -> None:
        broker = self.stage.broker
        match what:
            case "away":
                broker.go()
            case "back":
                await broker.come()
            case _:
                broker.mute = what == "mute"

    def _command(self, wish: CommandStep) -> None:
        named = wish if wish.id else wish.model_copy(update={"id": f"at-{self.after_s:.0f}-s"})
        tell(self.stage.broker, self.script.site.site, named, issuer="scenario")

    def _verdict(self) -> Verdict:
        findings = [judge(each, self.observer) for each in self.script.scenario.expect]
        findings += [_invariant(name, self.guardian.breaches.get(name)) for name in NAMES]
        return Verdict(self.script.scenario, findings, self._steps, self.observer.heard, list(self.observer.log()))


def tell(broker: MemoryBroker, site: str, wish: CommandStep, *, issuer: str) -> None:
    """Publish a command, as any program of the site would."""
    body = {
        "id": wish.id,
        "action": wish.action,
        "args": wish.args,
        "issuer": issuer,
        "expires_in_s": _COMMAND_LIFE_S,
    }
    broker.publish(f"fleetd/{site}/{wish.device}/command", json.dumps(body).encode())


def judge(each: Expectation, observer: Observer) -> Finding:
    """Whether what was heard is what was expected."""
    conditions = each.conditions
    found = [message for message in _inside(each, observer) if message.fits(conditions)]
    held = not found if each.never else len(found) == each.times if each.times else bool(found)
    if found:
        evidence = f"{len(found)} of them, the first after {found[0].after_s:.1f} s"
    else:
        evidence = _nearest(each, observer) if not each.never else "none came"
    return Finding(each.words, held, evidence)


def _inside(each: Expectation, observer: Observer) -> list[Heard]:
    """The messages that count."""
    inside = [message for message in observer.of(each.kind) if each.after <= message.after_s <= each.until]
    return list({message.about: message for message in inside}.values()) if each.last else inside


def _nearest(each: Expectation, observer: Observer) -> str:
    """Of what came in that time, the message that fits best: what somebody would look for next."""
    conditions = each.conditions
    inside = _inside(each, observer)
    if not inside:
        return f"no {each.kind} at all came in that time"
    whose = [one for one in conditions if one.field in ("device", "source", "name", "id", "satellite")]
    best = max(
        inside, key=lambda message: [sum(one.holds(message.value(one.field)) for one in x) for x in (whose, conditions)]
    )
    off = [one for one in conditions if not one.holds(best.value(one.field))]
    if not off:
        return "none came"
    return "nearest: " + ", ".join(f"{one.field} was {best.value(one.field)!r}" for one in off)


def _invariant(name: str, breach: Breach | None) -> Finding:
    if breach is None:
        return Finding(name, held=True)
    return Finding(name, held=False, evidence=f"after {breach.after_s:.1f} s {breach.words}")
