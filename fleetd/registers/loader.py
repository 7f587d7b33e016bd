"""Register maps from files: checked whole, with all faults at once, and kept until the file changes."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from fleetd.errors import ConfigError
from fleetd.registers.check import faults
from fleetd.registers.model import RegisterMap
from fleetd.strictyaml import load_strict, validate

MAPS = Path(__file__).with_name("maps")
"""The folder of the maps that ship with fleetd."""


def load_map(name_or_path: str | Path) -> RegisterMap:
    """The map of that file, or the shipped map of that name. Raises ConfigError with a line for each fault."""
    path = map_path(name_or_path)
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError as error:
        raise ConfigError(f"register map {path}: {error.strerror}; shipped are {', '.join(map_names())}") from None
    return _load(path, changed_ns)


def map_path(name_or_path: str | Path) -> Path:
    """Where a map is kept: a text without slash and suffix names a shipped map."""
    path = Path(name_or_path)
    return MAPS / f"{path}.yaml" if len(path.parts) == 1 and not path.suffix else path


def map_names() -> list[str]:
    """The names of the shipped maps."""
    return sorted(path.stem for path in MAPS.glob("*.yaml"))


@lru_cache(maxsize=64)
def _load(path: Path, _changed_ns: int) -> RegisterMap:
    data, positions = load_strict(path)
    register_map = validate(RegisterMap, data, positions)
    found = [positions.line(place, text) for place, text in faults(register_map)]
    if found:
        raise ConfigError(found)
    return register_map


def map_schema() -> str:
    """The JSON Schema of register maps, as `configs/register-map.schema.json` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **RegisterMap.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
