"""`Limit`: a line that a value should not cross, as a register map or a site file draws it. Pure data.

Who watches that it is kept, and what becomes of it if not, is the business of `alarms`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleetd.settings import Name, Settings

Scalar = bool | int | float | str


class Limit(Settings):
    """One line, with exactly one of `above`, `below` and `equals`."""

    above: float | None = None
    """The alarm comes when the value is above this."""
    below: float | None = None
    """The alarm comes when the value is below this."""
    equals: Scalar | None = None
    """The alarm comes when the value is this truth value, word or number."""
    for_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """For how long the line must be crossed before the alarm comes, by the times of the readings; seconds."""
    hysteresis: Annotated[float, Field(ge=0)] = 0.0
    """How far the value must come back over the line before the alarm goes, in the value's unit."""
    severity: Literal["info", "warning", "critical"] = "warning"
    latch: bool = False
    """Whether the alarm stays, once it has come, until somebody acknowledges it."""
    alarm: Name | None = None
    """Name of the alarm; unless given it is made of the value's: battery-charge-percent-low. Limits of one name are one
    alarm, as severe as the worst of them that is crossed."""

    def name(self, value: str) -> str:
        """The alarm's name for a value of this name."""
        word = value.replace("_", "-")
        if self.alarm is not None:
            return self.alarm
        if self.equals is None:
            return f"{word}-{'high' if self.above is not None else 'low'}"
        if isinstance(self.equals, bool):
            return word if self.equals else f"not-{word}"
        return f"{word}-{str(self.equals).replace('_', '-').replace('.', '-').lower()}"

    def crossed(self, value: Scalar) -> bool:
        """Whether a value is on the wrong side. A value of another kind never is."""
        if self.equals is not None:
            return type(value) is type(self.equals) and value == self.equals
        number = _number(value)
        if number is None:
            return False
        return number > self.above if self.above is not None else number < (self.below or 0.0)

    def back(self, value: Scalar) -> bool:
        """Whether a value is back on the right side, and by enough."""
        number = _number(value)
        if self.equals is not None or number is None:
            return not self.crossed(value)
        if self.above is not None:
            return number <= self.above - self.hysteresis
        return number >= (self.below or 0.0) + self.hysteresis

    @property
    def line(self) -> Scalar:
        """The value at the line."""
        return next(line for line in (self.above, self.below, self.equals) if line is not None)

    @property
    def words(self) -> str:
        """How the line is crossed: above, below or equal to."""
        return "above" if self.above is not None else "below" if self.below is not None else "which is"

    @model_validator(mode="after")
    def _one_line(self) -> Self:
        if sum(line is not None for line in (self.above, self.below, self.equals)) != 1:
            raise ValueError("a limit names exactly one of above, below and equals")
        if self.equals is not None and self.hysteresis:
            raise ValueError("hysteresis belongs to above and below")
        return self


def _number(value: Scalar) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
