"""`Uplink`: the orders for one satellite, from a request to their verified effect.

Durable in the ledger before anything else; released one at a time, inside a contact that may transmit; then answered
by the satellite, then seen in its telemetry, each within its own window. What may have been sent is never sent again
unless it is idempotent and the satellite has not answered; after a restart, or in the next contact, telemetry is asked
instead: beacons tell the counter of the last order taken. What could not be sent returns to the queue, with the reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from fleetd.access.matrix import Access
from fleetd.clock import Clock, iso_ms
from fleetd.devices import Tnc
from fleetd.downlink.decoder import Packet
from fleetd.downlink.orderjournal import OrderJournal
from fleetd.downlink.orders import ORDERS, Order
from fleetd.downlink.replies import Replies
from fleetd.downlink.scene import Transmit
from fleetd.downlink.sender import Sender
from fleetd.downlink.uplinksettings import UplinkSettings
from fleetd.downlink.verification import Verdict, Verification
from fleetd.errors import DeviceError, FrameError, Refusal
from fleetd.hub import Hub
from fleetd.records import Command, Frame, Result, Severity, Stage
from fleetd.store.store import Store
from fleetd.store.telecommands import Step, Telecommand
from fleetd.supervise import Device

CONFIRM = "confirm"
_TRY_AGAIN_S = 1.0
_SWEEP_EVERY_S = 10.0
_LONGEST_ID = 128


class Uplink:
    """The orders for one satellite; `restore` comes before all else. Raises ConfigError if the key cannot be read."""

    def __init__(
        self, satellite: str, settings: UplinkSettings, store: Store, hub: Hub, clock: Clock, access: Access
    ) -> None:
        key = settings.key.read().encode()
        self.satellite = satellite
        self.orders: Mapping[str, Order] = ORDERS[settings.orders]
        self._settings = settings
        self._store = store
        self._clock = clock
        self._access = access
        self._journal = OrderJournal(satellite, store, hub, clock)
        self._replies = Replies(key, clock)
        self._sender = Sender(settings, key, self._journal, self._replies)
        self._verification = Verification(settings, self._journal, self._replies, self._sender)
        self._waiting: deque[Command] = deque()
        self._unwatched: deque[Telecommand] = deque()
        self._consents: dict[str, str] = {}
        self._working = False
        self.forged = 0
        """Answers that were damaged or not authentic."""

    @property
    def expiry_s(self) -> float:
        """How long an order waits whose giver did not say."""
        return self._settings.expiry_s

    async def restore(self) -> None:
        """Go on from what the store knows: what waits goes on waiting, what may have been sent is asked after."""
        listed = await self._store.telecommands.listed(unfinished=True)
        ours = [each for each in listed if each.command.device == self.satellite]
        known = {each.command.id for each in ours}
        come_since = [each for each in self._waiting if each.id not in known]
        self._waiting = deque([*(each.command for each in ours if each.step is Step.QUEUED), *come_since])
        self._unwatched = deque(each for each in ours if each.step is not Step.QUEUED)

    # Requests

    async def submit(self, command: Command) -> Result:
        """Judge an order and make it durable; returns ACCEPTED, or REFUSED with the reason. Raises StoreError."""
        try:
            self._access.judge(command.issuer, command.action)
            if command.action == CONFIRM:
                return await self._confirm(command)
            order = self._judged(command)
        except Refusal as no:
            return self._journal.tell(self._journal.result(command, Stage.REFUSED, no.reason, no.rule), posted=True)
        reason, rule = "", ""
        if self._lacks_consent(command, order):
            reason, rule = f"waits for a second person until {iso_ms(command.expires_at)}", CONFIRM
        result = self._journal.result(command, Stage.ACCEPTED, reason, rule)
        entry = await self._store.telecommands.accept(command, result)
        if not entry.fresh:
            return self._journal.result(entry.command, entry.stage, entry.reason)
        await self._journal.audit(command, Stage.ACCEPTED)
        self._waiting.append(command)
        self._replies.wake()
        return self._journal.tell(result)

    async def cancel(self, command_id: str, by: str) -> Result:
        """Give up an order that still waits. Raises Refusal for one that does not, and StoreError."""
        for command in self._waiting:
            if command.id == command_id:
                self._waiting.remove(command)
                return await self._finish(command, Stage.FAILED, f"cancelled by {by}")
        raise Refusal("unknown-command", f"no order {command_id[:_LONGEST_ID]!r} waits for {self.satellite}")

    async def _confirm(self, command: Command) -> Result:
        wanted = command.args.get("command")
        for waiting in self._waiting:
            if waiting.id == wanted:
                first, second = (self._access.person(each.issuer) or each.issuer for each in (waiting, command))
                if first == second:
                    raise Refusal("same-person", f"{second} has asked for {waiting.action} already; it takes another")
                self._consents[waiting.id] = second
                self._replies.wake()
                await self._journal.audit(command, Stage.SUCCEEDED)
                return self._journal.tell(
                    self._journal.result(command, Stage.SUCCEEDED, f"confirmed {waiting.id}"), posted=True
                )
        raise Refusal("unknown-command", f"no order {str(wanted)[:_LONGEST_ID]!r} waits for {self.satellite}")

    def _judged(self, command: Command) -> Order:
        if not command.id or len(command.id) > _LONGEST_ID or not command.id.isprintable():
            raise Refusal("id", f"an order's id is 1 to {_LONGEST_ID} printable characters")
        order = self.orders.get(command.action)
        if order is None:
            known = ", ".join(sorted(self.orders))
            raise Refusal(
                "unknown-action", f"{self.satellite} takes no order {command.action[:64]!r}; it takes {known}"
            )
        order.body(command.args)
        if command.expires_at <= self._clock.now():
            raise Refusal("expired", f"it expired at {iso_ms(command.expires_at)}")
        if len(self._waiting) >= self._settings.queue_length:
            raise Refusal("queue-full", f"{len(self._waiting)} orders already wait for {self.satellite}")
        return order

    def _lacks_consent(self, command: Command, order: Order) -> bool:
        return order.hazardous and self._access.enforced and command.id not in self._consents

    # What the satellite says

    def heard(self, frame: Frame, packet: Packet) -> None:
        """One decoded packet: if of this satellite, an answer perhaps, and what its telemetry shows."""
        if frame.satellite != self.satellite:
            return
        try:
            self._replies.hear(frame, packet)
        except FrameError as flaw:
            self.forged += 1
            self._journal.say("answer-not-believed", f"{self.satellite}: {flaw.reason}", Severity.WARNING)

    # A contact

    async def work(self, tnc: Device, transmit: Transmit) -> None:
        """Send what waits while this contact lasts, for ever; returns only by cancellation. Raises StoreError."""
        self._working = True
        try:
            await self.restore()  # an earlier contact may have been broken off between any two steps
            self._replies.begin_anew()
            while True:
                await self._drop_expired()
                if self._unwatched:
                    await self._conclude(await self._verification.ask(self._unwatched[0]))
                elif (command := self._next()) is not None:
                    await self._carry(command, tnc, transmit)
                else:
                    await self._replies.wait(None)
        finally:
            self._working = False

    def _next(self) -> Command | None:
        return next((each for each in self._waiting if not self._lacks_consent(each, self.orders[each.action])), None)

    async def _carry(self, command: Command, tnc: Device, transmit: Transmit) -> None:
        try:
            transmit.check()
            driver: Tnc = tnc.online()
        except (Refusal, DeviceError) as no:
            self._journal.hold_up(command, str(no))
            await self._replies.wait(_TRY_AGAIN_S)
            return
        released = await self._release(command)
        handed = await self._sender.send(command, released.counter, driver, transmit)
        if handed is False:
            await self._take_back(command)
            await self._replies.wait(_TRY_AGAIN_S)
            return
        if handed:
            self._journal.held_up = ""
            self._unwatched[0] = await self._verification.reach(released, Step.HANDED)
        await self._conclude(await self._verification.follow(self._unwatched[0], driver, transmit))

    async def _release(self, command: Command) -> Telecommand:
        """Give it its counter; from here on it may have been sent."""
        result = self._journal.result(command, Stage.STARTED, "released")
        counter = await self._store.telecommands.release(command, result)
        self._waiting.remove(command)
        released = Telecommand(
            command=command, stage=Stage.STARTED, reason="", counter=counter, sends=1, step=Step.RELEASED
        )
        self._unwatched.append(released)
        self._journal.tell(result)
        return released

    async def _take_back(self, command: Command) -> None:
        """It has certainly not been sent: to the head of the queue."""
        self._unwatched.popleft()
        result = self._journal.result(command, Stage.ACCEPTED, self._journal.held_up)
        await self._store.telecommands.withdraw(command, result)
        self._waiting.appendleft(command)
        self._journal.tell(result)

    async def _conclude(self, verdict: Verdict | None) -> None:
        """End the order that was asked after, if there is a verdict on it."""
        if verdict is not None:
            await self._finish(self._unwatched.popleft().command, *verdict)

    # Between contacts

    async def sweep(self) -> None:
        """Fail what expires between contacts, for ever."""
        while True:
            await self._drop_expired()
            if self._unwatched and not self._working:
                await self._conclude(self._verification.given_up(self._unwatched[0]))
            await self._clock.sleep(_SWEEP_EVERY_S)

    async def _drop_expired(self) -> None:
        for command in [each for each in self._waiting if each.expires_at <= self._clock.now()]:
            self._waiting.remove(command)
            why = f": {self._journal.held_up}" if self._journal.held_up else ""
            reason = f"expired at {iso_ms(command.expires_at)} before it could be sent{why}"
            await self._finish(command, Stage.FAILED, reason)

    async def _finish(self, command: Command, stage: Stage, reason: str, step: Step | None = None) -> Result:
        result = await self._journal.finish(command, stage, reason, step)
        self._consents.pop(command.id, None)
        return result
