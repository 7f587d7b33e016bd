"""`Reception`: one TNC's frames, from the air to the hub.

A frame is stamped with the contact's circumstances as it comes, archived, and only then looked into; what cannot be
decoded today stands in the archive for a better decoder. A store that does not take frames stops neither the contact
nor the decoding, and is said to be. Not here: the line to the TNC, and what becomes of records on the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import structlog

from fleetd.clock import Clock
from fleetd.devices import Tnc, TncFrame
from fleetd.downlink.decoder import Decoded, Decoder, Packet
from fleetd.downlink.reading import telemetry
from fleetd.downlink.scene import Circumstances, Scene
from fleetd.downlink.settings import DownlinkSettings
from fleetd.downlink.tally import FrameTally
from fleetd.errors import FrameError, StoreError
from fleetd.hub import Hub
from fleetd.records import Event, Frame, Severity
from fleetd.store.frames import FrameArchive
from fleetd.supervise import Device, Supervision

log = structlog.get_logger(__name__)

_MOST_WAITING = 10_000  # frames between the TNC and the archive; beyond, the TNC's line waits
_GROUP = 500
_BEAT_S = 20.0
_SETTLE_WITHIN_S = 2.0  # real time

Listener = Callable[[Frame, Packet], None]
"""Told of each decoded packet; what it does must be quick."""


class Reception:
    """One TNC. Run `supervision.run(reception.device, reception.work)` and `reception.keep()` beside it."""

    def __init__(
        self,
        device: Device,
        supervision: Supervision,
        hub: Hub,
        archive: FrameArchive,
        decoders: Mapping[str, Decoder],
        settings: DownlinkSettings,
    ) -> None:
        self.device = device
        self.listeners: list[Listener] = []
        self.unstored = 0
        """Frames that the archive did not take."""
        self._clock: Clock = supervision.clock
        self._supervision = supervision
        self._hub = hub
        self._archive = archive
        self._decoders = decoders
        self._settings = settings
        self._waiting: asyncio.Queue[tuple[Frame, FrameTally | None]] = asyncio.Queue(_MOST_WAITING)
        self._scene: Scene | None = None
        self._tally: FrameTally | None = None

    # A contact

    @contextmanager
    def contact(self, scene: Scene) -> Iterator[FrameTally]:
        """Frames belong to this contact while the context lasts, and are counted in what it yields."""
        before = self._scene, self._tally
        self._scene, self._tally = scene, FrameTally(self._clock.now())
        try:
            yield self._tally
        finally:
            self._tally.silence_until(self._clock.now())
            self._scene, self._tally = before

    def stats(self) -> dict[str, Any]:
        """How things stand: the TNC, what the archive did not take, and the running contact so far."""
        tally, scene = self._tally, self._scene
        return {
            "tnc": self.device.name,
            "state": self.device.state,
            "reason": self.device.reason,
            "not_archived": self.unstored,
            "contact": scene.contact if scene else None,
            "satellite": scene.satellite if scene else None,
            "frames": tally.frames if tally else 0,
            "packets": tally.packets if tally else 0,
            "packets_missing": tally.sequence.missing if tally else 0,
            "flaws": dict(tally.flaws) if tally else {},
            "last_frame_at": tally.last_at if tally else None,
        }

    async def settled(self) -> None:
        """Wait until what has come is archived and decoded, two seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_WITHIN_S):
                await self._waiting.join()

    # The supervised loop

    async def work(self, tnc: Tnc) -> None:
        """Listen on one connection until it fails. Raises DeviceError."""
        self._supervision.recovered(self.device)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat(), name=f"{self.device.name}-beat")
            while True:
                await self._waiting.put(self._stamped(await tnc.receive()))

    async def _beat(self) -> None:
        """A TNC may be silent for days; that we still listen is known all the same."""
        while True:
            self._supervision.progress.beat(self.device.name)
            await self._clock.sleep(_BEAT_S)

    def _stamped(self, heard: TncFrame) -> tuple[Frame, FrameTally | None]:
        now, scene, tally = self._clock.now(), self._scene, self._tally
        around = scene.circumstances() if scene else Circumstances()
        if tally is not None:
            tally.arrived(now)
        frame = Frame(
            at=now,
            clock_synced=self._clock.synced,
            device=self.device.name,
            data=heard.data,
            port=heard.port,
            flaw=heard.flaw,
            contact=scene.contact if scene else "",
            satellite=scene.satellite if scene else "",
            antenna=scene.antenna if scene else "",
            azimuth_deg=around.azimuth_deg,
            elevation_deg=around.elevation_deg,
            pointing_error_deg=around.pointing_error_deg,
            doppler_hz=around.doppler_hz,
            radio=around.radio,
        )
        return frame, tally

    # From the archive to the hub

    async def keep(self) -> None:
        """Archive, decode and publish what comes, for ever; what is waiting when this is cancelled is still kept."""
        try:
            while True:
                batch = [await self._waiting.get()]
                await self._take(batch + self._at_hand())
        finally:
            if rest := self._at_hand():
                await self._take(rest)

    def _at_hand(self) -> list[tuple[Frame, FrameTally | None]]:
        found: list[tuple[Frame, FrameTally | None]] = []
        while len(found) < _GROUP and not self._waiting.empty():
            found.append(self._waiting.get_nowait())
        return found

    async def _take(self, batch: Sequence[tuple[Frame, FrameTally | None]]) -> None:
        frames = await self._archived([frame for frame, _ in batch])
        for frame, (_, tally) in zip(frames, batch, strict=True):
            self._hub.publish(frame)
            await self._decode(frame, tally)
            self._waiting.task_done()

    async def _archived(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        try:
            return await self._archive.append(frames)
        except StoreError as error:
            if not self.unstored:
                self._say("frames-not-archived", f"{self.device.name}: {error}", Severity.CRITICAL)
            self.unstored += len(frames)
            return frames

    async def _decode(self, frame: Frame, tally: FrameTally | None) -> None:
        decoder = self._decoders.get(frame.satellite)
        if decoder is None:
            return
        decoded = await decoded_of(decoder, frame)
        if tally is not None:
            tally.decoded(decoded)
        for flaw in decoded.flaws:
            log.debug("frame not believed", device=frame.device, number=frame.number, rule=flaw.rule, why=flaw.reason)
        for packet in decoded.packets:
            record = telemetry(frame, packet)
            self._look_at_clock(frame, record.onboard_ahead_s, tally)
            self._hub.publish(record)
            for listener in self.listeners:
                listener(frame, packet)

    def _look_at_clock(self, frame: Frame, ahead_s: float | None, tally: FrameTally | None) -> None:
        if ahead_s is None or tally is None or tally.clock_told or abs(ahead_s) <= self._settings.clock_off_s:
            return
        tally.clock_told = True
        text = f"{frame.satellite}'s clock is {ahead_s:+.0f} s off ours; its readings bear our time and both are told"
        self._say("satellite-clock-off", text, Severity.WARNING)

    def _say(self, name: str, text: str, severity: Severity) -> None:
        detail = {"contact": self._scene.contact} if self._scene else {}
        self._hub.publish(Event.now(self._clock, self.device.name, name, text, severity, detail))


async def decoded_of(decoder: Decoder, frame: Frame) -> Decoded:
    """What a decoder makes of a frame; one that is known to be flawed is not shown to it."""
    if frame.flaw:
        return Decoded(flaws=[FrameError("flawed", frame.flaw)])
    try:
        return await decoder.decode(frame.data)
    except Exception as error:
        # A third party's fault must not end a contact: the frame is kept, and the fault is named and logged.
        log.exception("decoder failed", device=frame.device, number=frame.number)
        return Decoded(flaws=[FrameError("decoder-failed", f"the decoder failed: {error}")])
