"""`Uplink`: the orders for one satellite, from a request to their verified effect.

Durable in the ledger before anything else; released one at a time, inside a contact that may transmit; then answered
by the satellite, then seen in its telemetry, each within its own window. What may have been sent is never sent again
unless it is idempotent and the satellite has not answered; after a restart, or in the next contact, telemetry is asked
instead: beacons tell the counter of the last order taken. What could not be sent returns to the queue, with the reason.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from fleetd.access.matrix import Access
from fleetd.clock import Clock, iso_ms
from fleetd.devices import Tnc, TncFrame
from fleetd.downlink import ax25, telecommand
from fleetd.downlink.ax25 import Address, UiFrame
from fleetd.downlink.decoder import Packet
from fleetd.downlink.orders import ORDERS, Order
from fleetd.downlink.scene import Transmit
from fleetd.downlink.telecommand import Answer, Status
from fleetd.downlink.uplinksettings import UplinkSettings
from fleetd.errors import DeviceError, FrameError, Refusal
from fleetd.hub import Hub
from fleetd.records import Command, Event, Frame, Result, Severity, Stage, Value
from fleetd.store.store import Store
from fleetd.store.telecommands import Step, Telecommand
from fleetd.supervise import Device

log = structlog.get_logger(__name__)

LAST_COMMAND = "last_command"
"""The parameter in which a satellite tells the counter of the last order that it took."""
CONFIRM = "confirm"
_TRY_AGAIN_S = 1.0
_SWEEP_EVERY_S = 10.0
_LONGEST_ID = 128


class Uplink:
    """The orders for one satellite. Make it with the orders that an earlier run left: `Telecommands.listed`."""

    def __init__(
        self, satellite: str, settings: UplinkSettings, store: Store, hub: Hub, clock: Clock, access: Access
    ) -> None:
        self.satellite = satellite
        self.orders: Mapping[str, Order] = ORDERS[settings.orders]
        self._settings = settings
        self._key = settings.key.read().encode()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._access = access
        self._waiting: deque[Command] = deque()
        self._unwatched: deque[Telecommand] = deque()
        self._consents: dict[str, str] = {}
        self._news = asyncio.Event()
        self._answers: dict[int, Answer] = {}
        self._telemetry: dict[str, Value] = {}
        self._since = clock.now()
        self._working = False
        self._held_up = ""
        self.forged = 0
        """Answers that were not authentic, or answered nothing that was asked."""

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
            return self._tell(self._result(command, Stage.REFUSED, no.reason, no.rule), posted=True)
        reason, rule = "", ""
        if self._lacks_consent(command, order):
            reason, rule = f"waits for a second person until {iso_ms(command.expires_at)}", CONFIRM
        result = self._result(command, Stage.ACCEPTED, reason, rule)
        entry = await self._store.telecommands.accept(command, result)
        if not entry.fresh:
            return self._result(entry.command, entry.stage, entry.reason)
        await self._audit(command, Stage.ACCEPTED)
        self._waiting.append(command)
        self._news.set()
        return self._tell(result)

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
                self._news.set()
                await self._audit(command, Stage.SUCCEEDED)
                return self._tell(self._result(command, Stage.SUCCEEDED, f"confirmed {waiting.id}"), posted=True)
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
        if packet.apid == telecommand.ANSWERS_APID:
            try:
                answer = telecommand.read_answer(packet.data, self._key)
            except FrameError as flaw:
                self.forged += 1
                self._say("answer-not-believed", f"{self.satellite}: {flaw.reason}", Severity.WARNING)
                return
            self._answers[answer.counter] = answer
        elif frame.at >= self._since:  # what was said before the last order left knows nothing of it
            self._telemetry.update(packet.values)
        self._news.set()

    # A contact

    async def work(self, tnc: Device, transmit: Transmit) -> None:
        """Send what waits while this contact lasts, for ever; returns only by cancellation. Raises StoreError."""
        self._working = True
        try:
            await self.restore()  # an earlier contact may have been broken off between any two steps
            self._heard_from_now()
            while True:
                await self._drop_expired()
                if self._unwatched:
                    await self._ask_telemetry(self._unwatched[0])
                elif (command := self._next()) is not None:
                    await self._carry(command, tnc, transmit)
                else:
                    await self._wait(None)
        finally:
            self._working = False

    def _next(self) -> Command | None:
        return next((each for each in self._waiting if not self._lacks_consent(each, self.orders[each.action])), None)

    async def _carry(self, command: Command, tnc: Device, transmit: Transmit) -> None:
        try:
            transmit.check()
            driver: Tnc = tnc.online()
        except (Refusal, DeviceError) as no:
            self._hold_up(command, str(no))
            await self._wait(_TRY_AGAIN_S)
            return
        released = self._result(command, Stage.STARTED, "released")
        counter = await self._store.telecommands.release(command, released)
        self._waiting.remove(command)
        self._unwatched.append(
            Telecommand(command=command, stage=Stage.STARTED, reason="", counter=counter, sends=1, step=Step.RELEASED)
        )
        self._tell(released)
        sent = await self._sent(command, counter, driver, transmit)
        if sent is False:
            self._unwatched.popleft()
            returned = self._result(command, Stage.ACCEPTED, self._held_up)
            await self._store.telecommands.withdraw(command, returned)
            self._waiting.appendleft(command)
            self._tell(returned)
            await self._wait(_TRY_AGAIN_S)
            return
        if sent:
            self._held_up = ""
            await self._reach(command, Step.HANDED)
        await self._follow(command, counter, driver, transmit)

    async def _sent(self, command: Command, counter: int, tnc: Tnc, transmit: Transmit) -> bool | None:
        """Hand the frame to the TNC and keep the transmitter on for as long as it takes; whether it was handed over.

        None where nobody knows: the TNC failed while it was asked.
        """
        frame = self._frame(command, counter)
        handed: bool | None = False
        try:
            async with transmit.open(f"order {command.id}"):
                with tnc.gate.opened(transmit.holder, transmit.still):
                    handed = await self._handed(command, tnc, frame)
                    await self._clock.sleep(len(frame) * 8 / self._settings.baud + self._settings.lead_s)
        except (Refusal, DeviceError) as no:  # the gate's; once the frame is with the TNC, it is on its way
            self._hold_up(command, str(no))
        self._heard_from_now()
        return handed

    async def _handed(self, command: Command, tnc: Tnc, frame: bytes) -> bool | None:
        try:
            await tnc.send(TncFrame(frame))
        except Refusal as no:
            self._hold_up(command, no.reason)
            return False
        except DeviceError as error:
            self._hold_up(command, str(error))
            return None
        return True

    def _heard_from_now(self) -> None:
        """What telemetry showed before counts no more."""
        self._since = self._clock.now()
        self._telemetry.clear()

    async def _follow(self, command: Command, counter: int, tnc: Tnc, transmit: Transmit) -> None:
        order, sends = self.orders[command.action], 1
        while (answer := await self._answer(counter)) is None:
            if self._taken(counter):
                break
            if not order.idempotent or sends > self._settings.send_again or self._expired(command):
                await self._ask_telemetry(self._unwatched[0])
                return
            try:
                transmit.check()
            except Refusal:
                await self._ask_telemetry(self._unwatched[0])
                return
            await self._store.telecommands.again(command)
            sends += 1
            await self._sent(command, counter, tnc, transmit)
        if answer is not None:
            if answer.status is not Status.DONE:
                words = answer.status.name.lower().replace("_", " ")
                await self._conclude(command, Stage.FAILED, f"{self.satellite} answered: {words}")
                return
            await self._reach(command, Step.ACKNOWLEDGED)
        await self._see_effect(command, counter, acknowledged=answer is not None)

    async def _answer(self, counter: int) -> Answer | None:
        """The satellite's word on an order, or None if its window closes without one."""
        until_s = self._clock.monotonic() + self._settings.answer_within_s
        while counter not in self._answers:
            if (left_s := until_s - self._clock.monotonic()) <= 0 or not await self._wait(left_s):
                return self._answers.get(counter)
        return self._answers[counter]

    async def _see_effect(self, command: Command, counter: int, *, acknowledged: bool) -> None:
        effect = self.orders[command.action].effect(command.args)
        wanted = {LAST_COMMAND: counter, **effect}
        if await self._telemetry_shows(wanted):
            await self._conclude(command, Stage.SUCCEEDED, "its effect stands in telemetry", Step.SEEN)
        else:
            how = "acknowledged" if acknowledged else "taken"
            missing = ", ".join(f"{name} {value}" for name, value in wanted.items() if self._shown(name) != value)
            reason = f"{how}, but telemetry did not show {missing} within {self._settings.effect_within_s:g} s"
            await self._conclude(command, Stage.UNKNOWN, reason)

    async def _ask_telemetry(self, doubt: Telecommand) -> None:
        """What became of an order that may have been sent, by what the satellite tells of the last one that it took."""
        command, counter = doubt.command, doubt.counter
        last = await self._last_command()
        if last is None:
            await self._give_up(doubt)
        elif last == counter:
            await self._see_effect(command, counter, acknowledged=doubt.step is Step.ACKNOWLEDGED)
        elif last < counter:
            reason = f"{self.satellite} has not taken it, and it is not sent twice"
            await self._conclude(command, Stage.FAILED, reason)
        else:
            reason = f"it may have been sent, and {self.satellite} has taken a later order since"
            await self._conclude(command, Stage.UNKNOWN, reason)

    async def _last_command(self) -> int | None:
        await self._telemetry_shows({LAST_COMMAND: None}, any_value=True)
        last = self._shown(LAST_COMMAND)
        return last if isinstance(last, int) else None

    async def _telemetry_shows(self, wanted: Mapping[str, Value], *, any_value: bool = False) -> bool:
        until_s = self._clock.monotonic() + self._settings.effect_within_s
        while True:
            if any_value and all(name in self._telemetry for name in wanted):
                return True
            if not any_value and all(self._shown(name) == value for name, value in wanted.items()):
                return True
            if (left_s := until_s - self._clock.monotonic()) <= 0:
                return False
            await self._wait(left_s)

    def _taken(self, counter: int) -> bool:
        return self._shown(LAST_COMMAND) == counter

    def _shown(self, name: str) -> Value:
        return self._telemetry.get(name)

    async def _wait(self, within_s: float | None) -> bool:
        """Wait for news, at most so long; whether there is any."""
        self._news.clear()
        if within_s is None:
            await self._news.wait()
            return True
        waking = asyncio.ensure_future(self._clock.sleep(within_s))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({waking, news}, return_when=asyncio.FIRST_COMPLETED)
            return news.done()
        finally:
            for each in (waking, news):
                each.cancel()

    def _frame(self, command: Command, counter: int) -> bytes:
        order = self.orders[command.action]
        packet = telecommand.order(counter, order.code, order.body(command.args), self._key)
        to, ours = (Address.parse(text) for text in (self._settings.callsign, self._settings.station))
        return ax25.encode(UiFrame(to, ours, packet))

    # What is written down and told

    def _expired(self, command: Command) -> bool:
        return command.expires_at <= self._clock.now()

    async def _drop_expired(self) -> None:
        for command in [each for each in self._waiting if self._expired(each)]:
            self._waiting.remove(command)
            why = f": {self._held_up}" if self._held_up else ""
            reason = f"expired at {iso_ms(command.expires_at)} before it could be sent{why}"
            await self._finish(command, Stage.FAILED, reason)

    async def sweep(self) -> None:
        """Fail what expires between contacts, for ever."""
        while True:
            await self._drop_expired()
            if self._unwatched and not self._working:
                await self._give_up(self._unwatched[0])
            await self._clock.sleep(_SWEEP_EVERY_S)

    async def _give_up(self, doubt: Telecommand) -> None:
        """Ask no longer after an order that has expired for longer than its effect may take."""
        if self._clock.now() > doubt.command.expires_at + timedelta(seconds=self._settings.effect_within_s):
            reason = f"it may have been sent, and {self.satellite} has not told since which order it took last"
            await self._conclude(doubt.command, Stage.UNKNOWN, reason)

    def _hold_up(self, command: Command, why: str) -> None:
        if why != self._held_up:
            self._held_up = why
            self._say("order-held-up", f"{command.id} for {self.satellite}: {why}", Severity.INFO)

    async def _reach(self, command: Command, step: Step) -> None:
        result = self._result(command, Stage.STARTED, step)
        await self._store.telecommands.reach(command, step, result)
        doubt = self._unwatched[0]
        self._unwatched[0] = msgspec.structs.replace(doubt, step=step)
        self._tell(result)

    async def _conclude(self, command: Command, stage: Stage, reason: str, step: Step | None = None) -> None:
        self._unwatched.popleft()
        await self._finish(command, stage, reason, step)

    async def _finish(self, command: Command, stage: Stage, reason: str, step: Step | None = None) -> Result:
        result = self._result(command, stage, reason)
        await self._store.telecommands.finish(command, result, step)
        await self._audit(command, stage, reason)
        self._consents.pop(command.id, None)
        return self._tell(result)

    async def _audit(self, command: Command, stage: Stage, reason: str = "") -> None:
        detail = msgspec.json.encode({"id": command.id, "args": command.args, "reason": reason}).decode()
        await self._store.audit.append(command.issuer, f"{command.action} {command.device}", stage, detail)

    def _result(self, command: Command, stage: Stage, reason: str = "", rule: str = "") -> Result:
        now, synced = self._clock.now(), self._clock.synced
        return Result(
            at=now,
            clock_synced=synced,
            id=command.id,
            device=self.satellite,
            action=command.action,
            stage=stage,
            reason=reason,
            rule=rule,
        )

    def _tell(self, result: Result, *, posted: bool = False) -> Result:
        """To the hub; what the store has not committed with an entry goes to the outbox as well."""
        if posted:
            self._store.outbox.post(result)
        self._hub.publish(result)
        return result

    def _say(self, name: str, text: str, severity: Severity) -> None:
        detail: dict[str, Any] = {"satellite": self.satellite}
        now, synced = self._clock.now(), self._clock.synced
        self._hub.publish(
            Event(
                at=now,
                clock_synced=synced,
                source=self.satellite,
                name=name,
                text=text,
                severity=severity,
                detail=detail,
            )
        )
