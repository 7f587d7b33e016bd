"""A small street network: numbered stops, the streets between them, the shortest way, and where on it something is.

Stops 1 to 3 stand where the demo's site file has its places; the rest are drawn from the seed around them, so that
every process with the same seed drives in the same town. Flat-earth geometry: right to centimetres over a kilometre.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_METRES_PER_DEGREE = math.pi / 180 * 6_371_008.8  # of latitude, on a sphere of the earth's mean radius

DEMO_STOPS: Mapping[int, tuple[float, float]] = {
    1: (30.3010, 120.0800),
    2: (30.3052, 120.0841),
    3: (30.2985, 120.0868),
}
_CENTRE = (30.302, 120.083)
_SPREAD_M = 700.0
_NEIGHBOURS = 2


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the ground in degrees, and the number of the stop there, 0 where there is none."""

    latitude_deg: float
    longitude_deg: float
    stop: int = 0

    def offset_m(self, other: Point) -> tuple[float, float]:
        """How far `other` lies to the north and to the east, in metres."""
        north = (other.latitude_deg - self.latitude_deg) * _METRES_PER_DEGREE
        shrink = math.cos(math.radians((self.latitude_deg + other.latitude_deg) / 2))
        return north, (other.longitude_deg - self.longitude_deg) * _METRES_PER_DEGREE * shrink

    def distance_m(self, other: Point) -> float:
        """The straight way to `other`, in metres."""
        return math.hypot(*self.offset_m(other))


class Route:
    """A way from point to point; places on it are named by the distance driven, in metres."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = tuple(points)
        self._starts_m = [0.0]
        for behind, ahead in pairwise(self.points):
            self._starts_m.append(self._starts_m[-1] + behind.distance_m(ahead))

    @property
    def length_m(self) -> float:
        """The whole way."""
        return self._starts_m[-1]

    def leg(self, driven_m: float) -> tuple[Point, Point]:
        """The points behind and ahead; twice the last one at the end."""
        index = self._index(driven_m)
        return self.points[index], self.points[min(index + 1, len(self.points) - 1)]

    def place(self, driven_m: float) -> Point:
        """Where one is after `driven_m`; a stop only if just at one."""
        index = self._index(driven_m)
        behind, ahead = self.leg(driven_m)
        street_m = behind.distance_m(ahead)
        share = (driven_m - self._starts_m[index]) / street_m if street_m else 0.0
        if share <= 0:
            return behind
        return Point(
            behind.latitude_deg + share * (ahead.latitude_deg - behind.latitude_deg),
            behind.longitude_deg + share * (ahead.longitude_deg - behind.longitude_deg),
        )

    def heading_deg(self, driven_m: float) -> float | None:
        """The street's direction, clockwise from north, 0 up to 360; None on a route without length."""
        index = min(self._index(driven_m), len(self.points) - 2)
        if index < 0 or not self.length_m:
            return None
        north_m, east_m = self.points[index].offset_m(self.points[index + 1])
        return math.degrees(math.atan2(east_m, north_m)) % 360.0

    def last_stop(self, driven_m: float) -> int:
        """The number of the last stop passed, 0 if none yet."""
        passed = (point.stop for point in reversed(self.points[: self._index(driven_m) + 1]))
        return next((stop for stop in passed if stop), 0)

    def _index(self, driven_m: float) -> int:
        """The number of the street that one is on; the last point's own at the end."""
        index = 0
        while index + 1 < len(self._starts_m) and self._starts_m[index + 1] <= driven_m:
            index += 1
        return index


class Streets:
    """Stops and the streets between them; every stop can be reached from every other."""

    def __init__(self, stops: Iterable[Point], neighbours: int = _NEIGHBOURS) -> None:
        self.stops = {stop.stop: stop for stop in stops}
        self._streets: dict[int, set[int]] = {number: set() for number in self.stops}
        self._span()
        for number, stop in self.stops.items():
            others = sorted((stop.distance_m(other), other.stop) for other in self.stops.values() if other is not stop)
            for _, nearest in others[:neighbours]:
                self._join(number, nearest)

    @classmethod
    def of_seed(cls, seed: int, count: int = 20) -> Streets:
        """The town of a seed: `count` stops, of which the first three are the demo's."""
        draw = random.Random(f"streets {seed}")
        degrees = _SPREAD_M / _METRES_PER_DEGREE
        stops = [Point(*DEMO_STOPS[number], number) for number in DEMO_STOPS]
        for number in range(len(stops) + 1, count + 1):
            north, east = draw.uniform(-degrees, degrees), draw.uniform(-degrees, degrees)
            stops.append(Point(round(_CENTRE[0] + north, 6), round(_CENTRE[1] + east, 6), number))
        return cls(stops[:count])

    def way(self, start: int, end: int) -> list[Point]:
        """The shortest way from stop to stop, both included (Dijkstra)."""
        best = {start: 0.0}
        before: dict[int, int] = {}
        queue = [(0.0, start)]
        while queue and queue[0][1] != end:
            length_m, here = heapq.heappop(queue)
            for there in self._streets[here]:
                through_m = length_m + self.stops[here].distance_m(self.stops[there])
                if through_m < best.get(there, math.inf):
                    best[there], before[there] = through_m, here
                    heapq.heappush(queue, (through_m, there))
        numbers = [end]
        while numbers[-1] != start:
            numbers.append(before[numbers[-1]])
        return [self.stops[number] for number in reversed(numbers)]

    def route(self, route: Route, driven_m: float, to: int) -> Route:
        """From where one is on `route` to stop `to`, without leaving the streets; the shorter way round."""
        here = route.place(driven_m)
        if here.stop:
            return Route(self.way(here.stop, to))
        ends = {point.stop for point in route.points if point.stop} & {point.stop for point in route.leg(driven_m)}
        choices = [Route([here, *self.way(end, to)]) for end in sorted(ends)]
        return min(choices, key=lambda choice: choice.length_m)

    def _span(self) -> None:
        """Join all stops by the shortest streets that reach every one (Prim)."""
        reached, left = set(sorted(self.stops)[:1]), set(sorted(self.stops)[1:])
        while left:
            _, here, there = min((self.stops[a].distance_m(self.stops[b]), a, b) for a in reached for b in left)
            self._join(here, there)
            reached.add(there)
            left.discard(there)

    def _join(self, a: int, b: int) -> None:
        self._streets[a].add(b)
        self._streets[b].add(a)
