"""Plays one scenario on a stage and judges it: steps in their time, the world watched, expectations at the end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetd.clock import Clock
from fleetd_hil.scenario.invariants import NAMES, Breach, Guardian
from fleetd_hil.scenario.model import CommandStep, ControlStep, Expectation, Scenario, Step
from fleetd_hil.scenario.observer import Heard, Observer
from fleetd_hil.scenario.script import Script
from fleetd_hil.scenario.stage import Stage
from fleetd_hil.scenario.trace import Trace
from fleetd_hil.scenario.world import World, build_world, hang_sky
from fleetd_hil.virtual.broker import MemoryBroker

_LOOK_S = 0.5
_BACKLOG_WITHIN_S = 30.0  # after a scenario's end, until more of what was kept is there
_SETTLED_LOOK_S = 1.0
_ORDERS = re.compile(r"^/v1/uplink/(?P<satellite>[^/]+)/orders$")
_LONG_S = 86_400.0  # a satellite's order lives as long unless it says otherwise
_LIFE_S = 30.0  # and a robot's command so long

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
    trace: Trace = field(default_factory=Trace)
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
        hang_sky(self.world, script.site, script.scenario.orbits, script.scenario.start)
        self.guardian = Guardian(script.site, self.world, self.observer, wishes=script.scenario.orbits)
        self.guardian.orders.grace_s *= self._clock.rate
        self.trace = Trace.of(script.scenario.lasts)
        self._steps: list[tuple[float, str]] = []
        self._asked: list[Finding] = []

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
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(), name="invariants")
            for step in sorted(scenario.timeline, key=lambda step: step.at):
                await self._until(step.at)
                await self._act(step)
            await self._until(scenario.lasts)
            watching.cancel()
        await all_sent(self.stage, self.observer)
        await self.stage.leave()
        await self.guardian.end()
        return self._verdict()

    async def _until(self, at_s: float) -> None:
        if (left_s := at_s - self.after_s) > 0:
            await self._clock.sleep(left_s)

    async def _watch(self) -> None:
        while True:
            self.guardian.look(self.after_s, synced=self._clock.synced)
            self.trace.look(self.after_s, self.script.site, self.world)
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
            await self._control(step.control)
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
            case "heed":
                broker.wake()
            case _:
                broker.mute, broker.hung = what == "mute", what == "hung"

    def _command(self, wish: CommandStep) -> None:
        command_id = wish.id or f"at-{self.after_s:.0f}-s"
        if self.stage.broker.reaches(command_topic(self.script.site.site, wish.device)):  # else it is lost, id and all
            self.guardian.ordered(command_id, wish.device, wish.action, wish.expires_in)
        tell(self.stage.broker, self.script.site.site, wish.model_copy(update={"id": command_id}), issuer="scenario")

    async def _control(self, wish: ControlStep) -> None:
        body = wish.body
        if (order := _ORDERS.match(wish.post)) is not None:
            self._note_body(order["satellite"], str(body.get("order", "")), _LONG_S, body)
        elif wish.post == "/v1/commands":
            self._note_body(str(body.get("device", "")), str(body.get("action", "")), _LIFE_S, body)
        status, rule = await self.stage.post(wish.post, body)
        words = f"POST {wish.post} at {self.after_s:.0f} s is " + (
            f"refused: {wish.refused}" if wish.refused else "taken"
        )
        held = rule == wish.refused if wish.refused else status < 400
        if not wish.either:
            self._asked.append(Finding(words, held, f"answered with {status} {rule}".rstrip()))

    def _note_body(self, device: str, action: str, life_s: float, body: dict[str, Any]) -> None:
        command_id = str(body.get("id") or f"asked for at {self.after_s:.3f} s")
        self.guardian.ordered(command_id, device, action, float(body.get("expires_in_s") or life_s))

    def _verdict(self) -> Verdict:
        findings = [*(judge(each, self.observer) for each in self.script.scenario.expect), *self._asked]
        findings += [_invariant(name, self.guardian.breaches.get(name)) for name in NAMES]
        self.trace.carried = list(self.world.sky.air.carried) if self.world.sky else []
        log = list(self.observer.log())
        return Verdict(self.script.scenario, findings, self._steps, self.observer.heard, log, self.trace)


async def all_sent(stage: Stage, observer: Observer) -> None:
    """The broker is there again; returns once what was kept for it has come, or comes no more."""
    stage.broker.wake()
    await stage.broker.come()
    clock, heard = observer.clock, len(observer.heard)
    missed, until_s = -1, clock.monotonic() + _BACKLOG_WITHIN_S
    while clock.monotonic() < until_s and missed and not stage.gone():
        await clock.sleep(_SETTLED_LOOK_S)
        if len(observer.heard) > heard:  # what comes first after a while tells by its number how much was kept
            left = observer.missed(observer.heard[heard])
            until_s = clock.monotonic() + _BACKLOG_WITHIN_S if left < missed else until_s
            missed = left


def tell(broker: MemoryBroker, site: str, wish: CommandStep, *, issuer: str) -> None:
    """Publish a command, as any program of the site would."""
    body = {
        "id": wish.id,
        "action": wish.action,
        "args": wish.args,
        "issuer": issuer,
        "expires_in_s": wish.expires_in,
    }
    broker.publish(command_topic(site, wish.device), json.dumps(body).encode())


def command_topic(site: str, device: str) -> str:
    """Where commands to a device are published."""
    return f"fleetd/{site}/{device}/command"


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
