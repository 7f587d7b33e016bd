"""`Verification`: what has become of an order that may have been sent.

The satellite's answer first, then the effect in its telemetry, each within its own window. Unanswered, an order is sent
again only if it is idempotent and the satellite has not taken it; else telemetry is asked, for beacons tell the counter
of the last order taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import msgspec

from fleetd.devices import Tnc
from fleetd.downlink.orderjournal import OrderJournal
from fleetd.downlink.orders import ORDERS, Order
from fleetd.downlink.replies import LAST_COMMAND, Replies
from fleetd.downlink.scene import Transmit
from fleetd.downlink.sender import Sender
from fleetd.downlink.telecommand import Answer, Status
from fleetd.downlink.uplinksettings import UplinkSettings
from fleetd.errors import Refusal
from fleetd.records import Stage
from fleetd.store.telecommands import Step, Telecommand


class Verdict(NamedTuple):
    """How an order has ended."""

    stage: Stage
    reason: str
    step: Step | None = None
    """What it came to that is not on disk yet."""


class Verification:
    """Follows one order at a time. A verdict of None means that nobody can tell yet: ask again."""

    def __init__(self, settings: UplinkSettings, journal: OrderJournal, replies: Replies, sender: Sender) -> None:
        self._settings = settings
        self._journal = journal
        self._replies = replies
        self._sender = sender
        self._orders: Mapping[str, Order] = ORDERS[settings.orders]
        self._satellite = journal.satellite

    async def follow(self, sent: Telecommand, tnc: Tnc, transmit: Transmit) -> Verdict | None:
        """From an order that has just left to its effect; sent again where that is harmless. Raises StoreError."""
        answer = await self._answer(sent)
        again = 0
        while answer is None and not self._replies.taken(sent.counter):
            if again >= self._settings.send_again or not self._may_repeat(sent, transmit):
                return await self.ask(sent)
            await self._journal.store.telecommands.again(sent.command)
            again += 1
            await self._sender.send(sent.command, sent.counter, tnc, transmit)
            answer = await self._answer(sent)
        if answer is None:
            return await self._effect(sent)
        if answer.status is not Status.DONE:
            words = answer.status.name.lower().replace("_", " ")
            return Verdict(Stage.FAILED, f"{self._satellite} answered: {words}")
        return await self._effect(await self.reach(sent, Step.ACKNOWLEDGED))

    async def ask(self, doubt: Telecommand) -> Verdict | None:
        """What became of an order, by what the satellite tells of the last one that it took."""
        last = await self._replies.last_taken(self._settings.effect_within_s)
        if last is None:
            return self.given_up(doubt)
        if last == doubt.counter:
            return await self._effect(doubt)
        if last < doubt.counter:
            return Verdict(Stage.FAILED, f"{self._satellite} has not taken it, and it is not sent twice")
        reason = f"it may have been sent, and {self._satellite} has taken a later order since"
        return Verdict(Stage.UNKNOWN, reason)

    def given_up(self, doubt: Telecommand) -> Verdict | None:
        """The verdict on an order that has expired for longer than its effect may take; None for a younger one."""
        grace = timedelta(seconds=self._settings.effect_within_s)
        if self._journal.clock.now() <= doubt.command.expires_at + grace:
            return None
        reason = f"it may have been sent, and {self._satellite} has not told since which order it took last"
        return Verdict(Stage.UNKNOWN, reason)

    async def reach(self, sent: Telecommand, step: Step) -> Telecommand:
        """Write down and tell that an order has come so far; the order as it stands then. Raises StoreError."""
        result = self._journal.result(sent.command, Stage.STARTED, step)
        await self._journal.store.telecommands.reach(sent.command, step, result)
        self._journal.tell(result)
        return msgspec.structs.replace(sent, step=step)

    async def _answer(self, sent: Telecommand) -> Answer | None:
        return await self._replies.answer(sent.counter, self._settings.answer_within_s)

    def _may_repeat(self, sent: Telecommand, transmit: Transmit) -> bool:
        expired = sent.command.expires_at <= self._journal.clock.now()
        if expired or not self._orders[sent.command.action].idempotent:
            return False
        try:
            transmit.check()
        except Refusal:
            return False
        return True

    async def _effect(self, doubt: Telecommand) -> Verdict:
        """Whether an order that was taken stands in telemetry."""
        command, within_s = doubt.command, self._settings.effect_within_s
        wanted = {LAST_COMMAND: doubt.counter, **self._orders[command.action].effect(command.args)}
        missing = await self._replies.missing(wanted, within_s)
        if not missing:
            return Verdict(Stage.SUCCEEDED, "its effect stands in telemetry", Step.SEEN)
        how = "acknowledged" if doubt.step is Step.ACKNOWLEDGED else "taken"
        names = ", ".join(f"{name} {value}" for name, value in missing.items())
        return Verdict(Stage.UNKNOWN, f"{how}, but telemetry did not show {names} within {within_s:g} s")
