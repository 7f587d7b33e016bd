"""The Doppler shift of one link, in whole steps of a radio. Pure: range rates in, frequencies out.

One way each: on the downlink the satellite is a moving source, on the uplink a moving receiver. Classical: what
relativity adds at 7.5 km/s is 0.14 Hz at 435 MHz.
"""

from __future__ import annotations

import math

LIGHT_KM_S = 299_792.458


def heard_hz(sent_hz: float, range_rate_km_s: float) -> float:
    """On which frequency the station hears what a satellite sends on `sent_hz`; the range rate is positive receding."""
    return sent_hz / (1 + range_rate_km_s / LIGHT_KM_S)


def to_send_hz(wanted_hz: float, range_rate_km_s: float) -> float:
    """On which frequency the station must send so that the satellite hears it on `wanted_hz`."""
    return wanted_hz / (1 - range_rate_km_s / LIGHT_KM_S)


class Steps:
    """Frequencies in whole steps of `wished_hz`, itself made whole in the radio's own steps of `radio_hz`."""

    def __init__(self, wished_hz: int, radio_hz: int) -> None:
        self.step_hz = math.ceil(wished_hz / radio_hz) * radio_hz
        self.written_hz: int | None = None
        """The step that the radio was last told; None while nobody knows on which it stands."""

    def due(self, frequency_hz: float) -> int | None:
        """The step nearest to a frequency if the radio does not stand on it yet, else None."""
        nearest = round(frequency_hz / self.step_hz) * self.step_hz
        return None if nearest == self.written_hz else nearest
