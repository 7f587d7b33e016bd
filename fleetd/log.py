"""Structured logs: for people on a terminal, JSON lines for a journal; both on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

# What a frame's variables hold may be a secret: neither form shows them.
_WITHOUT_LOCALS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
LEVELS = ("debug", "info", "warning", "error")


def set_up_logging(level: str = "info", *, json: bool | None = None) -> None:
    """Configure structlog and the standard library's logging alike. `json` None: unless a person is looking."""
    as_json = not sys.stderr.isatty() if json is None else json
    threshold: int = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[Any] = (
        [structlog.processors.ExceptionRenderer(_WITHOUT_LOCALS), structlog.processors.JSONRenderer()]
        if as_json
        else [_console(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: the same processors, and only what an operator can use.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    for chatty in ("aiomqtt", "mqtt", "pymodbus", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def _console(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
