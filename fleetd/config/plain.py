"""Reading a site file's plain data, whatever shape it has: what is of the wrong one is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fleetd.strictyaml import Place

Fault = tuple[Place, str]


def entries(data: Any, section: str) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Each entry of a list of the file, with its place."""
    listed = data.get(section) if isinstance(data, dict) else None
    for index, entry in enumerate(listed if isinstance(listed, list) else []):
        yield (section, index), entry if isinstance(entry, dict) else {}


def nearest(word: str, known: Sequence[str]) -> str:
    """', perhaps X?' when one of the known words is close, else nothing."""
    near = get_close_matches(word, known, n=1)
    return f", perhaps {near[0]}" if near else ""
