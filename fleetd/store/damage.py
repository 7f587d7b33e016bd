"""How a database says that it is damaged, and how we say it of one where SQLite saw nothing."""

from __future__ import annotations

import sqlite3


def is_damage(error: BaseException) -> bool:
    """Whether the file, not its disk or its owner, is what is wrong."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return isinstance(error, sqlite3.Error) and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damage(text: str) -> sqlite3.DatabaseError:
    """An error as SQLite raises it for a malformed file."""
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
