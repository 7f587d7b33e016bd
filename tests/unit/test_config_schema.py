"""The JSON Schema: it is the committed one, takes what loads, and refuses what an editor can know to be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from test_config_broken import BASE

from fleetd.config.schema import installed_specs, site_schema
from fleetd.strictyaml import load_strict, parse_strict

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return site_schema(installed_specs())


def test_the_committed_schema_has_not_drifted(schema: dict[str, Any]) -> None:
    committed = json.loads((CONFIGS / "site.schema.json").read_text(encoding="utf-8"))
    assert committed == schema, "run: fleetctl config schema > configs/site.schema.json"


def test_the_schema_is_one_and_takes_what_loads(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator(schema)
    for data in (parse_strict(BASE, "base")[0], load_strict(CONFIGS / "demo.yaml")[0]):
        assert [error.message for error in checker.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rotator: turner", "rotater: turner"),
        ("{unit: 7}", "{unti: 7}"),
        ("{unit: 7}", "{unit: 256}"),
        ("{unit: 7}", '{unit: "7"}'),
        ("modbus+tcp://10.0.0.1", "serial:///dev/ttyUSB0"),
        ("site: test", "site: Test"),
        ("store: {path: store}\n", ""),
        ("[0.0, 450.0]", "[0.0, 450.0, 500.0]"),
        ("latitude_deg: 30.0", "latitude_deg: 91.0"),
    ],
)
def test_the_schema_refuses_what_an_editor_can_know(schema: dict[str, Any], old: str, new: str) -> None:
    data, _ = parse_strict(BASE.replace(old, new), "broken")
    assert list(Draft202012Validator(schema).iter_errors(data)) != []


def test_keys_explain_themselves(schema: dict[str, Any]) -> None:
    device = schema["$defs"]["DeviceSettings"]["properties"]
    assert all(key["description"] for key in device.values())
    assert "gs232b" in device["driver"]["examples"]
