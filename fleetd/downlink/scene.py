"""What a running contact tells those who handle its frames. The contact's room implements it; here it is only asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from fleetd.records import Value


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where the satellite was and how the station stood, at one instant; None where nobody knows."""

    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    pointing_error_deg: float | None = None
    doppler_hz: float | None = None
    radio: Mapping[str, Value] = field(default_factory=dict)


class Scene(Protocol):
    """One running contact."""

    @property
    def contact(self) -> str: ...

    @property
    def satellite(self) -> str: ...

    @property
    def antenna(self) -> str: ...

    def circumstances(self) -> Circumstances:
        """How things stand now."""
        ...


Transmission = Callable[[str], AbstractAsyncContextManager[None]]
"""Transmit on behalf of somebody while the context lasts, as the antenna's gate does."""
