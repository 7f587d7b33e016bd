"""`FrameGate`: what stands between a frame and the air, in every driver of a TNC.

Shut unless somebody holds it open; whoever does says, frame by frame, whether transmitting is allowed now. Not here:
that judgement itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleetd.errors import Refusal

Permit = Callable[[], None]
"""Returns if transmitting is allowed at this instant; raises Refusal saying why not."""


class FrameGate:
    """Open for one holder at a time, and only for as long as a context lasts."""

    def __init__(self) -> None:
        self._permit: Permit | None = None
        self._holder = ""

    @property
    def holder(self) -> str:
        """Who holds it open; '' while it is shut."""
        return self._holder

    @contextmanager
    def opened(self, holder: str, permit: Permit) -> Iterator[None]:
        """Hold the gate open; it is shut on every way out. Raises Refusal if another holds it already."""
        if self._permit is not None:
            raise Refusal("transmit-gate", f"the transmitter is {self._holder}'s already")
        self._permit, self._holder = permit, holder
        try:
            yield
        finally:
            self._permit, self._holder = None, ""

    def check(self) -> None:
        """Let one frame pass. Raises Refusal if the gate is shut, or its holder may not transmit now."""
        if self._permit is None:
            raise Refusal("transmit-gate", "nothing is transmitted outside a contact with transmit permission")
        self._permit()
