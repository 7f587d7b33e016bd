"""`fleetctl --broker URL fleet`: all sites that publish through one broker, as it keeps them. No daemon is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.broker import Access, CaFile, PasswordFile, Protocol, Username, heard_within, listening
from fleetd.cli.options import AsJson, Exit, broker_of

_FILTERS = ("fleetd/+/status", "fleetd/+/+/status", "fleetd/+/alarm/+/+")
_COLUMNS = {
    "site": "site",
    "state": "state",
    "since": "since",
    "version": "version",
    "devices": "devices",
    "online": "online",
    "not online": "not_online",
    "alarms": "alarms",
    "worst": "worst",
}
_NAMED = 3
_WORST_FIRST = ("critical", "warning", "info")


@dataclass
class _Site:
    status: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)


def fleet(
    context: typer.Context,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=60.0, help="How long to wait for what the broker keeps.")
    ] = 1.0,
    protocol: Protocol = "5",
    username: Username = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every site that publishes through the broker named before the command: fleetctl --broker URL fleet."""
    access = Access(broker_of(context), protocol, username, password_file, ca_file)
    sites = [_told(name, site) for name, site in sorted(asyncio.run(_gathered(access, seconds)).items())]
    if as_json:
        screen.print_json(sites)
    else:
        shown = [{**site, "not_online": _few(site["not_online"])} for site in sites]
        screen.print_records(_COLUMNS, shown, empty="no site has said anything")
    if not sites:
        raise typer.Exit(Exit.REFUSED)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


async def _gathered(access: Access, seconds: float) -> dict[str, _Site]:
    from fleetd.relay.failures import UplinkLost

    sites: dict[str, _Site] = {}
    try:
        async with listening(access, *_FILTERS) as uplink:
            async for incoming in heard_within(uplink, seconds):
                _take(sites, incoming.topic, incoming.payload)
    except* UplinkLost as group:
        raise group.exceptions[0] from None
    return sites


def _take(sites: dict[str, _Site], topic: str, payload: bytes) -> None:
    import msgspec

    try:
        body = msgspec.json.decode(payload, type=dict[str, Any]) if payload else {}
    except msgspec.MsgspecError:
        return
    _, name, *below = topic.split("/")
    site = sites.setdefault(name, _Site())
    match below:
        case ["status"]:
            site.status = body
        case ["alarm", device, alarm]:
            if body.get("active"):
                site.alarms[f"{device} {alarm}"] = str(body.get("severity", ""))
            else:
                site.alarms.pop(f"{device} {alarm}", None)
        case [device, "status"]:
            site.devices[device] = str(body.get("state", ""))


def _told(name: str, site: _Site) -> dict[str, Any]:
    counted = Counter(site.devices.values())
    here = site.status.get("state") == "online"
    return {
        "site": name,
        "state": site.status.get("state", "unknown"),
        "since": site.status.get("at"),
        "version": site.status.get("version"),
        "node": site.status.get("node"),
        "devices": len(site.devices),
        "online": counted["online"] if here else 0,
        "not_online": sorted(device for device, state in site.devices.items() if state != "online" or not here),
        "alarms": len(site.alarms),
        "worst": next((word for word in _WORST_FIRST if word in site.alarms.values()), ""),
    }
