"""Monitoring over TCP, where the site asks for it: figures and health, and nothing that steers.

The whole API stays on its Unix socket, where the kernel says who asks.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from fleetd.config.control import HttpSettings
from fleetd.control import health
from fleetd.control.answers import HOUSE, Handler, answer, worded
from fleetd.control.house import House
from fleetd.errors import ConfigError

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serve_http(house: House, settings: HttpSettings | None) -> AsyncIterator[int]:
    """Answer on TCP while the context lasts; gives the port, 0 without settings. Raises ConfigError."""
    if settings is None:
        yield 0
        return
    token = settings.token.read() if settings.token else ""
    if settings.token and not token:
        raise ConfigError("control.http.token: the secret is empty")
    application = web.Application(middlewares=[_guarded_by(token), worded])
    application[HOUSE] = house
    application.add_routes(health.routes)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, handle_signals=False)
    await runner.setup()
    try:
        host, port = settings.end
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"control.http: {settings.listen} cannot be bound: {error.strerror or error}") from error
        bound: int = runner.addresses[0][1]
        log.info("monitoring is there", listen=f"{host}:{bound}", token=bool(token))
        yield bound
    finally:
        await runner.cleanup()


def _guarded_by(token: str) -> Middleware:
    """A middleware that asks for `Authorization: Bearer TOKEN`, unless there is no token."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        said = request.headers.get("Authorization", "")
        if token and not hmac.compare_digest(said.encode(), f"Bearer {token}".encode()):
            return answer({"error": "give the token as 'Authorization: Bearer …'", "rule": "token"}, status=401)
        return await handler(request)

    return guarded
