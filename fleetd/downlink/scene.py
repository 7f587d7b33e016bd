"""What a running contact tells those who handle its frames. The contact's room implements it; here it is only asked."""

from __future__ import annotations

from collections.abc import Mapping
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


class Transmit(Protocol):
    """The antenna's gate, for one contact."""

    @property
    def holder(self) -> str:
        """The contact."""
        ...

    def check(self) -> None:
        """Raise Refusal unless transmitting is allowed now."""
        ...

    def still(self) -> None:
        """Raise Refusal unless the transmitter is on for us at this instant."""
        ...

    def open(self, by: str) -> AbstractAsyncContextManager[None]:
        """Transmit while the context lasts. Raises Refusal and DeviceError."""
        ...
