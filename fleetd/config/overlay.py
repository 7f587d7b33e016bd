"""Overlays: the same site with some devices put elsewhere, as on a rig. `fleetd --hil OVERLAY.yaml`.

An overlay replaces link, driver or settings of the devices that it names, and where the elements of the satellites come
from that it names; everything else stays real. It may also replace the whole of `store`, `control` and `relay`, a rig's
own surroundings. What it brings is reported, when wrong, at its place in the overlay.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema, model_validator

from fleetd.config.plain import nearest
from fleetd.errors import ConfigError
from fleetd.orbit.settings import Source
from fleetd.settings import Settings
from fleetd.strictyaml import Place, Positions, load_strict, validate

Anything = Annotated[Any, WithJsonSchema({"type": "object"})]


class DeviceOverlay(Settings):
    """What is other about one device. With another driver, the site's settings for the old one do not apply."""

    link: str | None = None
    """Link URL instead of the site's."""
    driver: str | None = None
    """Driver instead of the site's."""
    settings: dict[str, Anything] = Field(default_factory=dict)
    """Driver settings, laid over the site's key by key."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("replaces nothing; give a link, a driver or settings")
        return self


class SatelliteOverlay(Settings):
    """What is other about one satellite."""

    elements: Annotated[list[Source], Field(min_length=1)]
    """Where its element sets come from instead; files are relative to the overlay."""


class Overlay(Settings):
    """One overlay file."""

    devices: dict[str, DeviceOverlay] = Field(default_factory=dict)
    """By the name of a device of the site."""
    satellites: dict[str, SatelliteOverlay] = Field(default_factory=dict)
    """By the name of a satellite of the site."""
    store: Anything = None
    control: Anything = None
    relay: Anything = None


_SECTIONS = ("store", "control", "relay")


@dataclass(slots=True)
class Layered(Positions):
    """Positions in a site file, some of them covered by an overlay's."""

    overlay: Positions = field(default_factory=lambda: Positions(""))
    covered: dict[Place, Place] = field(default_factory=dict)
    """Where in the overlay a place of the merged data stands."""

    def line(self, place: Place, text: str, *, at_key: bool = False) -> str:
        """As `Positions.line`, in whichever file the place, or what would hold it, stands."""
        known = self._known(place)
        if known in self.covered:
            return self.overlay.line((*self.covered[known], *place[len(known) :]), text, at_key=at_key)
        return Positions.line(self, place, text, at_key=at_key)

    def file_of(self, place: Place) -> str:
        """The file in which a place stands."""
        return self.overlay.file if self._known(place) in self.covered else self.file

    def cover(self, place: Place, there: Place) -> None:
        """Let all that stands at `there` in the overlay count as standing at `place`."""
        for kept in (self.values, self.keys):
            for old in [old for old in kept if old[: len(place)] == place]:
                del kept[old]
        for ours, theirs in ((self.values, self.overlay.values), (self.keys, self.overlay.keys)):
            for inner, mark in theirs.items():
                if inner[: len(there)] == there:
                    ours[(*place, *inner[len(there) :])] = mark
        for inner in self.overlay.values:
            if inner[: len(there)] == there:
                self.covered[(*place, *inner[len(there) :])] = inner

    def _known(self, place: Place) -> Place:
        while place and place not in self.values:
            place = place[:-1]
        return place


def lay_over(data: Any, positions: Positions, path: Path | str) -> tuple[Any, Layered]:
    """A site's data with an overlay file laid over it, and where each value then stands. Raises ConfigError."""
    over, over_positions = load_strict(path)
    overlay = validate(Overlay, {} if over is None else over, over_positions)
    merged = dict(data) if isinstance(data, dict) else {}
    layered = Layered(positions.file, dict(positions.values), dict(positions.keys), over_positions)
    for section in _SECTIONS:
        if section in overlay.model_fields_set:
            merged[section] = over[section]
            layered.cover((section,), (section,))
    if isinstance(listed := merged.get("devices", []), list):
        merged["devices"], by_name = _named("device", listed, overlay.devices, layered)
        for name, change in overlay.devices.items():
            _change(merged["devices"][by_name[name]], by_name[name], name, change, layered)
    if overlay.satellites and isinstance(listed := merged.get("satellites", []), list):
        merged["satellites"], by_name = _named("satellite", listed, overlay.satellites, layered)
        for name in overlay.satellites:
            merged["satellites"][by_name[name]]["elements"] = over["satellites"][name]["elements"]
            layered.cover(("satellites", by_name[name], "elements"), ("satellites", name, "elements"))
    return merged, layered


def _named(kind: str, listed: list[Any], wanted: Collection[str], layered: Layered) -> tuple[list[Any], dict[str, int]]:
    """A copy of the list, and where in it each name stands. Raises ConfigError for a wanted name that it lacks."""
    entries = [dict(entry) if isinstance(entry, dict) else entry for entry in listed]
    by_name = {
        entry["name"]: index
        for index, entry in enumerate(entries)
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise ConfigError([_no_such(kind, name, sorted(by_name), layered.overlay) for name in unknown])
    return entries, by_name


def _change(entry: dict[str, Any], index: int, name: str, change: DeviceOverlay, layered: Layered) -> None:
    here: Place = ("devices", index)
    there: Place = ("devices", name)
    old = {} if change.driver not in (None, entry.get("driver")) else entry.get("settings")
    for key in ("link", "driver"):
        if (value := getattr(change, key)) is not None:
            entry[key] = value
            layered.cover((*here, key), (*there, key))
    if not old or not isinstance(old, dict):
        entry["settings"] = change.settings
        layered.cover((*here, "settings"), (*there, "settings"))
        return
    entry["settings"] = {**old, **change.settings}
    for key in change.settings:
        layered.cover((*here, "settings", key), (*there, "settings", key))


def _no_such(kind: str, name: str, known: list[str], positions: Positions) -> str:
    text = f"the site has no {kind} {name!r}{nearest(name, known)}; it has {', '.join(known) or 'none'}"
    return positions.line((f"{kind}s", name), text, at_key=True)
