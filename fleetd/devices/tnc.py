"""TNCs: terminal node controllers, which turn what a radio hears into frames and frames into what it sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fleetd.gate import FrameGate


@dataclass(frozen=True, slots=True)
class TncFrame:
    """One frame as it stood on the air, less flags and checksum. `flaw` names what is known to be wrong with it."""

    data: bytes
    port: int = 0
    """The TNC's radio port, 0 to 15."""
    flaw: str = ""


@runtime_checkable
class Tnc(Protocol):
    """A terminal node controller: frames from and to the air, one radio port or several."""

    @property
    def gate(self) -> FrameGate:
        """Shut but while a contact holds it open; nothing is sent past it."""
        ...

    async def receive(self) -> TncFrame:
        """The next frame heard; waits for it, and may be cancelled without losing one."""
        ...

    async def send(self, frame: TncFrame, /) -> None:
        """Hand over one frame for the air; returns once the line has taken it. Raises Refusal if the gate does."""
        ...
