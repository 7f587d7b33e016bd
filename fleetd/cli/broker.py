"""How `fleetctl` listens at a broker by itself, without any daemon. Heavy imports stand inside the functions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from fleetd.errors import Refusal

if TYPE_CHECKING:
    from fleetd.relay.incoming import Incoming
    from fleetd.relay.settings import RelaySettings
    from fleetd.relay.uplink import Uplink

_DENIED_AGAIN_S = 1.0  # a cluster that elects its leader denies subscriptions for a while
_DENIED_MOST = 10

BrokerUrl = Annotated[
    str, typer.Option("--broker", envvar="FLEETD_BROKER", help="mqtt://host:port, or mqtts:// for TLS.", metavar="URL")
]
Protocol = Annotated[Literal["5", "3.1.1"], typer.Option(help="Version of MQTT; NATS speaks 3.1.1 only.")]
Username = Annotated[str | None, typer.Option(help="User at the broker.", show_default=False)]
PasswordFile = Annotated[Path | None, typer.Option(help="File that holds the user's password.", show_default=False)]
CaFile = Annotated[
    Path | None, typer.Option(help="Authorities that may vouch for the broker (PEM); else the system's.")
]


class Access(NamedTuple):
    """Where the broker is, and how to be let in."""

    url: str
    protocol: Literal["5", "3.1.1"] = "5"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


@asynccontextmanager
async def listening(access: Access, *filters: str) -> AsyncIterator[Uplink]:
    """A session that is subscribed to the filters and kept alive. Raises Refusal; UplinkLost comes in a group."""
    from fleetd.relay.settings import parse_broker
    from fleetd.relay.uplink import Uplink

    settings = _settings(access)
    async with (
        Uplink.connect(parse_broker(access.url), settings, f"fleetctl-{secrets.token_hex(4)}") as uplink,
        asyncio.TaskGroup() as tasks,
    ):
        keeping = tasks.create_task(uplink.keep(), name="broker keep-alive")
        for topic_filter in filters:
            await _subscribe(uplink, topic_filter)
        yield uplink
        keeping.cancel()


async def heard_within(uplink: Uplink, seconds: float) -> AsyncIterator[Incoming]:
    """What comes in during so many seconds."""
    messages = uplink.messages()
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout_at(ends):
                incoming = await anext(messages)
            yield incoming


async def _subscribe(uplink: Uplink, topic_filter: str) -> None:
    from fleetd.relay.failures import Rejected

    for attempt in range(_DENIED_MOST):
        try:
            await uplink.subscribe(topic_filter)
        except Rejected:
            if attempt == _DENIED_MOST - 1:
                raise
            await asyncio.sleep(_DENIED_AGAIN_S)
        else:
            return


def _settings(access: Access) -> RelaySettings:
    from pydantic import ValidationError

    from fleetd.relay.settings import RelaySettings
    from fleetd.settings import Secret

    password = None if access.password_file is None else Secret(file=str(access.password_file))
    try:
        return RelaySettings(
            brokers=[access.url],
            protocol=access.protocol,
            username=access.username,
            password=password,
            ca_file=None if access.ca_file is None else str(access.ca_file),
        )
    except ValidationError as error:
        reasons = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise Refusal("usage", reasons) from None
