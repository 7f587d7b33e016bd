"""How far the cables of an antenna are wound up: counted from where it points, and through any jump of the scale.

A controller that shows 1 after 359 has turned by two degrees, and its cables know it. What happened while nobody
measured, and before the daemon began, is not known: then the scale is believed.
"""

from __future__ import annotations

from fleetd.contact.safetysettings import CableSettings
from fleetd.errors import Refusal

_SURE_DEG = 180.0  # between two measurements nothing may have turned farther, or nobody knows which way it went


class CableWrap:
    """The winding of one antenna's cables; azimuths as its scale shows them."""

    def __init__(self, settings: CableSettings, slew_deg_s: float) -> None:
        self._settings = settings
        self._slew_deg_s = slew_deg_s
        self._last: tuple[float, float] | None = None
        self._whole_turns = 0

    def measured(self, azimuth_deg: float, at_s: float) -> None:
        """It was seen there."""
        if self._last is not None:
            before_deg, before_s = self._last
            jump_deg = azimuth_deg - before_deg
            if abs(jump_deg) > _SURE_DEG and (at_s - before_s) * self._slew_deg_s < _SURE_DEG:
                self._whole_turns -= round(jump_deg / 360)
        self._last = (azimuth_deg, at_s)

    def turns_at(self, azimuth_deg: float) -> float:
        """By how many turns the cables are wound up when the scale shows this, clockwise positive."""
        return (azimuth_deg - self._settings.neutral_azimuth_deg) / 360 + self._whole_turns

    def check(self, azimuth_deg: float) -> None:
        """Raise Refusal if turning there would wind them up too far."""
        turns, most = self.turns_at(azimuth_deg), self._settings.most_turns
        if abs(turns) > most:
            raise Refusal(
                "cable-wrap",
                f"at azimuth {azimuth_deg:.1f} the cables are wound up by {turns:+.2f} turns, more than {most:g}",
            )
