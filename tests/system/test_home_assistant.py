"""Home Assistant finds a site's values by itself, and no more of what has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, listening
from relays import site

from fleetd.registers.loader import load_map
from fleetd.relay.homeassistant import Discovery, configs
from fleetd.relay.settings import HomeAssistantSettings, RelaySettings
from fleetd.relay.sparkplug.metrics import metrics_of

MAST = {"mast": metrics_of(load_map("weather-station"))}
BOTH = {**MAST, "ups": metrics_of(load_map("ups"))}
SETTINGS = HomeAssistantSettings()


def bodies(settings: HomeAssistantSettings) -> dict[str, dict[str, Any]]:
    return {message.topic: json.loads(message.payload) for message in configs("hangzhou", settings, BOTH)}


def test_each_value_has_a_config_with_its_device_unit_and_availability() -> None:
    found = bodies(SETTINGS)
    assert len(found) == sum(len(values) for values in BOTH.values())
    one = found["homeassistant/sensor/fleetd-hangzhou/mast-temperature_c/config"]
    assert one["device_class"] == "temperature"
    assert one["unit_of_measurement"] == "°C"
    assert one["state_class"] == "measurement"
    assert one["state_topic"] == "fleetd/hangzhou/mast/reading"
    assert [each["topic"] for each in one["availability"]] == [
        "fleetd/hangzhou/status",
        "fleetd/hangzhou/mast/status",
    ]
    assert one["availability_mode"] == "all"
    identities = [body["unique_id"] for body in found.values()]
    assert len(set(identities)) == len(identities)
    assert all(message.retain for message in configs("hangzhou", SETTINGS, BOTH))


def test_devices_are_chosen_by_name_and_sparkplug_leaves_no_readings_for_it() -> None:
    assert {topic.split("/")[3].split("-")[0] for topic in bodies(HomeAssistantSettings(devices=["m*"]))} == {"mast"}
    with pytest.raises(ValueError, match="leave one of them out"):
        RelaySettings.model_validate(
            {"brokers": ["mqtt://b"], "sparkplug": {"group": "g"}, "home_assistant": {"prefix": "ha"}}
        )


def test_a_template_reads_the_value_and_keeps_the_last_where_there_is_none() -> None:
    for body in bodies(SETTINGS).values():
        name = body["unique_id"].rpartition("-")[2]
        assert f"value_json['values'].get('{name}', this.state" in body["value_template"]


@pytest.mark.peer("mosquitto", "mosquitto_sub")
async def test_configs_are_retained_and_those_of_a_device_that_left_are_cleared(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with site(tmp_path, mosquitto.url, guests=[Discovery("hangzhou", SETTINGS, BOTH)]) as one:
        await one.acked()
        async with listening(mosquitto, "homeassistant/#") as heard:
            await heard.until(lambda heard: len(heard.heard) == len(bodies(SETTINGS)))
    async with (
        listening(mosquitto, "homeassistant/#") as heard,
        site(tmp_path, mosquitto.url, guests=[Discovery("hangzhou", SETTINGS, MAST)]),
    ):
        gone = len(BOTH["ups"])
        await heard.until(lambda heard: sum(not each.text for each in heard.heard) == gone)
    async with listening(mosquitto, "homeassistant/#") as late:
        await late.until(lambda heard: len(heard.heard) == len(MAST["mast"]))
    assert all("/mast-" in each.topic for each in late.heard)
