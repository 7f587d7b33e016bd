"""What may be configured about the archive."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.settings import Settings


class ArchiveSettings(Settings):
    """What has been, kept beside the store for `fleetctl history`."""

    enabled: bool = True
    """Whether there is an archive."""
    max_mib: Annotated[int, Field(ge=8, le=16_777_216)] = 4096
    """Most room that its file may take, in MiB; beyond it the oldest readings go first."""
    max_days: Annotated[float, Field(gt=0, le=36_500)] = 90.0
    """For how long records are kept, in days."""
