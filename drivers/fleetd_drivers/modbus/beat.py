"""One heartbeat on its way to a device: a write that nobody waits for in a task."""

from __future__ import annotations

from collections.abc import Callable

from fleetd.errors import DeviceError
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Answer, Ask, Bus, Lane


class Beat:
    """Made by `MapDevice.beat`; `told` hears once how it ended, unless it is given up before."""

    __slots__ = ("_ask", "_told")

    def __init__(self, told: Callable[[Exception | None], None]) -> None:
        self._told = told
        self._ask: Ask | None = None

    def begin(self, bus: Bus, unit: int, request: wire.Request, within_s: float) -> None:
        """Write it."""
        try:
            self._ask = bus.post(unit, request, self._answered, lane=Lane.COMMAND, within_s=within_s)
        except DeviceError as error:
            self._told(error)

    def give_up(self) -> None:
        """Nobody wants to know any longer."""
        if self._ask is not None:
            self._ask.wanted = False

    def _answered(self, outcome: Answer | DeviceError) -> None:
        self._ask = None  # it knows us, too, and nobody but the collector would part the two
        self._told(outcome if isinstance(outcome, DeviceError) else None)
