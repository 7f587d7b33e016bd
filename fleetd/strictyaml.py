"""Strict YAML with a position for every value: the reader under site files, overlays and register maps.

Plain words mean what they look like: `true` and `false` are the only truth values, `010` is ten, `0x1F` is
hexadecimal, `1e3` is a thousand, `12:30:00`, `no` and `2026-11-11` are text, and whatever is quoted is text. Duplicate
keys, anchors, aliases, tags and second documents are refused. Every fault of a file is reported at once, one line each:
`file:line:column: path: what is wrong, what would be right`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fleetd.errors import ConfigError

Place = tuple[str | int, ...]
"""Where a value stands in a file: keys (always text) and list indices from zero."""

M = TypeVar("M", bound=BaseModel)

_MOST_DEPTH = 50
_LONGEST_NUMBER = 300  # characters; more digits make no number that anything here could hold
_INT = re.compile(r"[-+]?[0-9]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True)
class Positions:
    """The line and column (from 1) of every key and value of one file."""

    file: str
    values: dict[Place, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def line(self, place: Place, text: str, *, at_key: bool = False) -> str:
        """One problem as `file:line:column: path: text`; a place that the file lacks is shown at what would hold it."""
        known = place
        while known not in self.values and known:
            known = known[:-1]
        line, column = (self.keys.get(known) if at_key else None) or self.values.get(known, (1, 1))
        path = f"{'.'.join(map(str, place))}: " if place else ""
        return f"{self.file}:{line}:{column}: {path}{text}"


def load_strict(path: Path | str) -> tuple[Any, Positions]:
    """The data of a file (mappings with text keys, lists, text, numbers, truth values, None) and where each stands.

    Raises ConfigError with one line for each fault.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8 text") from None
    return parse_strict(text, str(path))


def parse_strict(text: str, file: str) -> tuple[Any, Positions]:
    """Like `load_strict`, of text that came from `file`."""
    builder = _Builder(text, Positions(file))
    try:
        data = builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise ConfigError(f"{where}: is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not YAML: {str(error).splitlines()[0]}") from None
    if builder.problems:
        raise ConfigError(builder.problems)
    return data, builder.positions


def validate(model: type[M], data: Any, positions: Positions, *, at: Place = ()) -> M:
    """`data`, which stands at `at` in its file, as a checked model. Raises ConfigError with all faults in order."""
    try:
        # By way of JSON, since a file's lists and words may then become tuples, times and enums in strict models.
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        found = [_problem(model, detail, positions, at) for detail in error.errors(include_url=False)]
        raise ConfigError([line for _, line in sorted(found)]) from None


class _Builder:
    """Builds plain data from YAML events, noting positions and what a strict file may not hold."""

    def __init__(self, text: str, positions: Positions) -> None:
        self.positions = positions
        self.problems: list[str] = []
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))

    def document(self) -> Any:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        data = self._node(next(self._events), ())
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, (), "a second document begins here; keep one document a file")
        return data

    def _node(self, event: Any, place: Place) -> Any:
        self.positions.values[place] = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, place, f"the alias *{event.anchor} is not taken; write the value out")
            return None
        if event.anchor is not None:
            self._refuse(event, place, f"the anchor &{event.anchor} is not taken; write the value out where it is used")
        if event.tag not in (None, "!"):
            self._refuse(event, place, f"the tag {event.tag} is not taken; quote the value if text is meant")
        if len(place) > _MOST_DEPTH:
            raise ConfigError(self.positions.line(place[:3], f"is nested more than {_MOST_DEPTH} levels deep"))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place)
        return plain_value(event.value) if event.implicit[0] else event.value

    def _mapping(self, place: Place) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, place)
            inner = (*place, key)
            if key in mapping:
                first = self.positions.keys[inner][0]
                self._refuse(event, inner, f"the key is given twice, first on line {first}; keep one")
            self.positions.keys.setdefault(inner, (event.start_mark.line + 1, event.start_mark.column + 1))
            mapping[key] = self._node(next(self._events), inner)
        return mapping

    def _sequence(self, place: Place) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*place, len(items))))
        return items

    def _key(self, event: Any, place: Place) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise ConfigError(self._line(event, place, "a key must be one word or number"))
        number = plain_value(event.value) if event.implicit[0] else None
        return str(number) if type(number) is int else event.value

    def _refuse(self, event: Any, place: Place, text: str) -> None:
        self.problems.append(self._line(event, place, text))

    def _line(self, event: Any, place: Place, text: str) -> str:
        path = f"{'.'.join(map(str, place))}: " if place else ""
        return f"{self.positions.file}:{event.start_mark.line + 1}:{event.start_mark.column + 1}: {path}{text}"


def plain_value(word: str) -> Any:
    """What an unquoted scalar means."""
    if word in _WORDS:
        return _WORDS[word]
    if len(word) > _LONGEST_NUMBER:
        return word
    if _INT.fullmatch(word):
        return int(word)
    if _HEX.fullmatch(word):
        return int(word, 16)
    if _FLOAT.fullmatch(word):
        return float(word)
    return word


# What pydantic found, in an operator's words. The value is shown only where it cannot be a misplaced secret.

_SAYINGS: Mapping[str, Callable[[Mapping[str, Any], Any], str]] = {
    "missing": lambda _c, _v: "is missing; add it",
    "string_type": lambda _c, v: f"must be text, not {_kind(v)}; put it in quotes if it is meant as text",
    "int_type": lambda _c, v: f"must be a whole number, not {_kind(v)}",
    "int_parsing": lambda _c, v: f"must be a whole number, not {_kind(v)}",
    "int_from_float": lambda _c, v: f"must be a whole number, not {_kind(v)}",
    "float_type": lambda _c, v: f"must be a number, not {_kind(v)}",
    "float_parsing": lambda _c, v: f"must be a number, not {_kind(v)}",
    "finite_number": lambda _c, _v: "must be a finite number",
    "bool_type": lambda _c, v: f"must be true or false, not {_kind(v)}",
    "model_type": lambda _c, v: f"must be a mapping of keys to values, not {_kind(v)}",
    "dict_type": lambda _c, v: f"must be a mapping of keys to values, not {_kind(v)}",
    "list_type": lambda _c, v: f"must be a list, not {_kind(v)}",
    "tuple_type": lambda _c, v: f"must be a list, not {_kind(v)}",
    "too_short": lambda c, _v: f"must hold at least {c['min_length']}, not {c['actual_length']}",
    "too_long": lambda c, _v: f"must hold at most {c['max_length']}, not {c['actual_length']}",
    "string_too_short": lambda c, _v: f"must be at least {c['min_length']} characters long",
    "string_too_long": lambda c, _v: f"must be at most {c['max_length']} characters long",
    "literal_error": lambda c, v: f"must be {c['expected']}, not {v!r}",
    "enum": lambda c, v: f"must be {c['expected']}, not {v!r}",
    "greater_than": lambda c, v: f"must be above {c['gt']}, not {v}",
    "greater_than_equal": lambda c, v: f"must be at least {c['ge']}, not {v}",
    "less_than": lambda c, v: f"must be below {c['lt']}, not {v}",
    "less_than_equal": lambda c, v: f"must be at most {c['le']}, not {v}",
    "string_pattern_mismatch": lambda c, v: f"must match {c['pattern']}, unlike {v!r}",
    "value_error": lambda c, _v: str(c["error"]),
    "json_invalid": lambda c, _v: f"holds text that cannot be used: {c['error']}",
}


def _problem(model: type[BaseModel], detail: ErrorDetails, positions: Positions, at: Place) -> tuple[Any, str]:
    """The place, for sorting, and the line of one of pydantic's findings."""
    kind = detail["type"]
    steps, place = _placed(detail["loc"], positions, at, missing=kind == "missing")
    unknown = kind == "extra_forbidden"
    if unknown:
        text = _unknown_key(str(place[-1]), _keys_of(model, steps[:-1]))
    elif kind in _SAYINGS:
        text = _SAYINGS[kind](detail.get("ctx", {}), detail["input"])
    else:
        text = detail["msg"][:1].lower() + detail["msg"][1:]
    at_key = unknown or detail["loc"][-1:] == ("[key]",)
    line = positions.line(place, text, at_key=at_key)
    known = place if place in positions.values else place[:-1]
    return positions.values.get(known, (0, 0)), line


def _placed(loc: Sequence[str | int], positions: Positions, at: Place, *, missing: bool) -> tuple[Place, Place]:
    """pydantic's location without what is no part of the file (names of union branches), below and with `at`."""
    place = at
    for index, step in enumerate(loc):
        is_last_missing = missing and index == len(loc) - 1
        if is_last_missing or (*place, step) in positions.values:
            place = (*place, step)
    return place[len(at) :], place


def _unknown_key(key: str, known: Sequence[str]) -> str:
    if not known:
        return "unknown key; take it out"
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key{f', perhaps {near[0]}' if near else ''}; known are {', '.join(known)}"


def _keys_of(model: Any, steps: Place) -> list[str]:
    """The keys of the model that the annotations lead to along `steps`; of all branches where a union has several."""
    branches: list[Any] = [model]
    for step in steps:
        branches = [inner for branch in _models(branches) for inner in _inner(branch, step)]
    keys = [
        part.alias or name
        for part_of in _models(branches)
        if isinstance(part_of, type) and issubclass(part_of, BaseModel)
        for name, part in part_of.model_fields.items()
    ]
    return list(dict.fromkeys(keys))


def _models(annotations: Sequence[Any]) -> list[Any]:
    """The annotations with unions and `Annotated` taken apart."""
    flat: list[Any] = []
    for annotation in annotations:
        origin = get_origin(annotation)
        if origin is Annotated:
            flat += _models(get_args(annotation)[:1])
        elif origin in (Union, UnionType):
            flat += _models(get_args(annotation))
        else:
            flat.append(annotation)
    return flat


def _inner(annotation: Any, step: str | int) -> list[Any]:
    """What stands at one step inside an annotation: a field of a model, an item of a list, a value of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [part.annotation for name, part in annotation.model_fields.items() if step in (name, part.alias)]
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return arguments[-1:]


def _kind(value: Any) -> str:
    """A value in words: numbers and truth values as they stand, text and more only by their kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a mapping"
