"""What the reference satellites can be told: arguments, bytes, and by which telemetry the effect is known."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleetd.errors import Refusal
from fleetd.records import Value

LONGEST_MESSAGE = 180

Arguments = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `body` raises Refusal for arguments that it does not take."""

    name: str
    code: int
    help: str
    body: Callable[[Arguments], bytes]
    idempotent: bool = True
    """Carried out twice it does no more than once; only such orders are sent again unanswered."""
    hazardous: bool = False
    effect: Callable[[Arguments], Mapping[str, Value]] = lambda _arguments: {}
    """Parameters, and the values that they have once it is carried out."""


def _nothing(arguments: Arguments) -> bytes:
    _named(arguments)
    return b""


def _period(arguments: Arguments) -> bytes:
    (period_s,) = _named(arguments, "period_s")
    if isinstance(period_s, bool) or not isinstance(period_s, int) or not 1 <= period_s <= 3600:
        raise Refusal("argument", f"period_s is {period_s!r} and must be a whole number from 1 to 3600")
    return struct.pack(">H", period_s)


def _switch(arguments: Arguments) -> bytes:
    (on,) = _named(arguments, "on")
    if not isinstance(on, bool):
        raise Refusal("argument", f"on is {on!r} and must be true or false")
    return bytes((on,))


def _text(arguments: Arguments) -> bytes:
    (text,) = _named(arguments, "text")
    body = text.encode() if isinstance(text, str) else b""
    if not 0 < len(body) <= LONGEST_MESSAGE:
        raise Refusal("argument", f"text must be 1 to {LONGEST_MESSAGE} bytes in UTF-8, not {len(body)}")
    return body


def _named(arguments: Arguments, *names: str) -> list[Value]:
    if set(arguments) != set(names):
        raise Refusal(
            "argument", f"it takes {', '.join(names) or 'no arguments'}, not {', '.join(arguments) or 'none'}"
        )
    return [arguments[name] for name in names]


def _orders(*orders: Order) -> Mapping[str, Order]:
    return {order.name: order for order in orders}


_COMMON = (
    Order("ping", 1, "answer, and do nothing", _nothing),
    Order(
        "set-beacon-period",
        2,
        "seconds from one beacon to the next: period_s",
        _period,
        effect=lambda arguments: {"beacon_period_s": arguments["period_s"]},
    ),
    Order("payload", 3, "the payload on or off: on", _switch, effect=lambda arguments: {"payload_on": arguments["on"]}),
    Order(
        "transmitter", 6, "the transmitter on or off: on; off is silence until it hears again", _switch, hazardous=True
    ),
)

ORDERS: Mapping[str, Mapping[str, Order]] = {
    "candy-tin": _orders(*_COMMON, Order("take-picture", 5, "take one more picture", _nothing, idempotent=False)),
    "tmall-international": _orders(
        *_COMMON, Order("store-message", 4, "keep a message on board: text", _text, idempotent=False)
    ),
}
"""By the reference satellite's name."""
