"""How an antenna is sent along a path: where to at each tick, and when a move is worth sending. No I/O.

A controller is told places, not speeds, and stands still once it is there. On a slow path it is sent to where the path
will be half a period on, which leaves it as much ahead as behind; on a stretch at full rate so far ahead that it never
brakes before the next order comes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fleetd.contact.axis import Axes, AxisPath
from fleetd.devices import AzEl

_AT_FULL_RATE = 0.85
_HOUR_S = 3600.0
_SPARING_SHARE = 0.25


def aim(path: AxisPath, now: datetime, period_s: float, axes: Axes) -> AzEl:
    """Where to send the antenna now, if the next order can follow in `period_s`."""
    here, soon = path.at(now), path.at(now + timedelta(seconds=period_s / 2))
    return AzEl(
        _aim_of_axis(path, now, period_s, here.azimuth_deg, soon.azimuth_deg, axes.azimuth_pace, azimuth=True),
        _aim_of_axis(path, now, period_s, here.elevation_deg, soon.elevation_deg, axes.elevation_pace, azimuth=False),
    )


def _aim_of_axis(
    path: AxisPath,
    now: datetime,
    period_s: float,
    here: float,
    soon: float,
    pace: tuple[float, float],
    *,
    azimuth: bool,
) -> float:
    slew, acceleration = pace
    ahead_s = period_s + (slew / acceleration if math.isfinite(acceleration) else 0.0)

    def on(after_s: float) -> float:
        there = path.at(now + timedelta(seconds=after_s))
        return there.azimuth_deg if azimuth else there.elevation_deg

    there, halfway = on(ahead_s), on(ahead_s / 2)
    # Where it will run at full rate before the next order could tell: else it sets out late, and cannot catch up.
    at_full_rate = abs(there - here) >= _AT_FULL_RATE * slew * ahead_s
    soon_at_it = abs(there - halfway) >= _AT_FULL_RATE * slew * ahead_s / 2
    return there if at_full_rate or soon_at_it else soon


@dataclass(slots=True)
class Thrift:
    """Which moves of one antenna are worth sending: none inside the dead band, none too soon, and so many an hour.

    Of an hour's moves the last quarter is spent sparingly, spread over the time until older ones are an hour old.
    """

    dead_band_deg: float = 0.0
    min_interval_s: float = 0.0
    most_an_hour: int | None = None
    _sent_s: deque[float] = field(default_factory=deque)

    def worth(self, target: AzEl, commanded: AzEl | None, now_s: float) -> bool:
        """Whether to send it to `target` now, having sent it to `commanded` last (None: nowhere that still holds)."""
        if commanded is None:
            return True  # it may stand or drift anywhere: no thrift before it is under command
        apart_deg = max(
            abs(target.azimuth_deg - commanded.azimuth_deg), abs(target.elevation_deg - commanded.elevation_deg)
        )
        if target == commanded or apart_deg < self.dead_band_deg:
            return False
        interval_s = self.interval_s(now_s)
        if self.most_an_hour is not None and len(self._sent_s) >= self.most_an_hour:
            return False
        return not self._sent_s or now_s - self._sent_s[-1] >= interval_s

    def interval_s(self, now_s: float) -> float:
        """The least time between two moves at present."""
        if self.most_an_hour is None:
            return self.min_interval_s
        self._forget(now_s)
        left = self.most_an_hour - len(self._sent_s)
        if left > self.most_an_hour * _SPARING_SHARE:
            return self.min_interval_s
        refilled_s = self._sent_s[0] + _HOUR_S - now_s
        return max(self.min_interval_s, refilled_s / (left + 1))

    @property
    def sparing(self) -> bool:
        """Whether so little is left of the hour's moves that they are sent more seldom."""
        return self.most_an_hour is not None and len(self._sent_s) >= self.most_an_hour * (1 - _SPARING_SHARE)

    def sent(self, now_s: float) -> None:
        """A move was sent, by whomever."""
        self._sent_s.append(now_s)
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        keep = 1 if self.most_an_hour is None else self.most_an_hour
        while len(self._sent_s) > 1 and (now_s - self._sent_s[0] >= _HOUR_S or len(self._sent_s) > keep):
            self._sent_s.popleft()
