"""Paths in a configuration are relative to the file in which they stand: here they become absolute, or are missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from fleetd.config.overlay import Layered
from fleetd.downlink.settings import WorkedSatellite
from fleetd.orbit.settings import SatelliteSettings, is_url
from fleetd.relay.settings import RelaySettings
from fleetd.settings import Secret
from fleetd.store.settings import StoreSettings
from fleetd.strictyaml import Place, Positions

M = TypeVar("M", bound=BaseModel)
Change = Callable[[Place, Path], Path]

_TEXT_PATHS: Mapping[type[BaseModel], tuple[str, ...]] = {
    RelaySettings: ("ca_file", "cert_file", "key_file"),
    SatelliteSettings: ("elements",),
    WorkedSatellite: ("elements",),
    Secret: ("file",),
    StoreSettings: ("path",),
}
_WRITTEN = ("store", "control")  # sections whose paths fleetd makes itself


def absolute(model: M, positions: Positions) -> M:
    """The same model with each path in it made absolute: every `Path`, secret file and element file."""

    def anchored(place: Place, path: Path) -> Path:
        file = positions.file_of(place) if isinstance(positions, Layered) else positions.file
        return Path(file).absolute().parent / path

    changed: M = _with_paths(model, (), anchored)
    return changed


def missing_files(model: BaseModel, positions: Positions) -> list[str]:
    """A line for each file that is to be read and is not there. What we may not look at counts as there."""
    faults: list[str] = []

    def looked_at(place: Place, path: Path) -> Path:
        if place[0] not in _WRITTEN and _is_missing(path):
            faults.append(positions.line(place, f"there is no file {path}; put it there or correct the path"))
        return path

    _with_paths(model, (), looked_at)
    return faults


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _with_paths(value: Any, place: Place, change: Change) -> Any:
    """`value` with each path in it put through `change`, which is told where it stands."""
    match value:
        case Path():
            return change(place, value)
        case BaseModel():
            texts = _TEXT_PATHS.get(type(value), ())
            walk = {name: _with_text_paths if name in texts else _with_paths for name in type(value).model_fields}
            fields = {name: walk[name](inner, (*place, name), change) for name, inner in value}
            return value.model_copy(update=fields)
        case list() | tuple():
            return type(value)(_with_paths(item, (*place, index), change) for index, item in enumerate(value))
        case dict():
            return {name: _with_paths(item, (*place, name), change) for name, item in value.items()}
        case _:
            return value


def _with_text_paths(value: Any, place: Place, change: Change) -> Any:
    """The same for what is a path though its type is text: one, a list of them, or none. URLs stay as they are."""
    match value:
        case str():
            return value if is_url(value) else str(change(place, Path(value)))
        case list():
            return [_with_text_paths(item, (*place, index), change) for index, item in enumerate(value)]
        case _:
            return value
