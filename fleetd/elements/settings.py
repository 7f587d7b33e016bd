"""What may be configured about fetching elements and trusting them; age limits stand with each satellite."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fleetd.settings import Settings

if TYPE_CHECKING:
    from fleetd.orbit.trust import Limits


class ElementsSettings(Settings):
    """How often sources are looked at, and what makes a new set doubtful."""

    look_every_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """How often files and folders are looked at, and whether a URL is due."""
    request_every_h: Annotated[float, Field(ge=2, le=168)] = 6.0
    """Hours between two requests to one URL, also over restarts; publishers ban whoever asks more often than each 2."""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Longest time that one request may take, in real seconds."""
    user_agent: Annotated[str, Field(pattern=r"^[\x21-\x7e][\x20-\x7e]*$", max_length=200)] = "fleetd"
    """How requests present themselves; publishers like to find an address to write to in it."""
    most_shift_s: Annotated[float, Field(gt=0, le=600)] = 0.3
    """A new set of a low orbit that moves AOS by more, beyond what age and drag explain, waits for confirmation."""
    most_ahead_h: Annotated[float, Field(ge=0, le=240)] = 24.0
    """Sets whose epoch lies further in the future are refused."""

    @property
    def limits(self) -> Limits:
        """The same as the limits of trust."""
        from fleetd.orbit.trust import Limits  # numpy comes with it, which a check of a site file need not wait for

        return Limits(shift_s=self.most_shift_s, ahead=timedelta(hours=self.most_ahead_h))
