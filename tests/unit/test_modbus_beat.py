"""What is made anew again and again is freed by itself: nothing of it is left to the collector, which runs rarely."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fleetd.errors import DeviceError, LinkLost
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.beat import Beat
from fleetd_drivers.modbus.bus import Answer

REQUEST = wire.read("holding", 0, 1)


@dataclass
class Posted:
    """A question on a line, and whom to tell."""

    deliver: Callable[[Answer | DeviceError], None]
    wanted: bool = True


class Line:
    """A bus that keeps the last question until it is answered by hand."""

    posted: Posted | None = None

    def post(self, unit: int, request: wire.Request, deliver: Callable[[Any], None], **_: Any) -> Posted:
        self.posted = Posted(deliver)
        return self.posted

    def answer(self, answer: Answer | DeviceError) -> None:
        posted, self.posted = self.posted, None
        assert posted is not None
        posted.deliver(answer)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("answer", [Answer(b"", suspect=False), LinkLost("gone")], ids=["answered", "lost"])
def test_a_heartbeat_is_gone_once_it_has_been_answered(answer: Answer | DeviceError) -> None:
    line, told = Line(), list[Exception | None]()
    beat = Beat(told.append)
    beat.begin(line, 1, REQUEST, 0.5)  # type: ignore[arg-type]
    gone = weakref.ref(line.posted)  # type: ignore[arg-type]
    line.answer(answer)
    del beat
    assert (len(told), gone()) == (1, None)
