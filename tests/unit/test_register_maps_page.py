"""The page of register maps says what the maps say, of every value."""

from __future__ import annotations

import runpy
from pathlib import Path

from fleetd.registers.loader import load_map, map_names

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "register_maps.py"))


def test_the_page_is_what_the_maps_say_now() -> None:
    assert SCRIPT["main"](["--check"]) == 0


def test_every_value_field_action_and_forbidden_range_of_every_map_is_on_it() -> None:
    sections = SCRIPT["page"]().split("\n## ")[1:]
    assert [section.split(":")[0] for section in sections] == map_names()
    for name, section in zip(map_names(), sections, strict=True):
        known = load_map(name)
        for spec in known.values:
            assert f"| `{spec.name}` | {spec.table} | {spec.address} | {spec.type}" in section
            assert all(f"| · `{part}` |" in section for part in spec.fields)
        assert all(f"| `{action.name}` | {action.code} |" in section for action in known.actions)
        assert all(f"- {hole.table} {hole.first} to {hole.last}: " in section for hole in known.forbidden)
