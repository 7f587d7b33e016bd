"""A decoder in a process of its own, where its licence or its language asks for that.

The program reads one line of JSON a frame, `{"frame": "<base64>"}`, and answers each with one line:
`{"packets": [{"name", "values", "raw"?, "units"?, "absent"?, "onboard_at"?, "apid"?, "sequence_count"?}], "flaws"?:
[{"rule", "reason"}]}`. It is begun with the first frame. One that is silent, ends or answers nonsense is ended, that
frame counts as not decoded, and the next one begins it anew; the contact goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import Field

from fleetd.downlink.decoder import Decoded, DecoderSpec, Packet
from fleetd.errors import FrameError
from fleetd.records import Value
from fleetd.settings import Settings

_MOST_BYTES = 1 << 20
_Values = dict[str, Value]


class ExternalSettings(Settings):
    """Which program decodes."""

    command: Annotated[list[str], Field(min_length=1)]
    """The program and its arguments, without a shell."""
    answer_within_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How long it may take over one frame, its start with the first one included, in real time."""


class _Packet(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    values: _Values
    raw: _Values = {}
    units: dict[str, str] = {}
    absent: dict[str, str] = {}
    onboard_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    apid: int | None = None
    sequence_count: int | None = None


class _Flaw(msgspec.Struct, forbid_unknown_fields=True):
    rule: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,40}$")]
    reason: Annotated[str, msgspec.Meta(max_length=400)] = ""


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    packets: list[_Packet] = []
    flaws: list[_Flaw] = []


_answer = msgspec.json.Decoder(_Answer)


class ExternalDecoder:
    """One program at work; one frame at a time."""

    def __init__(self, settings: ExternalSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def decode(self, frame: bytes, /) -> Decoded:
        """What the program makes of a frame; its failure is a flaw of that frame."""
        async with self._turn:
            whole = False
            try:
                async with asyncio.timeout(self._settings.answer_within_s):
                    answer = _answer.decode(await self._asked(frame))
                whole = True
            except TimeoutError:
                return self._failed(f"no answer within {self._settings.answer_within_s:g} s")
            except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
                return self._failed(str(error) or type(error).__name__)
            finally:
                if not whole:
                    await self.end()
        return Decoded(
            [Packet(**{name: getattr(each, name) for name in each.__struct_fields__}) for each in answer.packets],
            [FrameError(each.rule, each.reason or each.rule) for each in answer.flaws],
        )

    async def end(self) -> None:
        """End the program, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    async def _asked(self, frame: bytes) -> bytes:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *self._settings.command, stdin=pipe, stdout=pipe, limit=_MOST_BYTES
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise OSError("the program has no pipes")
        stdin.write(b'{"frame": "' + base64.b64encode(frame) + b'"}\n')
        await stdin.drain()
        line = await stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the program has ended")
        return line

    def _failed(self, why: str) -> Decoded:
        words = " ".join(why.split())[:300]
        return Decoded(flaws=[FrameError("decoder-failed", f"{self._settings.command[0]}: {words}")])


@asynccontextmanager
async def opened(settings: ExternalSettings) -> AsyncIterator[ExternalDecoder]:
    """A decoder by this program, which ends with the context."""
    decoder = ExternalDecoder(settings)
    try:
        yield decoder
    finally:
        await decoder.end()


SPEC = DecoderSpec(
    name="external",
    summary="a program of its own that reads frames and answers parameters, a line of JSON each",
    settings=ExternalSettings,
    open=opened,
)
