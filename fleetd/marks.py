"""Marks that nothing else bears: of a run of the daemon, of a command that nobody gave a name.

They are drawn from the machine's own chance, which nobody can foresee; a world that must be the same each time brings
another.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar

Chance = Callable[[int], bytes]
"""Draws so many bytes."""

_CHANCE: ContextVar[Chance] = ContextVar("chance of marks", default=secrets.token_bytes)


def fresh_mark(size: int) -> str:
    """`size` bytes that were not drawn before, in hexadecimal."""
    return _CHANCE.get()(size).hex()


def draw_marks_from(chance: Chance) -> None:
    """Let everything that begins in this context from now on draw its marks there."""
    _CHANCE.set(chance)
