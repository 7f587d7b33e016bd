"""Figures that a test counts: printed at the end of the run, whichever worker it ran on, pass or fail."""

from __future__ import annotations

from typing import Protocol


class Counters(Protocol):
    """What the fixture `counters` gives."""

    def __call__(self, **figures: float) -> None:
        """Note figures of this test by their names."""
        ...
