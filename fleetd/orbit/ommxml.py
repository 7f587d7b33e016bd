"""Orbit Mean-Elements Messages in XML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from xml.parsers import expat

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.omm import Row, element_set


def parse_xml(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """An <omm>, or an <ndm> of several; each <segment> is a set. Raises ElementsError."""
    rows = _XmlRows(name)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = rows.start
    parser.CharacterDataHandler = rows.text
    parser.EndElementHandler = rows.end
    # Entities, the one known way to attack a parser that builds no tree, need a document type.
    parser.StartDoctypeDeclHandler = rows.refuse_doctype
    rows.line = lambda: parser.CurrentLineNumber
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ElementsError(f"{name}:{error.lineno}: is no whole XML: {error}; is it truncated?") from None
    for row in rows.whole:
        yield row.line, element_set(row)


class _XmlRows:
    """Gathers the leaves of each <segment>, as expat meets them."""

    def __init__(self, name: str) -> None:
        self.whole: list[Row] = []
        self.line: Callable[[], int] = lambda: 0
        self._name = name
        self._row: Row | None = None
        self._leaf: tuple[str, int, str] | None = None
        self._text = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "segment":
            self._row = Row(self._name, self.line())
        self._leaf, self._text = (tag, self.line(), attributes.get("units", "")), ""

    def text(self, text: str) -> None:
        self._text += text

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if self._leaf and self._leaf[0] == tag and self._row:
            self._row.put(tag.upper(), self._text, self._leaf[1], self._leaf[2])
        self._leaf = None
        if tag == "segment" and self._row:
            self.whole.append(self._row)
            self._row = None

    def refuse_doctype(self, *_: object) -> None:
        raise ElementsError(f"{self._name}:{self.line()}: declares a document type; element messages have none")
