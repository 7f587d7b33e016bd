"""What the site file says of any device on Modbus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.settings import PositiveSeconds, Settings


class ModbusSettings(Settings):
    """One unit on a Modbus line."""

    unit: Annotated[int, Field(ge=1, le=255)] = 1
    """Its unit (slave) id; a serial line knows 1 to 247, above that only TCP."""
    poll_s: PositiveSeconds = 5.0
    """Seconds from one poll to the next."""
    timeout_ms: Annotated[int, Field(ge=10, le=30_000)] = 500
    """How long it may think before it answers, in real milliseconds; the line's own time for the bytes is added."""
