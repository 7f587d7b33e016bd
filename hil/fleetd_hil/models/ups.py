"""A UPS: its battery drains while the mains are out, and fills again."""

from __future__ import annotations

from dataclasses import dataclass, field

_FULL_V, _EMPTY_V = 410.0, 336.0
_AMBIENT_C, _WARMING_C = 22.0, 6.0
_RUNTIME_MIN = 45.0  # at full load
_FILLS_IN_MIN = 240.0


@dataclass
class UpsModel:
    """What a UPS shows; `load` and `charge` are shares of one."""

    load: float = 0.3
    charge: float = 1.0
    on_mains: bool = field(default=True, init=False)

    def step(self, dt_s: float) -> None:
        """Let time pass."""
        minutes = dt_s / 60
        change = minutes / _FILLS_IN_MIN if self.on_mains else -minutes * self.load / _RUNTIME_MIN
        self.charge = min(1.0, max(0.0, self.charge + change))

    @property
    def minutes_left(self) -> float:
        """How long the battery would last."""
        return _RUNTIME_MIN * self.charge / max(self.load, 0.01)

    @property
    def battery_v(self) -> float:
        return _EMPTY_V + (_FULL_V - _EMPTY_V) * self.charge

    @property
    def temperature_c(self) -> float:
        return _AMBIENT_C + (0.0 if self.on_mains else _WARMING_C * self.load)
