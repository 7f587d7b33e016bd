"""`fleetctl drivers`: what is installed to drive devices with, and what is missing where a driver cannot load."""

from __future__ import annotations

from typing import Any

from fleetd.cli import screen
from fleetd.cli.options import AsJson


def drivers(as_json: AsJson = False) -> None:
    """List the installed drivers, and what one that fails lacks."""
    from fleetd.devices import driver_names

    found = [_described(name) for name in driver_names()]
    if as_json:
        screen.print_json(found)
        return
    screen.print_table(
        ("driver", "capability", "links", "what it is, or why it cannot load"),
        [
            (each["name"], each["capability"], " ".join(each["schemes"]), each["missing"] or each["summary"])
            for each in found
        ],
        empty="no driver is installed",
    )


def _described(name: str) -> dict[str, Any]:
    from fleetd.devices import load_driver
    from fleetd.errors import ConfigError

    try:
        spec = load_driver(name)
    except ConfigError as error:
        return {"name": name, "capability": None, "schemes": [], "summary": "", "actions": [], "missing": str(error)}
    return {
        "name": spec.name,
        "capability": spec.capability,
        "schemes": list(spec.schemes),
        "summary": spec.summary,
        "actions": sorted(spec.actions),
        "missing": None,
    }
