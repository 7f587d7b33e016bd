"""`fleetctl antenna`: an operator's hand on one antenna, through the daemon and its interlocks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket


class Verb(StrEnum):
    """What may be asked of an antenna."""

    POINT = "point"
    OFFSET = "offset"
    STOP = "stop"
    PARK = "park"


_WITH_ANGLES = (Verb.POINT, Verb.OFFSET)


def antenna(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the antenna.", show_default=False)],
    verb: Annotated[
        Verb, typer.Argument(metavar="VERB", help="point AZ EL, offset AZ EL, stop or park.", show_default=False)
    ],
    angles: Annotated[list[str] | None, typer.Argument(metavar="AZ EL", help="Degrees, with point and offset.")] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Point, stop or park an antenna, or shift it by an offset."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("antennas", name, verb.value, body=_angles(verb, angles or []))
    if as_json:
        screen.print_json(answer)
    else:
        screen.say(f"{name}: {' '.join([verb.value, *(angles or [])])}: accepted")


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
