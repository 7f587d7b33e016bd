"""Orbit Mean-Elements Messages in JSON, as CelesTrak and Space-Track serve them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.omm import Row, element_set


def parse_json(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """One object, or an array of them, as CelesTrak and Space-Track serve. Raises ElementsError."""
    # The texts of numbers are kept: what a digit string means is decided in one place for all formats.
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=str)
    lines = _LineCounter(text)
    for start, value in _json_values(text, name, decoder):
        line = lines.at(start)
        if not isinstance(value, _Pairs):
            raise ElementsError(f"{name}:{line}: an object with the fields of an element set is needed here")
        row = Row(name, line)
        for key, field in value:
            where = lines.of_key(start, key)
            if isinstance(field, list):
                raise ElementsError(f"{name}:{where}: {key[:40]}: is a list or an object, a number or text is needed")
            row.put(key.upper(), "" if field is None else str(field), where)
        yield line, element_set(row)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key given twice is seen."""


class _LineCounter:
    """Line numbers of rising offsets in a text, each stretch counted once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._line = 1

    def at(self, offset: int) -> int:
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line

    def of_key(self, start: int, key: str) -> int:
        """The line of a key of the object that begins at `start`, or of that object where it cannot be found."""
        at = self._text.find(json.dumps(key), start)
        return self._line + (self._text.count("\n", start, at) if at >= 0 else 0)


def _json_values(text: str, name: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, Any]]:
    """Each value of the outermost array, or the one value that there is, with its offset."""
    space = re.compile(r"[ \t\r\n]*")
    at = _skip(space, text, 0)
    array = text.startswith("[", at)
    at = _skip(space, text, at + array)
    if array and text.startswith("]", at):
        return
    while True:
        start = at
        try:
            value, at = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise ElementsError(f"{name}:{error.lineno}: is no whole JSON: {error.msg}; is it truncated?") from None
        except RecursionError:
            line = text.count("\n", 0, start) + 1
            raise ElementsError(f"{name}:{line}: is nested too deeply; an array of flat objects is needed") from None
        yield start, value
        at = _skip(space, text, at)
        if not array or not text.startswith(",", at):
            break
        at = _skip(space, text, at + 1)
    end = _skip(space, text, at + 1) if array and text.startswith("]", at) else at
    if (array and end == at) or end != len(text):
        line = text.count("\n", 0, at) + 1
        raise ElementsError(f"{name}:{line}: is no whole JSON: {text[at : at + 12]!r} after a set; is it truncated?")


def _skip(space: re.Pattern[str], text: str, at: int) -> int:
    match = space.match(text, at)
    return match.end() if match else at
