"""One call that an event loop has been asked for: now, or at a time. What asyncio's own handles are, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

Swept = Callable[[], None]


class Call:
    """Stands where a `asyncio.Handle` or `asyncio.TimerHandle` is expected, at half of what those cost."""

    __slots__ = ("_act", "_args", "_cancelled", "_context", "_loop", "_swept", "_when_s")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        act: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
        when_s: float = 0.0,
        swept: Swept | None = None,
    ) -> None:
        self._loop = loop
        self._act = act
        self._args = args
        self._context = copy_context() if context is None else context
        self._when_s = when_s
        self._swept = swept
        """Told when it is cancelled before its time."""
        self._cancelled = False

    def when(self) -> float:
        """The loop's time at which it is due."""
        return self._when_s

    def cancelled(self) -> bool:
        """Whether it will not be made."""
        return self._cancelled

    def cancel(self) -> None:
        """Do not make it."""
        if self._cancelled:
            return
        self._cancelled = True
        self._act, self._args = _nothing, ()
        if self._swept is not None:
            self._swept()

    def take_up(self) -> bool:
        """Its time has come; returns whether it is to be made."""
        self._swept = None
        return not self._cancelled

    def _run(self) -> None:
        """Make it, as the loop's own turn does with what stands in its queue."""
        try:
            self._context.run(self._act, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # as asyncio does: it is the exception handler's
            said = {"message": f"Exception in callback {self._act!r}", "exception": error, "handle": self}
            self._loop.call_exception_handler(said)


def _nothing() -> None:
    """What is left of a call that was cancelled."""
