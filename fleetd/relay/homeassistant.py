"""Home Assistant's MQTT discovery for a site's values: one retained config a value, taken away when it leaves.

As "MQTT discovery" and "MQTT sensor" of home-assistant.io have it: `<prefix>/<component>/<node>/<object>/config`.
States come from the readings as they are; a value is available while the node and its device are online, keeps its last
state where a reading does not name it, and is unknown (None) where it is absent. The broker is the memory: what it
still keeps under our node, and we no longer have, is cleared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import structlog

from fleetd.relay.failures import Rejected
from fleetd.relay.incoming import Incoming
from fleetd.relay.settings import HomeAssistantSettings
from fleetd.relay.sparkplug.node import Kind
from fleetd.relay.sparkplug.payload import DataType
from fleetd.relay.topics import ROOT, Message
from fleetd.relay.uplink import Uplink

log = structlog.get_logger(__name__)

_CLASSES = {"°C": "temperature", "V": "voltage", "A": "current", "hPa": "atmospheric_pressure"}


def configs(site: str, settings: HomeAssistantSettings, known: Mapping[str, Mapping[str, Kind]]) -> list[Message]:
    """The retained config messages of a site."""
    chosen = [name for name in sorted(known) if any(fnmatchcase(name, pattern) for pattern in settings.devices)]
    return [message for device in chosen for message in _of_device(site, settings.prefix, device, known[device])]


class Discovery:
    """A guest of the relay that keeps the broker's configs as the site is. `known` are the values of each device."""

    def __init__(self, site: str, settings: HomeAssistantSettings, known: Mapping[str, Mapping[str, Kind]]) -> None:
        self._wanted = {message.topic: message for message in configs(site, settings, known)}
        self._filter = f"{settings.prefix}/+/{_node(site)}/+/config"
        self._strays: asyncio.Queue[str] = asyncio.Queue()

    @property
    def filters(self) -> Sequence[str]:
        """Our own configs, as the broker keeps them."""
        return (self._filter,)

    def take(self, incoming: Incoming) -> bool:
        """What the broker keeps under our node; whether it is still wanted is for `attend`."""
        prefix, _, rest = self._filter.partition("/+/")
        if not incoming.topic.startswith(f"{prefix}/") or f"/{rest.partition('/')[0]}/" not in incoming.topic:
            return False
        if incoming.payload and incoming.topic not in self._wanted:
            self._strays.put_nowait(incoming.topic)
        return True

    async def attend(self, uplink: Uplink) -> None:
        """Say all configs, then clear what is none of ours any more, while the connection lasts."""
        for message in self._wanted.values():
            await _deliver(uplink, message)
        while True:
            await _deliver(uplink, Message(await self._strays.get(), b"", retain=True))

    async def farewell(self, uplink: Uplink) -> None:
        """Nothing: the configs stay, and availability says that the site is away."""


async def _deliver(uplink: Uplink, message: Message) -> None:
    try:
        await uplink.deliver(message)
    except Rejected as refusal:
        log.warning("the broker refuses a Home Assistant config", topic=message.topic, reason=str(refusal))


def _of_device(site: str, prefix: str, device: str, kinds: Mapping[str, Kind]) -> Iterator[Message]:
    shared = {
        "state_topic": f"{ROOT}/{site}/{device}/reading",
        "availability_mode": "all",
        "availability": [_online(f"{ROOT}/{site}/status"), _online(f"{ROOT}/{site}/{device}/status")],
        "device": {"identifiers": [f"{_node(site)}-{device}"], "name": device, "suggested_area": site},
        "origin": {"name": "fleetd"},
    }
    for name, kind in kinds.items():
        component = "binary_sensor" if kind.type is DataType.BOOLEAN else "sensor"
        identity = {"name": name.replace("_", " "), "unique_id": f"{_node(site)}-{device}-{name}"}
        body = {**identity, **shared, **_form(name, kind)}
        topic = f"{prefix}/{component}/{_node(site)}/{device}-{name}/config"
        yield Message(topic, msgspec.json.encode(body), retain=True)


def _form(name: str, kind: Kind) -> dict[str, Any]:
    """How the state is read. `values` is spelt out, for it is the name of a method where Home Assistant looks."""
    here = f"value_json['values'].get('{name}', this.state)"
    if kind.type is DataType.BOOLEAN:
        true = f"value_json['values'].get('{name}', this.state == 'on')"
        word = "{{ none if known is none else 'ON' if known else 'OFF' }}"
        return {"value_template": "{% set known = " + true + " %}" + word, "payload_on": "ON", "payload_off": "OFF"}
    form: dict[str, Any] = {"value_template": "{{ " + here + " }}"}
    if kind.unit:
        form["unit_of_measurement"] = kind.unit
    if kind.type in (DataType.DOUBLE, DataType.INT64):
        form["state_class"] = "measurement"
    if kind.unit in _CLASSES:
        form["device_class"] = _CLASSES[kind.unit]
    return form


def _online(topic: str) -> dict[str, str]:
    template = "{{ 'online' if value_json.state == 'online' else 'offline' }}"
    return {"topic": topic, "value_template": template}


def _node(site: str) -> str:
    return f"fleetd-{site}"
