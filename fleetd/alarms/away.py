"""The alarm of a device that stays away: not online for longer than the site bears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fleetd.alarms.register import Alarms
from fleetd.hub import Hub
from fleetd.records import DeviceState, DeviceStatus, Severity

OFFLINE = "offline"
OFFLINE_AFTER_S = 60.0


@dataclass(slots=True)
class Away:
    """Who is away, and since when."""

    alarms: Alarms
    after_s: float = OFFLINE_AFTER_S
    _since: dict[str, tuple[float, str]] = field(default_factory=dict)

    async def watch(self, hub: Hub) -> None:
        """For ever: raise `offline` for a device that is not online for `after_s`, clear it on its return."""
        with hub.subscribe("devices away", DeviceStatus, capacity=100_000) as statuses:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sweep(), name="alarms of devices that stay away")
                async for status in statuses:
                    if isinstance(status, DeviceStatus):
                        self._note(status)

    def _note(self, status: DeviceStatus) -> None:
        if status.state is DeviceState.ONLINE:
            self._since.pop(status.device, None)
            self.alarms.clear(status.device, OFFLINE)
        else:
            since_s, _ = self._since.get(status.device, (self.alarms.clock.monotonic(), ""))
            self._since[status.device] = (since_s, status.reason)

    async def _sweep(self) -> None:
        clock = self.alarms.clock
        while True:
            await clock.sleep(self.after_s / 10)
            now_s = clock.monotonic()
            for device, (since_s, reason) in self._since.items():
                away_s = now_s - since_s
                if away_s >= self.after_s:
                    text = f"{device} has not answered for {away_s:.0f} s, more than {self.after_s:g} s: {reason}"
                    self.alarms.raise_(
                        device, OFFLINE, Severity.WARNING, text, value=round(away_s, 1), limit=self.after_s
                    )
