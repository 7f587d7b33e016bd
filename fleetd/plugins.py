"""What other distributions add, found through entry points: drivers, decoders."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from typing import TypeVar

from fleetd.errors import ConfigError

S = TypeVar("S")


def installed(group: str) -> list[str]:
    """The names of all that is installed in an entry-point group, sorted."""
    return sorted(point.name for point in _points(group))


def load(group: str, kind: str, name: str, spec_type: type[S]) -> S:
    """One spec of a group, by its name; `kind` is what people call it.

    Raises ConfigError naming those that are installed, or what one of them lacks.
    """
    for point in _points(group).select(name=name):
        try:
            spec = point.load()
        except ImportError as error:
            raise ConfigError(f"{kind} {name!r} cannot be loaded: {error}; install what it needs") from error
        if not isinstance(spec, spec_type):
            raise ConfigError(f"{kind} {name!r}: {point.value} is no {spec_type.__name__}")
        return spec
    raise ConfigError(f"unknown {kind} {name!r}; installed are {', '.join(installed(group))}")


def _points(group: str) -> EntryPoints:
    return _points_along(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _points_along(group: str, _path: tuple[str, ...]) -> EntryPoints:
    """Read once: a site of a hundred devices asks two hundred times, and each time all that is installed is read."""
    return entry_points(group=group)
