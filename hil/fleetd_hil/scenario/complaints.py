"""What the daemon says of itself that no sound one has to say: errors in its log, and tasks that died without a word.

Heard where the daemon lives in this process, in virtual time. `listen` turns logging to here, for the whole process.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from typing import Any

import structlog

QUIET_LOG = "no error in the log"
_KEPT = 20

_heard: list[str] = []
_listening = False


def listen() -> None:
    """From now on errors are kept here, and nothing is shown; call it before anything has been logged."""
    global _listening  # noqa: PLW0603  # as logging itself, one for the process
    _listening = True
    structlog.configure(
        processors=[_keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Ear(logging.ERROR)], level=logging.ERROR, force=True)


def forget() -> None:
    """Whatever was said until now does not count: what a life that was cut off says in dying reaches nobody."""
    gc.collect()
    _heard.clear()


def complaints() -> list[str] | None:
    """What was said since, each once; None where nobody listens."""
    if not _listening:
        return None
    gc.collect()  # a task whose failure nobody asked for is told of when it is forgotten
    return list(dict.fromkeys(_heard))


def _keep(_logger: Any, _method: str, said: Any) -> Any:
    error = said.pop("exc_info", None)
    error = sys.exc_info()[1] if error is True else error
    rest = ", ".join(f"{key}={value}" for key, value in said.items() if key != "event")
    _note(f"{said.get('event')}" + (f" ({rest})" if rest else ""), error if isinstance(error, BaseException) else None)
    raise structlog.DropEvent


class _Ear(logging.Handler):
    """Of the standard library's logging: asyncio and aiohttp speak through it."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        _note(f"{record.name}: {record.getMessage().splitlines()[0]}", error)


def _note(text: str, error: BaseException | None) -> None:
    if len(_heard) < _KEPT:
        _heard.append(text if error is None else f"{text}: {where_from(error)}")


def where_from(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    error = innermost(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def innermost(error: BaseException) -> BaseException:
    """What went wrong first, out of the groups that tasks wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
