"""Which stage a scenario is played on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleetd.clock import ScaledClock
from fleetd_hil.demo.broker import free_port
from fleetd_hil.scenario.processstage import ProcessStage
from fleetd_hil.scenario.stage import Stage
from fleetd_hil.scenario.virtualstage import VirtualStage

_LEAD = timedelta(seconds=8)  # real time in which processes come up before the story begins


@contextlib.asynccontextmanager
async def open_stage(
    folder: Path, site_file: Path, start: datetime, seed: int, rate: float | None
) -> AsyncIterator[Stage]:
    """A stage in virtual time, or with a `rate` one of real processes, whose running time is zero at `start`."""
    if rate is None:
        async with VirtualStage.open(folder, site_file, start, seed) as stage:
            yield stage
        return
    clock = ScaledClock(start, datetime.now(UTC) + _LEAD, rate)
    async with ProcessStage.open(folder, site_file, clock, free_port(), seed) as real:
        yield real
