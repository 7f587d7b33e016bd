"""`make bench-pointing`: seconds off the beam over 2,000 random passes, against two rules of the field.

Of all three alike the seconds are taken off that no antenna could have spared (`least`); both figures are told.
Simulated time; the rotator behind all three is the same model, its controller knows whole degrees, and every order
passes the daemon's own interlock. Written to build/bench-pointing.json and docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.flyovers import EPOCH, KINDS, STEP_S, ZENITH_DEG, Flyover, flyovers, random_mask
from bench.least import least_off_beam_s
from bench.page import publish
from bench.trackers import BEAM_WIDTH_DEG, PERIOD_S, FixedFlip, NearestAlias, Planned, Tracker
from fleetd.clock import VirtualClock
from fleetd.contact.axis import Axes
from fleetd.contact.interlock import Interlock
from fleetd.contact.settings import AccelerationSettings, AntennaSettings, DirectionSettings, SlewSettings
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Refusal
from fleetd.orbit.horizon import HorizonMask
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel

SEED = 2026
RULES = {"fleetd": Planned, "nearest_alias": NearestAlias, "fixed_flip": FixedFlip}
TICK = round(PERIOD_S / STEP_S)


def say(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def gate(axes: Axes, mask: HorizonMask | None) -> Interlock:
    """The daemon's interlock of an antenna with these axes."""
    settings = AntennaSettings(
        name="dish",
        rotator="rotator",
        azimuth_limits_deg=(axes.azimuth_min_deg, axes.azimuth_max_deg),
        elevation_limits_deg=(axes.elevation_min_deg, axes.elevation_max_deg),
        slew_deg_s=SlewSettings(azimuth=axes.azimuth_slew_deg_s, elevation=axes.elevation_slew_deg_s),
        acceleration_deg_s2=AccelerationSettings(
            azimuth=axes.azimuth_acceleration_deg_s2, elevation=axes.elevation_acceleration_deg_s2
        ),
        park=DirectionSettings(azimuth_deg=axes.azimuth_min_deg, elevation_deg=90.0),
        mask_deg=mask.points if mask else (),
    )
    made = Interlock(settings, VirtualClock(EPOCH))
    made.controller = RotatorLimits(*settings.azimuth_limits_deg, *settings.elevation_limits_deg, axes.resolution_deg)
    return made


def allowed(at: AzEl, axes: Axes, mask: HorizonMask | None) -> bool:
    """Whether limits and mask allow a position, reckoned apart from the interlock."""
    azimuth, elevation = at.azimuth_deg, at.elevation_deg
    if not (axes.azimuth_min_deg <= azimuth <= axes.azimuth_max_deg):
        return False
    if not (axes.elevation_min_deg <= elevation <= axes.elevation_max_deg):
        return False
    if mask is None:
        return True
    over = elevation > ZENITH_DEG
    return (180 - elevation if over else elevation) >= _height(mask, azimuth + 180 * over) - 1e-6


def _height(mask: HorizonMask, azimuth_deg: float) -> float:
    """The mask by hand: the straight line between the two points on either side."""
    azimuth_deg %= 360
    points = mask.points
    around = [(points[-1][0] - 360, points[-1][1]), *points, (points[0][0] + 360, points[0][1])]
    for (first, low), (last, high) in itertools.pairwise(around):
        if first <= azimuth_deg <= last:
            return low + (high - low) * (azimuth_deg - first) / (last - first) if last > first else low
    raise ValueError(f"azimuth {azimuth_deg} lies between no two points")


@dataclass(slots=True)
class Followed:
    """What came of one pass."""

    off_beam_s: float = 0.0
    violations: int = 0
    rewinds: int = 0


def follow(over: Flyover, tracker: Tracker) -> Followed:
    """Turn a simulated rotator as a tracker says, from where it waits, and count."""
    axes, interlock, followed = over.axes, gate(over.axes, over.mask), Followed()
    model = _rotator(axes, interlock.shown_for(tracker.start))
    in_sight, sent, turn_on_beam = over.in_sight, None, None
    for step in range(len(over.azimuth_deg)):
        stands = AzEl(model.azimuth.position_deg, model.elevation.position_deg)
        if step % TICK == 0:
            sent = _order(interlock, model, tracker.target(step, stands), sent, stands)
            followed.violations += sent is not None and not allowed(sent, axes, over.mask)
        apart_deg = _apart_deg(over, step, stands)
        if in_sight[step]:
            if apart_deg > BEAM_WIDTH_DEG / 2:
                followed.off_beam_s += STEP_S
            else:
                turn = _turn(over, step, stands)
                followed.rewinds += turn_on_beam is not None and turn[1] == turn_on_beam[1] and turn != turn_on_beam
                turn_on_beam = turn
        model.step(STEP_S)
    return followed


def _rotator(axes: Axes, at: AzEl) -> RotatorModel:
    azimuth = AxisBuild(axes.azimuth_min_deg, axes.azimuth_max_deg, *axes.azimuth_pace)
    elevation = AxisBuild(axes.elevation_min_deg, axes.elevation_max_deg, *axes.elevation_pace)
    return RotatorModel(RotatorBuild(azimuth, elevation, at.azimuth_deg, at.elevation_deg))


def _order(interlock: Interlock, model: RotatorModel, to: AzEl, sent: AzEl | None, stands: AzEl) -> AzEl | None:
    """Send the model where the interlock lets it go; returns where that is."""
    try:
        target = interlock.shown_for(to)
        interlock.check(target, by_time=True)
        turn = interlock.turn(stands, target)
    except Refusal:
        return sent
    if turn != sent:
        model.azimuth.go(turn.azimuth_deg)
        model.elevation.go(turn.elevation_deg)
    return turn


def _apart_deg(over: Flyover, step: int, stands: AzEl) -> float:
    return stands.separation_deg(AzEl(float(over.azimuth_deg[step]), float(over.elevation_deg[step])))


def _turn(over: Flyover, step: int, stands: AzEl) -> tuple[int, bool]:
    """Which whole turn of the azimuth it looks at the satellite from, and whether leaning over."""
    leaning = stands.elevation_deg > ZENITH_DEG
    return round((stands.azimuth_deg - 180 * leaning - float(over.azimuth_deg[step])) / 360), leaning


@dataclass(slots=True)
class Totals:
    """Of many passes."""

    in_all_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RULES, 0.0))
    """Seconds off the beam, the unavoidable ones among them."""
    least_s: float = 0.0
    """Seconds off the beam that no antenna with such axes could have spared."""
    rewinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    avoidable_rewinds: int = 0
    violations: int = 0
    plan_ms: list[float] = field(default_factory=list)

    def work(self, over: Flyover) -> None:
        """Follow one pass by each rule."""
        lost_s = []
        for rule, make in RULES.items():
            tracker = make(over)
            followed = follow(over, tracker)
            lost_s.append(followed.off_beam_s)
            self.in_all_s[rule] += followed.off_beam_s
            self.rewinds[rule] += followed.rewinds
            if isinstance(tracker, Planned):
                self.plan_ms.append(tracker.plan_ms)
                self.violations += followed.violations
                self.avoidable_rewinds += over.has_a_way and followed.rewinds > 0 and followed.off_beam_s > 0
        self.least_s += _least_s(over, min(lost_s))

    @property
    def off_beam_s(self) -> dict[str, float]:
        """Seconds off the beam that could have been spared."""
        return {rule: round(in_all_s - self.least_s, 1) for rule, in_all_s in self.in_all_s.items()}


def _least_s(over: Flyover, lost_s: float) -> float:
    """What nobody could have spared; raises ArithmeticError where somebody did, which would disprove it."""
    if lost_s == 0:
        return 0.0
    least_s = least_off_beam_s(over, BEAM_WIDTH_DEG / 2)
    if least_s > lost_s:
        raise ArithmeticError(f"{lost_s} s were lost of a pass of which {least_s} s must be lost, from {over.begin} on")
    return least_s


def passes(count: int, seed: int) -> Totals:
    """Work so many passes."""
    totals = Totals()
    for number, over in enumerate(itertools.islice(flyovers(seed), count), start=1):
        totals.work(over)
        if number % 100 == 0:
            told = ", ".join(f"{rule} {off_s:.0f} s" for rule, off_s in totals.off_beam_s.items())
            say(f"{number} passes: {told}, and {totals.least_s:.0f} s of each that nobody could have spared")
    return totals


def random_targets(count: int, seed: int) -> int:
    """How many of so many random targets the interlock lets through although limits or mask forbid them."""
    rng = random.Random(seed)  # to be repeated, not to be secret
    let_through = 0
    wild = (math.nan, math.inf, -math.inf, 1e300, -1e-300)
    for number in range(count):
        if number % 10_000 == 0:
            azimuth, elevation = rng.choice(KINDS)
            axes = Axes(*azimuth, *elevation, 3.0, 3.0, 3.0, 3.0, rng.choice((0.1, 0.5, 1.0)))
            mask = random_mask(rng)
            interlock = gate(axes, mask)
        to = AzEl(rng.uniform(-400, 800), rng.uniform(-30, 210))
        if number % 100 == 0:  # some are no directions at all
            to = rng.choice((AzEl(rng.choice(wild), to.elevation_deg), AzEl(to.azimuth_deg, rng.choice(wild))))
        try:
            shown = interlock.shown_for(to)
            interlock.check(shown, by_time=False)
        except Refusal:
            continue
        let_through += not allowed(shown, axes, mask)
    return let_through


def table(result: dict[str, Any]) -> str:
    """The page's section."""
    spared, in_all, least_s = result["off_beam_s"], result["in_all_s"], result["least_s"]

    def row(title: str, figures: Iterable[str]) -> str:
        return f"| {title} | {' | '.join(figures)} |"

    rows = [
        row(f"off the beam in {result['passes']:,} passes", RULES),
        "|---|" + "---|" * len(RULES),
        row("that could have been spared", (f"{spared[rule]:,.0f} s" for rule in RULES)),
        row("as often as fleetd", (f"{spared[rule] / max(spared['fleetd'], 0.5):.1f}" for rule in RULES)),
        row("that nobody could have spared", (f"{least_s:,.0f} s" for _ in RULES)),
        row("in all", (f"{in_all[rule]:,.0f} s" for rule in RULES)),
        row("in all, as often as fleetd", (f"{in_all[rule] / max(in_all['fleetd'], 0.5):.1f}" for rule in RULES)),
        row("turned round in mid pass", (str(result["rewinds"][rule]) for rule in RULES)),
        "",
        f"Turned round although it could be avoided: {result['avoidable_rewinds']}.",
        f"Positions sent outside limits or mask, random targets included: {result['violations']}.",
        f"CPU time of the plan of one pass: {result['plan_ms_p50']} ms, 99 of 100 {result['plan_ms_p99']} ms at most.",
    ]
    return "\n".join(rows)


def main() -> None:
    """Run everything; some ten minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=2000)
    parser.add_argument("--targets", type=int, default=1_000_000)
    parser.add_argument("--dry", action="store_true", help="print the figures and write nothing")
    options = parser.parse_args()
    totals = passes(options.passes, SEED)
    say(f"{options.targets:,} random targets ...")
    plan_ms = np.percentile(totals.plan_ms, (50, 99))
    result = {
        "off_beam_s": totals.off_beam_s,
        "avoidable_rewinds": totals.avoidable_rewinds,
        "violations": totals.violations + random_targets(options.targets, SEED),
        "plan_ms_p99": round(float(plan_ms[1]), 1),
        "plan_ms_p50": round(float(plan_ms[0]), 1),
        "in_all_s": {rule: round(in_all_s, 1) for rule, in_all_s in totals.in_all_s.items()},
        "least_s": round(totals.least_s, 1),
        "passes": options.passes,
        "targets": options.targets,
        "rewinds": totals.rewinds,
    }
    section = table(result)
    say(section)
    if not options.dry:
        say(f"written to {publish('pointing', result, section)}")


if __name__ == "__main__":
    main()
