"""The JSON Schema of a site file, for editors: our own keys, and below `settings` those of each installed driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetd.config.site import Site
from fleetd.devices import DriverSpec, driver_names, load_driver
from fleetd.errors import ConfigError

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def installed_specs() -> list[DriverSpec]:
    """The specs of all drivers that can be loaded here, by name."""
    specs = []
    for name in driver_names():
        try:
            specs.append(load_driver(name))
        except ConfigError:
            continue
    return specs


def site_schema(specs: Sequence[DriverSpec]) -> dict[str, Any]:
    """The schema of a site whose devices may use these drivers."""
    schema = Site.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    device = definitions["DeviceSettings"]
    device["properties"]["driver"]["examples"] = [spec.name for spec in specs]
    device["allOf"] = [_when_driven_by(spec, definitions) for spec in specs]
    return {"$schema": DIALECT, **schema, "title": "A fleetd site"}


def _when_driven_by(spec: DriverSpec, definitions: dict[str, Any]) -> Mapping[str, Any]:
    """If a device names this driver, its settings and its link are the driver's."""
    settings = spec.settings.model_json_schema(ref_template=f"#/$defs/{spec.name}.{{model}}")
    for name, inner in settings.pop("$defs", {}).items():
        definitions[f"{spec.name}.{name}"] = inner
    then: dict[str, Any] = {
        "properties": {
            "link": {"pattern": "^(" + "|".join(scheme.replace("+", r"\+") for scheme in spec.schemes) + ")://"},
            "settings": settings,
        }
    }
    if settings.get("required"):
        then["required"] = ["settings"]
    return {"if": {"properties": {"driver": {"const": spec.name}}, "required": ["driver"]}, "then": then}
