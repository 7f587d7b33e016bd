"""`Desk`: what people ask of frames that have come: to see them, to count them, to have them decoded anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fleetd.downlink.decoder import Decoder
from fleetd.downlink.dissect import Field, dissect
from fleetd.downlink.reading import telemetry
from fleetd.downlink.reception import Reception, decoded_of
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.records import Frame, Telemetry
from fleetd.store.frames import FrameArchive, FrameWish

_PAGE = 500


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One frame, taken apart."""

    frame: Frame
    fields: list[Field]
    readings: list[Telemetry]
    flaws: list[str]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay brought."""

    frames: int
    readings: int
    flaws: Mapping[str, int]
    """By rule: how many frames or packets could not be believed."""
    undecoded: int
    """Frames of satellites without a decoder, or of none."""


class Desk:
    """The frames of a site; `receptions` by antenna."""

    def __init__(
        self, archive: FrameArchive, decoders: Mapping[str, Decoder], hub: Hub, receptions: Mapping[str, Reception]
    ) -> None:
        self._archive = archive
        self._decoders = decoders
        self._hub = hub
        self._receptions = receptions

    async def frames(self, wish: FrameWish, most: int) -> list[Frame]:
        """Archived frames. Raises StoreError."""
        return await self._archive.read(wish, most)

    async def newest(self, most: int) -> list[Frame]:
        """The last frames, oldest first. Raises StoreError."""
        return await self._archive.newest(most)

    async def show(self, number: int) -> Shown:
        """One frame with its fields named. Raises Refusal if there is none, and StoreError."""
        found = await self._archive.read(FrameWish(after=number - 1), 1)
        if not found or found[0].number != number:
            raise Refusal("unknown-frame", f"there is no frame {number} in the archive")
        (frame,) = found
        decoder = self._decoders.get(frame.satellite)
        readings: list[Telemetry] = []
        flaws: list[str] = []
        if decoder is not None:
            decoded = await decoded_of(decoder, frame)
            readings = [telemetry(frame, packet, replayed=True) for packet in decoded.packets]
            flaws = [f"{flaw.rule}: {flaw.reason}" for flaw in decoded.flaws]
        return Shown(frame=frame, fields=dissect(frame.data), readings=readings, flaws=flaws)

    async def replay(self, wish: FrameWish) -> Replayed:
        """Decode archived frames with the decoders of now and publish what they hold, under the times they came.

        Raises StoreError.
        """
        frames, readings, undecoded = 0, 0, 0
        flaws: dict[str, int] = {}
        after = wish.after
        while page := await self._archive.read(msgspec.structs.replace(wish, after=after), _PAGE):
            after = page[-1].number
            for frame in page:
                frames += 1
                decoder = self._decoders.get(frame.satellite)
                if decoder is None:
                    undecoded += 1
                    continue
                decoded = await decoded_of(decoder, frame)
                for flaw in decoded.flaws:
                    flaws[flaw.rule] = flaws.get(flaw.rule, 0) + 1
                for packet in decoded.packets:
                    readings += 1
                    self._hub.publish(telemetry(frame, packet, replayed=True))
        return Replayed(frames=frames, readings=readings, flaws=flaws, undecoded=undecoded)

    def stats(self) -> list[dict[str, Any]]:
        """How reception stands at each TNC, and what the running contact has brought so far."""
        return [{"antenna": name, **each.stats()} for name, each in self._receptions.items()]
