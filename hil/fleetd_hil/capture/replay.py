"""A capture put to a sim: each question that a device was asked, at its time, and whether the sim answers alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleetd.errors import ConfigError
from fleetd_hil import catalogue
from fleetd_hil.capture.shapes import difference, shape_of
from fleetd_hil.capture.tape import Capture, Piece, read_capture
from fleetd_hil.sim import Sim
from fleetd_hil.sims.modbus import Framing

WITHIN = 1.0
"""How far a number may be from the recorded one, in its own unit, unless the capture says otherwise."""


@dataclass(slots=True)
class Exchange:
    """What was asked, what the device answered, what the sim answers, and how that differs ('' if it does not)."""

    at_s: float
    fresh: bool = False
    """The first over a link that has just been opened."""
    asked: list[Piece] = field(default_factory=list)
    theirs: bytes = b""
    ours: bytes = b""
    differs: str = ""

    @property
    def question(self) -> bytes:
        """All that was asked before the answer."""
        return b"".join(piece.data for piece in self.asked)


def replay(
    file: Path, sim: str | None = None, options: Iterable[str] = (), within: float | None = None
) -> list[Exchange]:
    """Every exchange of a capture, judged; `options` as KEY=NUMBER go before the capture's own. Raises ConfigError."""
    capture = read_capture(file)
    name = sim or str(capture.head.get("sim") or "")
    if not name:
        raise ConfigError(f"{file}:1: names no sim; say which with --sim")
    scheme = str(capture.head.get("link", "")).partition("://")[0]
    own = [f"{key}={value}" for key, value in dict(capture.head.get("options", {})).items()]
    built = _build(name, catalogue.read_options([name], [*own, *options]), scheme, capture)
    limit = float(capture.head.get("within", WITHIN)) if within is None else within
    shape, feed = shape_of(name, scheme), built.attach()
    exchanges = list(exchanges_of(capture))
    for each in exchanges:
        if each.fresh:
            feed = built.attach()
        answers = [answer for piece in each.asked for answer in feed(piece.data, piece.at_s)]
        each.ours = b"".join(answer.data for answer in answers)
        each.differs = difference(each.theirs, each.ours, shape, limit)
    return exchanges


def exchanges_of(capture: Capture) -> Iterator[Exchange]:
    """Questions with their answers. What a device said before it was ever asked belongs to nobody."""
    now: Exchange | None = None
    fresh = False
    for piece in capture.pieces:
        if now is not None and (piece.side == "opened" or (piece.side == "host" and now.theirs)):
            yield now
            now = None
        if piece.side == "opened":
            fresh = True
        elif piece.side == "host" and now is None:
            now, fresh = Exchange(piece.at_s, fresh), False
        if now is not None and piece.side == "host":
            now.asked.append(piece)
        elif now is not None:
            now.theirs += piece.data
    if now is not None:
        yield now


def _build(name: str, options: catalogue.Options, scheme: str, capture: Capture) -> Sim:
    kind = catalogue.find(name)
    if kind.alone is not None:
        return kind.alone(kind.chosen(options))
    units = capture.head.get("units") or [1]
    framing: Framing = "tcp" if scheme == "modbus+tcp" else "rtu"
    return catalogue.build_line(name, {int(unit): (name, options) for unit in units}, 0, framing)
