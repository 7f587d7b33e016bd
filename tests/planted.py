"""A bug on purpose, for a search to find: whoever reads this module has a daemon that dies of every order to hold."""

from __future__ import annotations

from typing import Any

from fleetd.records import Command
from fleetd.robots.dispatch import Dispatch

_sound = Dispatch.submit_all


async def _dies(self: Dispatch, command: Command) -> Any:
    if command.action == "hold":
        raise ZeroDivisionError("planted")
    return await _sound(self, command)


Dispatch.submit_all = _dies  # type: ignore[method-assign]
