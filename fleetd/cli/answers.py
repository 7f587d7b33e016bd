"""What the daemon has answered: JSON for programs, and for people a table, facts, or a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetd.cli import screen


def show_records(answer: Any, columns: Mapping[str, str], empty: str, *, as_json: bool) -> None:
    """A list of objects; `columns` gives for each heading the key whose value stands under it."""
    if as_json:
        screen.print_json(answer)
    else:
        screen.print_records(columns, answer, empty=empty)


def show_facts(answer: Any, *, as_json: bool) -> None:
    """One object, a fact a line."""
    if as_json:
        screen.print_json(answer)
    else:
        screen.print_facts(answer)


def show_done(answer: Any, text: str, *, as_json: bool) -> None:
    """What has been done, in words of ours."""
    if as_json:
        screen.print_json(answer)
    else:
        screen.say(text)
