"""A device that is nothing but a register map and a unit on a bus: read, written, told and stopped as the map says.

Nothing is sent twice here. A write whose answer stays out is judged by reading back; only a stop, which does no harm
when it comes again, is for the caller to repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fleetd.clock import Clock
from fleetd.devices import ActionSpec, LinkQuality, Outcome, ReadBack, Sample
from fleetd.errors import BadReply, Declined, DeviceError, Quarantined, Refusal, ReplyTimeout
from fleetd.link.words import LastWords
from fleetd.records import Value
from fleetd.registers.codec import encode, encode_write
from fleetd.registers.commands import encode_command, outcome, read_back_names
from fleetd.registers.model import RegisterMap, ValueSpec
from fleetd.registers.plan import Block
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.beat import Beat
from fleetd_drivers.modbus.bus import Answer, Ask, Bus, Lane
from fleetd_drivers.modbus.halving import NO_SUCH_ADDRESS
from fleetd_drivers.modbus.profile import Profile, Reads

_LOOK_AGAIN_S = (0.05, 0.1, 0.2, 0.4)
"""A controller takes up what was written at its next turn: it is read back at once, and again after these waits."""

_PLAN_AGAIN_POLLS = 100
"""After so many polls it is looked again at how fast the device answers, and which requests that makes best."""

_NOT_DONE = (1, 2, 3, 6, 10)
"""Exceptions after which a write has certainly had no effect; 4, 5 and 11 leave it open."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Where a device is reached and how long it may think before it answers, in real seconds."""

    bus: Bus
    number: int
    within_s: float


class Sampling:
    """The polls of one set of blocks, one at a time: requests, one after the other, and the sample of their answers."""

    __slots__ = ("_ask", "_before", "_count", "_data", "_reads", "_sample", "_suspect", "_taken", "_unit")

    def __init__(self, unit: Unit, reads: Reads, count: Callable[[], None]) -> None:
        self._unit = unit
        self._count = count
        self._reads = reads
        self._taken: Callable[[Sample | Exception], None] | None = None
        self._data: list[bytes] = []
        self._before: list[bytes] = []
        self._sample = Sample({})
        self._suspect = False
        self._ask: Ask | None = None

    def begin(self, taken: Callable[[Sample | Exception], None]) -> None:
        """Ask; what was begun before must have ended."""
        self._taken = taken
        self._data = []
        self._suspect = False
        self._next()

    def give_up(self) -> None:
        """Nobody wants the sample any longer."""
        self._taken = None
        if self._ask is not None:
            self._ask.wanted = False

    def _next(self) -> None:
        unit = self._unit
        try:
            request = self._reads.requests[len(self._data)]
            self._ask = unit.bus.post(unit.number, request, self._answered, within_s=unit.within_s)
        except DeviceError as error:
            self._end(error)

    def _answered(self, answer: Answer | DeviceError) -> None:
        if isinstance(answer, DeviceError):
            self._end(answer)
            return
        self._data.append(answer.data)
        if answer.suspect:
            self._suspect = True
        if len(self._data) < len(self._reads.requests):
            self._next()
            return
        try:
            sample = self._decoded()
            self._count()
        except Exception as bug:  # noqa: BLE001  # it must end whoever polls, not the line, which knows nothing of it
            self._end(bug)
        else:
            self._end(sample)

    def _decoded(self) -> Sample:
        """The very sample of before where the device has answered with the same bytes."""
        if self._data != self._before or self._suspect is not self._sample.suspect:
            self._sample = self._reads.sample(self._data, suspect=self._suspect)
            self._before = self._data
        return self._sample

    def _end(self, outcome: Sample | Exception) -> None:
        taken, self._taken, self._ask = self._taken, None, None
        if taken is not None:
            taken(outcome)


class MapDevice:
    """One device of a map's kind."""

    def __init__(self, profile: Profile, unit: Unit, clock: Clock) -> None:
        self.profile = profile
        self._map: RegisterMap = profile.map
        self._unit = unit
        self._clock = clock
        self._polls = 0
        self._samplings: dict[tuple[str, ...], Sampling] = {}
        self._notebook = profile.notebook(f"{unit.bus.url} {unit.number}")
        self._heartbeats = 0

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        """The actions that the map knows, by name."""
        return self.profile.actions

    @property
    def deadbands(self) -> Mapping[str, float]:
        """By how much a number must differ to be news."""
        return self.profile.deadbands

    @property
    def link_quality(self) -> LinkQuality:
        """How the line to it does."""
        return self._unit.bus.link_quality(self._unit.number)

    async def identify(self) -> None:
        """Make sure that the map fits. Raises BadReply if this is another kind of device."""
        identity = self._map.identity
        if identity is None:
            return
        found = (await self.get([identity.value])).values.get(identity.value)
        if found != identity.equals:
            reason = f"unit {self._unit.number} is no {self._map.name}"
            raise BadReply(f"{reason}: its {identity.value} is {found}, not {identity.equals}")

    async def read(self) -> Sample:
        """One sample of all values whose turn it is. Raises DeviceError.

        A device that refuses a block of registers is asked, once, which of them it has; the others are absent then.
        """
        groups = self.profile.due(self._polls)
        try:
            sample = await self._read(self._plan(groups), Lane.POLL)
        except Declined as error:
            if error.code not in NO_SUCH_ADDRESS or not await self._study(groups):
                raise
            sample = await self._read(self._plan(groups), Lane.POLL)
        self._counted()
        return sample

    def poll(self, taken: Callable[[Sample | Exception], None], /) -> Sampling:
        """`read`, without a task: `taken` is told the sample or the error, once, unless it is given up before.

        What a device has not got is not looked into: after a Declined, `read`. One poll at a time.
        """
        groups = self.profile.due(self._polls)
        sampling = self._samplings.get(groups)
        if sampling is None:
            sampling = self._samplings[groups] = Sampling(self._unit, self._plan(groups), self._counted)
        sampling.begin(taken)
        return sampling

    async def get(self, names: Iterable[str], lane: Lane = Lane.VERIFY) -> Sample:
        """These values, and perhaps others near them, beyond doubt: a suspect answer is asked for once more."""
        reads = self.profile.reads_of(names)
        sample = await self._read(reads, lane)
        return await self._read(reads, lane) if sample.suspect else sample

    async def set(self, name: str, value: Value, lane: Lane = Lane.COMMAND) -> None:
        """Write one value. Raises Refusal where the map forbids it, and DeviceError.

        Where the answer stays out it is read back, and sent once more only if the map says that this does no harm.
        """
        spec, request = self._map.by_name[name], self._setting(name, value)
        try:
            await self._write(request, lane)
        except (ReplyTimeout, BadReply):
            if await self._shows(spec, value, lane):
                return
            if not spec.idempotent:
                raise
            await self._write(request, lane)

    async def _shows(self, spec: ValueSpec, value: Value, lane: Lane) -> bool:
        """Whether the device shows what was written, where it can be read back."""
        shown = self._map.by_name[spec.verify or spec.name]
        if not shown.readable:
            return False
        seen = (await self.get([shown.name], lane)).values.get(shown.name)
        return seen is not None and encode(self._map, shown, seen) == encode(self._map, shown, value)

    def _setting(self, name: str, value: Value) -> wire.Request:
        spec = self._map.by_name[name]
        cells = encode_write(self._map, spec, value)
        if spec.table == "coil":
            return wire.write_coil(spec.address, bool(cells[0]))
        if len(cells) == 1:
            return wire.write_register(spec.address, cells[0])
        return wire.write_registers(spec.address, cells)

    def last_words(self) -> LastWords | None:
        """What stops it when the daemon no longer can; None where its map has no stop."""
        stop = self._map.stop
        return None if stop is None else self._unit.bus.last_words(self._unit.number, self._setting(stop.write, True))

    async def perform(self, number: int, action: str, args: Mapping[str, Value], /) -> ReadBack:
        """Write one command and read back what the device made of it. Raises DeviceError when that is not known."""
        try:
            command = encode_command(self._map, number, action, args)
        except Refusal as refusal:
            return ReadBack(Outcome.REFUSED, refusal.reason)
        try:
            await self._write(wire.write_registers(command.address, command.registers), Lane.COMMAND)
        except Quarantined as error:
            return ReadBack(Outcome.REFUSED, error.reason)
        except (ReplyTimeout, BadReply):
            return await self.recall(number)  # perhaps it was only the answer that got lost
        except Declined as error:
            if error.code in _NOT_DONE:
                return ReadBack(Outcome.REFUSED, error.reason)
        return await self._concluded(number)

    async def recall(self, number: int, /) -> ReadBack:
        """What became of a command number; writes nothing. Raises DeviceError."""
        sample = await self.get(read_back_names(self._map))
        taken, reason = outcome(self._map, number, sample.values)
        if taken is None:
            return ReadBack(Outcome.UNSEEN, reason)
        return ReadBack(Outcome.DONE if taken else Outcome.REFUSED, reason)

    async def stop(self) -> None:
        """Demand a stop ahead of all else on the line, and see it in force. Raises DeviceError; may be repeated."""
        stop = self._map.stop
        if stop is None:
            raise DeviceError(f"{self._map.title} has nothing that stops it")
        unanswered: DeviceError | None = None
        try:
            await self._write(self._setting(stop.write, True), Lane.STOP)
        except (ReplyTimeout, BadReply) as error:
            unanswered = error
        for wait_s in _LOOK_AGAIN_S:
            seen = (await self.get(stop.verify, Lane.STOP)).values
            if all(seen.get(name) == wanted for name, wanted in stop.verify.items()):
                return
            if unanswered is not None:
                raise unanswered
            await self._clock.sleep(wait_s)
        raise BadReply(f"a stop was written, and {' and '.join(stop.verify)} did not become so")

    async def heartbeat(self) -> None:
        """Change the heartbeat register once more. Raises DeviceError."""
        if (request := self._next_beat()) is not None:
            await self._write(request, Lane.COMMAND)

    def beat(self, told: Callable[[Exception | None], None], /) -> Beat:
        """`heartbeat`, without a task: `told` hears None, or the error, once, unless it is given up before."""
        beat, request = Beat(told), self._next_beat()
        if request is None:
            told(None)
        else:
            beat.begin(self._unit.bus, self._unit.number, request, self._unit.within_s)
        return beat

    def _next_beat(self) -> wire.Request | None:
        beat = self._map.heartbeat
        if beat is None:
            return None
        self._heartbeats = self._heartbeats % 0xFFFF + 1
        return self._setting(beat.write, self._heartbeats)

    async def _concluded(self, number: int) -> ReadBack:
        """The device's word on a command that it has been sent, waiting a little for it to take it up."""
        for wait_s in _LOOK_AGAIN_S:
            back = await self.recall(number)
            if back.outcome != Outcome.UNSEEN:
                return back
            await self._clock.sleep(wait_s)
        return await self.recall(number)

    def _counted(self) -> None:
        """One poll more. What is learned meanwhile of the device's pace counts from some poll on."""
        self._polls += 1
        if self._polls % _PLAN_AGAIN_POLLS == 0:
            self._samplings.clear()

    def _plan(self, groups: tuple[str, ...]) -> Reads:
        lesson = self._notebook.recall(self._clock.monotonic())
        return self.profile.reads_of_groups(groups, lesson, self._unit.bus.worthwhile_gap(self._unit.number))

    async def _study(self, groups: tuple[str, ...]) -> bool:
        """Find out what of these groups the device has; returns whether that is something."""
        learned = await self._notebook.study(self._plan(groups).blocks, self._try, self._clock.monotonic)
        self._samplings.clear()
        return learned

    async def _try(self, block: Block) -> object:
        request = wire.read(block.table, block.address, block.count)
        return await self._unit.bus.ask(self._unit.number, request, within_s=self._unit.within_s)

    async def _read(self, reads: Reads, lane: Lane) -> Sample:
        unit, data, suspect = self._unit, [], False
        for request in reads.requests:
            answer = await unit.bus.ask(unit.number, request, lane=lane, within_s=unit.within_s)
            data.append(answer.data)
            suspect = suspect or answer.suspect
        return reads.sample(data, suspect=suspect)

    async def _write(self, request: wire.Request, lane: Lane) -> None:
        await self._unit.bus.ask(self._unit.number, request, lane=lane, within_s=self._unit.within_s)
