"""What motors make of a course: never faster than they can, leading and lagging alike, gaining speed gradually.

Pure functions over samples of one axis, in degrees a sample.
"""

from __future__ import annotations

import math

import numpy as np

from fleetd.contact.axis import Angles

_SAME_DEG = 1e-6


def at_rate(wanted: Angles, most_a_step: float) -> Angles:
    """What a motor that turns at most `most_a_step` a sample makes of `wanted`, leading and lagging alike.

    It equals `wanted` wherever that is slow enough. A stretch that is not is crossed at full rate, begun early by as
    much as it ends late, so that its largest error is the least possible. Nothing leaves the extremes of `wanted`.
    """
    # The lowest curve above `wanted` that a motor can follow, and the highest below it: they part where it is too fast.
    above, below = raised(wanted, most_a_step), -raised(-wanted, most_a_step)
    gap = above - below
    led = wanted.copy()
    for first, last in np.flatnonzero(np.diff(gap > _SAME_DEG, prepend=False, append=False)).reshape(-1, 2):
        part = slice(first, last)
        least_error = gap[part].max() / 2
        led[part] = np.clip(wanted[part], above[part] - least_error, below[part] + least_error)
    return _lagged(led, most_a_step)


def raised(floor: Angles, most_a_step: float) -> Angles:
    """The lowest curve nowhere below `floor` that a motor can follow: it sets out early enough for every rise."""
    ramp = np.arange(len(floor)) * most_a_step
    rising, falling = floor + ramp, floor - ramp
    late = np.maximum.accumulate(rising) - ramp
    early = np.maximum.accumulate(falling[::-1])[::-1] + ramp
    return np.asarray(np.maximum(late, early))


def eased(path: Angles, step_s: float, slew_deg_s: float, acceleration_deg_s2: float) -> Angles:
    """A path within the slew rate with its kinks rounded, so that speed is gained and lost no faster than it can be.

    Averaged over the time that the greatest change of speed in it takes; nothing is shifted in time, nor faster, nor
    beyond the extremes of `path`. What is slow to change already stays as it is.
    """
    most = acceleration_deg_s2 * step_s**2 * (1 + 1e-9)
    if acceleration_deg_s2 == math.inf or np.abs(np.diff(path, 2)).max(initial=0.0) <= most:
        return path
    averaged = path
    for half in range(1, math.ceil(slew_deg_s / acceleration_deg_s2 / step_s) + 2):
        averaged = _averaged(path, half)
        if np.abs(np.diff(averaged, 2)).max(initial=0.0) <= most:
            break
    return averaged


def _averaged(path: Angles, half: int) -> Angles:
    """The mean of each sample and `half` of them on either side; beyond its ends a path stands still."""
    width = 2 * half + 1
    padded = np.concatenate(([0.0], np.full(half, path[0]), path, np.full(half, path[-1])))
    sums = np.cumsum(padded)
    return np.asarray((sums[width:] - sums[:-width]) / width)


def _lagged(wanted: Angles, most_a_step: float) -> Angles:
    """`wanted` followed as fast as allowed: the last resort where several fast stretches run into one another."""
    if len(wanted) < 2 or np.abs(np.diff(wanted)).max() <= most_a_step + _SAME_DEG:
        return wanted
    followed = wanted.tolist()
    for index in range(1, len(followed)):
        behind = followed[index - 1]
        followed[index] = min(max(followed[index], behind - most_a_step), behind + most_a_step)
    return np.array(followed)
