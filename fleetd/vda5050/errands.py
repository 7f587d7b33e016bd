"""Commands on behalf of the master control: handed to the dispatch like any other, and followed to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from fleetd.access.matrix import VDA5050
from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.hub import Hub
from fleetd.marks import fresh_mark
from fleetd.records import Command, Result, Stage, Value
from fleetd.robots.dispatch import Dispatch


class Errands:
    """All commands of the master control that are under way. They wait until the dispatch is there."""

    def __init__(self, dispatching: asyncio.Future[Dispatch], clock: Clock) -> None:
        self._dispatching = dispatching
        self._clock = clock
        self._waiting: dict[str, asyncio.Future[Result]] = {}

    async def watch(self, hub: Hub) -> None:
        """For ever: hear of results."""
        with hub.subscribe("vda5050 errands", Result, capacity=100_000) as results:
            async for result in results:
                if isinstance(result, Result) and result.stage.final and result.id in self._waiting:
                    self._settle(result)

    async def carry_out(self, device: str, action: str, args: Mapping[str, Value]) -> Result:
        """The final result of a command, whatever it is."""
        dispatch = await asyncio.shield(self._dispatching)
        now = self._clock.now()
        command = Command(
            id=f"vda5050-{fresh_mark(8)}",
            device=device,
            action=action,
            args=args,
            issuer=VDA5050,
            issued_at=now,
            expires_at=now + timedelta(seconds=dispatch.command_expiry_s),
        )
        ended = self._waiting[command.id] = asyncio.get_running_loop().create_future()
        try:
            first = await dispatch.submit(command)
            return first if first.stage.final else await ended
        except StoreError as error:
            at, id = self._clock.now(), command.id  # noqa: A001
            return Result(at=at, id=id, device=device, action=action, stage=Stage.FAILED, reason=str(error))
        finally:
            self._waiting.pop(command.id, None)

    def _settle(self, result: Result) -> None:
        ended = self._waiting[result.id]
        if not ended.done():
            ended.set_result(result)
