"""How the control API reads a request and words its answer.

Bodies are bounded and checked before anything else looks at them; whatever goes wrong is one sentence and one stable
word: `{"error": …, "rule": …}` with 400 malformed, 403 no role for it, 404 unknown
name, 409 refused, 413 too large, 503 not possible now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import structlog
from aiohttp import web

from fleetd.clock import iso_ms
from fleetd.control.house import House
from fleetd.control.peer import peer_of
from fleetd.errors import DeviceError, Refusal, StoreError

log = structlog.get_logger(__name__)

HOUSE = web.AppKey("house", House)
MOST_BYTES = 64 * 1024
_MOST_AUDITED = 500  # characters of a body that the audit chain keeps

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T", bound=msgspec.Struct)


class MalformedRequest(Refusal):
    """The request itself cannot be understood."""

    def __init__(self, reason: str) -> None:
        super().__init__("malformed", reason)


async def read_body(request: web.Request, shape: type[T]) -> T:
    """The JSON object in a request's body; an empty body counts as `{}`. Raises MalformedRequest."""
    body = await request.read()
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"the body is not what {request.path} takes: {error}") from None


def number_of(request: web.Request, name: str, default: float, lowest: float, highest: float) -> float:
    """A number from the query, within limits, both ends allowed. Raises MalformedRequest."""
    text = request.query.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise MalformedRequest(f"{name}={text[:40]} must be a number from {lowest:g} to {highest:g}")
    return value


def answer(value: Any, *, status: int = 200) -> web.Response:
    """`value` as JSON, times in ISO 8601 with milliseconds and 'Z'."""
    plain = msgspec.to_builtins(value, builtin_types=(datetime,))
    return web.Response(body=_encoder.encode(_with_ms(plain)), status=status, content_type="application/json")


def encode_line(value: Any) -> bytes:
    """`value` as one line of JSON, times as in `answer`."""
    return _encoder.encode(_with_ms(msgspec.to_builtins(value, builtin_types=(datetime,)))) + b"\n"


def refused(refusal: Refusal, **more: Any) -> web.Response:
    """The answer to a request that is refused."""
    return answer({"error": refusal.reason, "rule": refusal.rule, **more}, status=_status(refusal))


@web.middleware
async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every expected failure into an answer of the one form."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refused(refusal)
    except DeviceError as error:
        return answer({"error": str(error), "rule": "device"}, status=503)
    except StoreError as error:
        return answer({"error": str(error), "rule": "store"}, status=503)
    except web.HTTPRequestEntityTooLarge:
        text = f"a body of more than {MOST_BYTES} bytes is not taken"
        return answer({"error": text, "rule": "too-large"}, status=413)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        text = f"{request.path[:80]} takes {allowed}, not {request.method}"
        return answer({"error": text, "rule": "method"}, status=405)
    except web.HTTPNotFound:
        return answer({"error": f"there is no {request.path[:80]} here", "rule": "unknown-path"}, status=404)


@web.middleware
async def recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log who changed something, and add it to the audit chain, unless the room that did it keeps its own record."""
    if request.method != "POST":
        return await handler(request)
    peer = peer_of(request)
    response = await handler(request)
    act = request.path.removeprefix("/v1/")[:120]
    log.info("asked for", act=act, status=response.status, pid=peer.pid, uid=peer.uid)
    if not judged_later(request):
        await _audit(request, peer.issuer, act, response.status)
    return response


@web.middleware
async def permitted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through only what a role of the caller allows; looking and stopping are for everybody."""
    if request.method == "POST" and not judged_later(request) and not _stops(request):
        request.app[HOUSE].access.judge(peer_of(request).issuer, act_of(request))
    return await handler(request)


def act_of(request: web.Request) -> str:
    """What a request asks for, in the words of a role: antennas/point, contacts/book, alarms/ack."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else request.path
    return "/".join(part for part in path.removeprefix("/v1/").split("/") if not part.startswith("{"))


def judged_later(request: web.Request) -> bool:
    """Whether it is a robot's command or a satellite's order, which is judged and audited by its own action."""
    return act_of(request) in ("commands", "commands/confirm", "uplink/orders")


def _stops(request: web.Request) -> bool:
    return act_of(request).rpartition("/")[2] == "stop"


async def _audit(request: web.Request, issuer: str, act: str, status: int) -> None:
    outcome = "done" if status < 400 else f"refused {status}"
    try:
        detail = (await request.read())[:_MOST_AUDITED].decode(errors="replace")
    except web.HTTPRequestEntityTooLarge:
        detail = "too large"
    try:
        await request.app[HOUSE].store.audit.append(issuer, act, outcome, detail)
    except StoreError as error:
        log.critical("an act is not in the audit chain", act=act, reason=str(error))


def _status(refusal: Refusal) -> int:
    if isinstance(refusal, MalformedRequest):
        return 400
    if refusal.rule == "role":
        return 403
    return 404 if refusal.rule.startswith("unknown-") else 409


_encoder = msgspec.json.Encoder()


def _with_ms(plain: Any) -> Any:
    """The same with every time as text."""
    match plain:
        case dict():
            return {name: _with_ms(inner) for name, inner in plain.items()}
        case list() | tuple():
            return [_with_ms(inner) for inner in plain]
        case datetime():
            return iso_ms(plain)
        case _:
            return plain
