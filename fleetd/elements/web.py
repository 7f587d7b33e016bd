"""URLs as sources of elements: asked seldom, politely and never believed further than they can be parsed.

Publishers ban an address that asks again within two hours. So that time holds for every request that was sent, whatever
came of it, and stands in the store before the request is sent: no restart and no crash loop asks earlier. Redirections
are not followed but told, since the right address belongs into the site file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from msgspec.structs import replace

from fleetd.clock import Clock
from fleetd.elements.settings import ElementsSettings
from fleetd.errors import ElementsError
from fleetd.orbit.elements import MAX_BYTES, parse_elements
from fleetd.orbit.elementset import ElementSet
from fleetd.store.elements import ElementShelf, UrlRecord

FLOOR = timedelta(hours=2)
"""Least time between two requests to one URL."""
_LONGEST = timedelta(hours=24)
_UNREACHED_FIRST = timedelta(minutes=5)
_CHUNK = 64 * 1024
_MOST_DOUBLINGS = 16
_FORMATS = "application/json, application/xml, text/csv, text/plain, */*;q=0.1"


class _Answer(NamedTuple):
    body: bytes  # empty where nothing has changed
    etag: str
    last_modified: str


class _NotReachedError(Exception):
    """Nothing was sent: the name is unknown, or nobody takes the connection."""


@asynccontextmanager
async def client(settings: ElementsSettings) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client for sources; proxies are taken from the environment as curl takes them."""
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
        # Bodies are counted as they arrive; packed ones could grow beyond all bounds in one step.
        headers={"User-Agent": settings.user_agent, "Accept": _FORMATS, "Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=True,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        yield session


class WebSource:
    """One configured URL."""

    whole = True
    """A look that brings anything brings all that the source holds."""

    def __init__(self, url: str, settings: ElementsSettings, shelf: ElementShelf, clock: Clock) -> None:
        self.name = url
        self.record = UrlRecord(url=url)
        self._every = timedelta(hours=settings.request_every_h)
        self._shelf = shelf
        self._clock = clock

    @property
    def reason(self) -> str:
        """What was wrong with the last request, '' when nothing was."""
        return self.record.reason

    async def recall(self) -> None:
        """Take up what an earlier run knew of it. Raises StoreError."""
        self.record = await self._shelf.url(self.name)

    def due(self) -> bool:
        """Whether it may be asked now."""
        now, not_before = self._clock.now(), self.record.not_before
        if not_before is not None and not_before - now > max(self._every, _LONGEST):
            # The clock was ahead when this was noted: count from now.
            self.record = replace(self.record, not_before=now + FLOOR)
        return self.record.not_before is None or now >= self.record.not_before

    async def look(self, session: aiohttp.ClientSession, *, anew: bool = False) -> list[ElementSet]:
        """Ask, if it is due; nothing comes of an answer that has not changed, unless all is wanted `anew`.

        What fails is in `reason` afterwards. Raises StoreError, with nothing sent, when the time of the request cannot
        be kept.
        """
        if not self.due():
            return []
        before, now = self.record, self._clock.now()
        await self._keep(replace(before, requested_at=now, not_before=now + FLOOR))
        try:
            response = await self._ask(session, replace(before, etag="", last_modified="") if anew else before)
            # Parsing may take a second for a whole catalogue.
            sets = await asyncio.to_thread(parse_elements, response.body, self.name) if response.body else []
        except _NotReachedError as error:
            wait = min(_UNREACHED_FIRST * 2 ** min(before.failures, _MOST_DOUBLINGS), FLOOR)
            await self._failed(error, now + wait, before.requested_at)
            return []
        except (ElementsError, aiohttp.ClientError, TimeoutError) as error:
            wait = min(FLOOR * 2 ** min(before.failures, _MOST_DOUBLINGS), _LONGEST)
            await self._failed(error, now + max(wait, self._every), now)
            return []
        await self._keep(
            UrlRecord(
                url=self.name,
                requested_at=now,
                succeeded_at=now,
                not_before=now + self._every,
                etag=response.etag,
                last_modified=response.last_modified,
            )
        )
        return sets

    async def _ask(self, session: aiohttp.ClientSession, before: UrlRecord) -> _Answer:
        headers = {"If-None-Match": before.etag, "If-Modified-Since": before.last_modified}
        known = {name: value for name, value in headers.items() if value}
        try:
            async with session.get(self.name, headers=known, allow_redirects=False) as response:
                if response.status == HTTPStatus.NOT_MODIFIED and known:
                    return _Answer(b"", before.etag, before.last_modified)
                _check(response)
                etag, last_modified = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
                return _Answer(await _body(response), etag, last_modified)
        except aiohttp.ClientConnectorError as error:
            raise _NotReachedError(f"cannot be reached: {error.strerror or error}") from None

    async def _failed(self, error: Exception, not_before: datetime, requested_at: datetime | None) -> None:
        words = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            words = "the server did not answer in time"
        reason = words if words.startswith(self.name) else f"{self.name}: {words}"
        failures = self.record.failures + 1
        await self._keep(
            replace(self.record, requested_at=requested_at, not_before=not_before, failures=failures, reason=reason)
        )

    async def _keep(self, record: UrlRecord) -> None:
        await self._shelf.note(record)
        self.record = record


def _check(response: aiohttp.ClientResponse) -> None:
    """Raises ElementsError unless this answer may hold elements."""
    if 300 <= response.status < 400:
        there = response.headers.get("Location", "another place")
        raise ElementsError(f"has moved to {there[:200]}: put that address into the site file")
    if response.status != HTTPStatus.OK:
        raise ElementsError(f"the server answers {response.status} {(response.reason or '')[:60]}".rstrip())
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ElementsError("the answer is packed, which was not asked for")
    if (response.content_length or 0) > MAX_BYTES:
        raise ElementsError(_too_large())


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body, read no further than its limit. Raises ElementsError beyond it."""
    parts, size = [], 0
    async for part in response.content.iter_chunked(_CHUNK):
        size += len(part)
        if size > MAX_BYTES:
            raise ElementsError(_too_large())
        parts.append(part)
    if not size:
        raise ElementsError("the answer is empty")
    return b"".join(parts)


def _too_large() -> str:
    return f"the answer is larger than {MAX_BYTES // 1024**2} MB; ask for fewer satellites"
