"""Weather that changes slowly: each quantity is a sum of waves with seeded phases, so any instant can be asked for.

Plausible, not meteorology: the day's warmth, passing fronts of some hours, gusts over a mean wind, showers when it is
damp. A gale can be imposed. Not here: sensors and their ways to fail.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

_DAY_S = 86_400.0
_SUM_STEP_S = 60.0  # rain is summed up in steps of this length


class Wave:
    """A mean with waves upon it: (amplitude, period in seconds) each, with phases drawn once."""

    def __init__(self, mean: float, waves: Sequence[tuple[float, float]], draw: random.Random) -> None:
        self.mean = mean
        turn = 2 * math.pi
        self._waves = [(amplitude, turn / period_s, draw.uniform(0, turn)) for amplitude, period_s in waves]

    def at(self, seconds: float) -> float:
        """The value at an instant."""
        return self.mean + sum(amplitude * math.sin(rate * seconds + phase) for amplitude, rate, phase in self._waves)


class WeatherModel:
    """The weather at one place. `gale_m_s`, when not 0, is what the mean wind is raised to."""

    def __init__(self, seed: int = 0, *, wind_m_s: float = 4.0, temperature_c: float = 16.0) -> None:
        draw = random.Random(f"weather {seed}")
        self.seconds = 0.0
        self.gale_m_s = 0.0
        self.rain_mm = 0.0
        self._wind = Wave(wind_m_s, [(0.4 * wind_m_s, 5 * 3600), (0.25 * wind_m_s, 1500)], draw)
        self._gust = Wave(1.45, [(0.15, 700), (0.1, 90)], draw)
        self._direction = Wave(135.0, [(60.0, 9 * 3600), (12.0, 1100)], draw)
        self._temperature = Wave(temperature_c, [(4.5, _DAY_S), (1.0, 7 * 3600), (0.2, 600)], draw)
        self._humidity = Wave(68.0, [(15.0, _DAY_S), (14.0, 11 * 3600)], draw)
        self._pressure = Wave(1014.0, [(6.0, 3 * _DAY_S), (0.8, _DAY_S / 2)], draw)

    @property
    def wind_speed_m_s(self) -> float:
        """The mean wind."""
        return max(0.0, self._wind.at(self.seconds), self.gale_m_s)

    @property
    def gust_m_s(self) -> float:
        """The strongest of the last minutes."""
        return self.wind_speed_m_s * max(1.0, self._gust.at(self.seconds))

    @property
    def wind_direction_deg(self) -> float:
        """Where the wind comes from, clockwise from north, 0 up to 360."""
        return self._direction.at(self.seconds) % 360.0

    @property
    def temperature_c(self) -> float:
        """Of the air."""
        return self._temperature.at(self.seconds)

    @property
    def humidity_percent(self) -> float:
        """Relative, 5 to 100."""
        return min(100.0, max(5.0, self._humidity.at(self.seconds)))

    @property
    def pressure_hpa(self) -> float:
        """Of the air, at the station."""
        return self._pressure.at(self.seconds)

    @property
    def rain_intensity_mm_h(self) -> float:
        """Rain falls once it is damper than 85 percent."""
        return max(0.0, self.humidity_percent - 85.0) * 0.4

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        left_s = dt_s
        while left_s > 0:
            slice_s = min(left_s, _SUM_STEP_S)
            self.rain_mm += self.rain_intensity_mm_h * slice_s / 3600
            self.seconds += slice_s
            left_s -= slice_s
