"""What `fleethil list` says: the catalogue and the faults of the line, in words or as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from fleetd_hil import catalogue, line
from fleetd_hil.faults import FaultKind


def catalogue_as_json() -> dict[str, Any]:
    """All sims with their options and faults, and the faults of every line."""
    return {
        "sims": [
            {
                "sim": kind.name,
                "help": kind.help,
                "options": {option.name: option.default for option in fields(kind.options)},
                "faults": _faults_as_json(kind.faults),
            }
            for kind in catalogue.KINDS.values()
        ],
        "line_faults": _faults_as_json(line.FAULTS),
    }


def catalogue_as_text() -> str:
    """The same, for people."""
    parts = []
    for kind in catalogue.KINDS.values():
        options = ", ".join(f"{option.name}={option.default:g}" for option in fields(kind.options))
        parts += [f"{kind.name}: {kind.help}", f"  options: {options}", *_faults_as_text(kind.faults), ""]
    return "\n".join([*parts, "faults of every line:", *_faults_as_text(line.FAULTS)])


def _faults_as_json(kinds: Iterable[FaultKind]) -> list[dict[str, Any]]:
    return [{"fault": kind.name, "help": kind.help, "value": kind.value, "unit": kind.unit} for kind in kinds]


def _faults_as_text(kinds: Iterable[FaultKind]) -> list[str]:
    return [f"  {_written(kind):16} {kind.help}" for kind in kinds]


def _written(kind: FaultKind) -> str:
    return f"{kind.name}={kind.value:g} {kind.unit}" if kind.unit else kind.name
