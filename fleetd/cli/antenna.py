"""`fleetctl antenna`: an operator's hand on one antenna, through the daemon and its interlocks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from fleetd.cli.answers import show_done
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket


class Verb(StrEnum):
    """What may be asked of an antenna."""

    POINT = "point"
    OFFSET = "offset"
    STOP = "stop"
    PARK = "park"
    LOCK = "lock"
    UNLOCK = "unlock"


_WITH_ANGLES = (Verb.POINT, Verb.OFFSET)


def antenna(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the antenna.", show_default=False)],
    verb: Annotated[
        Verb,
        typer.Argument(
            metavar="VERB", help="point AZ EL, offset AZ EL, stop, park, lock WHY, unlock.", show_default=False
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="AZ EL | WHY", help="Degrees, with point and offset; what is done, with lock."),
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Point, stop or park an antenna, shift it by an offset, or lock it while people work on it.

    A lock outlives the daemon: nothing moves the antenna, and no contact is booked on it, until it is unlocked.
    """
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("antennas", name, verb.value, body=_body(verb, words or []))
    show_done(answer, f"{name}: {' '.join([verb.value, *(words or [])])}: accepted", as_json=as_json)


def _body(verb: Verb, words: Sequence[str]) -> dict[str, Any]:
    if verb is not Verb.LOCK:
        return _angles(verb, words)
    if not words:
        raise typer.BadParameter("lock takes a few words that say what is done", param_hint="WHY")
    return {"why": " ".join(words)}


def _angles(verb: Verb, words: Sequence[str]) -> dict[str, float]:
    if verb not in _WITH_ANGLES:
        if words:
            raise typer.BadParameter(f"{verb.value} takes no angles", param_hint="AZ EL")
        return {}
    try:
        azimuth_deg, elevation_deg = (float(word) for word in words)
    except ValueError:
        raise typer.BadParameter(f"{verb.value} takes two numbers of degrees, AZ EL", param_hint="AZ EL") from None
    return {"azimuth_deg": azimuth_deg, "elevation_deg": elevation_deg}
