"""From a seed and a number to a case: the same two give the same case, to the letter."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from fleetd_hil.explore.calm import LOOK_S, RECOVERY_S
from fleetd_hil.explore.case import Case
from fleetd_hil.explore.sites import compose_site
from fleetd_hil.explore.sky import compose_sky
from fleetd_hil.explore.story import SHORTEST_CALM_S, Storyteller, sources

_LONGEST_PASS_S = 420.0


def compose(seed: int, number: int) -> Case:
    """Case `number`, from 1, of a search with this seed."""
    draw = Random(f"fleetd {seed} {number}")  # no secret
    sky = compose_sky(draw)
    site, simulate = compose_site(draw, sky)
    aos_s = draw.choice((60.0, 150.0, 240.0)) + draw.randint(0, 30)
    start = (sky.aos - timedelta(seconds=aos_s)).replace(microsecond=0)
    calm_s = aos_s + min((sky.los - sky.aos).total_seconds(), _LONGEST_PASS_S) * draw.choice((0.5, 1.0, 1.0))
    calm_s = max(SHORTEST_CALM_S, float(round(calm_s)))
    return Case(
        name=f"seed-{seed}-case-{number}",
        site=site,
        elements=sky.elements | sources(sky),
        start=f"{start:%Y-%m-%dT%H:%M:%SZ}",
        seed=draw.randint(0, 1_000_000),
        timeline=Storyteller(draw, site, sky, calm_s, aos_s).tell(),
        calm_s=calm_s,
        lasts_s=calm_s + RECOVERY_S + LOOK_S,
        simulate=simulate,
    )
