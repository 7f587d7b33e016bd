"""What may be configured about the store."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.settings import Settings


class StoreSettings(Settings):
    """Where records wait for their broker, and how much of the disk they may take."""

    path: Annotated[str, Field(min_length=1)] = "/var/lib/fleetd"
    """Folder of the store; made if it is missing. One daemon at a time."""
    max_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 1024
    """Most room that records waiting for a broker may take, in MiB; beyond it the oldest readings are dropped first."""
    max_age_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    """How long a record may wait for a broker, in days; older ones are dropped, and said to be."""
