"""Satellites' decoders: their names against those installed, their settings against the decoders' own models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleetd.config.plain import nearest
from fleetd.downlink.decoder import decoder_names, load_decoder
from fleetd.downlink.settings import WorkedSatellite
from fleetd.errors import ConfigError
from fleetd.settings import Settings
from fleetd.strictyaml import Place, Positions, validate


@dataclass(slots=True)
class DecoderReader:
    """Reads the `decoder` of each satellite, noting a line for each fault."""

    positions: Positions
    faults: list[str] = field(default_factory=list)

    def read(self, data: Any) -> list[Settings | None]:
        """The checked settings of each satellite's decoder, where it has one and they are right."""
        listed = data.get("satellites") if isinstance(data, dict) else None
        entries = listed if isinstance(listed, list) else []
        return [self._one(("satellites", index, "decoder"), entry) for index, entry in enumerate(entries)]

    def check(self, satellites: tuple[WorkedSatellite, ...]) -> None:
        """Ask each decoder whether it can work with what it is told."""
        for index, satellite in enumerate(satellites):
            if satellite.decoder is None or not isinstance(satellite.decoder.settings, Settings):
                continue
            try:
                satellite.decoder.spec.check(satellite.decoder.settings)
            except ConfigError as error:
                self._note(("satellites", index, "decoder", "settings"), str(error))

    def _one(self, place: Place, entry: Any) -> Settings | None:
        wanted = entry.get("decoder") if isinstance(entry, dict) else None
        name = wanted.get("name") if isinstance(wanted, dict) else None
        if not isinstance(wanted, dict) or not isinstance(name, str):
            return None  # what is wrong with it, the model says
        known = decoder_names()
        if name not in known:
            text = f"unknown decoder {name!r}{nearest(name, known)}; installed are {', '.join(known)}"
            self._note((*place, "name"), text)
            return None
        try:
            spec = load_decoder(name)
        except ConfigError as error:
            self._note((*place, "name"), str(error))
            return None
        try:
            return validate(spec.settings, wanted.get("settings", {}), self.positions, at=(*place, "settings"))
        except ConfigError as error:
            self.faults += error.problems
            return None

    def _note(self, place: Place, text: str) -> None:
        self.faults.append(self.positions.line(place, text))
