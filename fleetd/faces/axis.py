"""`AxisFace`: what a client of the rotctld port can have done with an antenna. Every motion is an operator's motion.

So it needs the hold, passes the interlock, and gives way to contacts. Not here: the wire, and what is written down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from fleetd.contact.antenna import Antenna
from fleetd.devices import AzEl
from fleetd.errors import Refusal
from fleetd.faces.lines import Outcome, Request

LETTERS: Mapping[str, str] = {
    "p": "get_pos", "P": "set_pos", "S": "stop", "K": "park", "_": "get_info", "q": "quit", "Q": "quit",
    "M": "move", "R": "reset", "1": "dump_caps", "C": "set_conf", "s": "get_status",
}  # fmt: skip
MOTIONS = ("set_pos", "stop", "park")
"""The commands that are written down."""

_FRESH = timedelta(seconds=1.0)
_ARGUMENTS = {"set_pos": 2}


class AxisFace:
    """One client's hand on one antenna; `who` is the name under which it holds it."""

    letters = LETTERS
    motions = MOTIONS

    def __init__(self, antenna: Antenna, who: str) -> None:
        self._antenna = antenna
        self._who = who
        self._acts: Mapping[str, Callable[[tuple[str, ...]], Awaitable[Outcome]]] = {
            "get_pos": self._where,
            "set_pos": self._point,
            "stop": self._stop,
            "park": self._park,
            "get_info": self._info,
            "dump_state": self._state,
        }

    async def obey(self, request: Request) -> Outcome:
        """Do what is asked. Raises Refusal and DeviceError."""
        act = self._acts.get(request.name)
        if act is None:
            raise Refusal("not-implemented", f"{request.name or 'that command'} is not done here")
        if len(request.words) != _ARGUMENTS.get(request.name, 0):
            raise Refusal("usage", f"{request.name} with {len(request.words)} arguments is no command")
        return await act(request.words)

    def let_go(self) -> None:
        """The client is gone: what it held is free again."""
        if self._antenna.hold.owner == self._who:
            self._antenna.hold.free()

    async def _where(self, _words: tuple[str, ...]) -> Outcome:
        measured = self._antenna.measured
        if measured is None or self._antenna.clock.now() - measured.at > _FRESH:
            measured = await self._antenna.measure()
        at = measured.position
        return Outcome([("Azimuth: ", f"{at.azimuth_deg:.2f}"), ("Elevation: ", f"{at.elevation_deg:.2f}")])

    async def _point(self, words: tuple[str, ...]) -> Outcome:
        await self._antenna.point(AzEl(*map(_degrees, words)), by=self._who)
        return Outcome()

    async def _stop(self, _words: tuple[str, ...]) -> Outcome:
        await self._antenna.stop(by=self._who)
        return Outcome()

    async def _park(self, _words: tuple[str, ...]) -> Outcome:
        await self._antenna.park(by=self._who)
        return Outcome()

    async def _info(self, _words: tuple[str, ...]) -> Outcome:
        return Outcome([("Info: ", f"fleetd, antenna {self._antenna.name}")])

    async def _state(self, _words: tuple[str, ...]) -> Outcome:
        axes = self._antenna.axes
        limits = (
            ("min_az", axes.azimuth_min_deg),
            ("max_az", axes.azimuth_max_deg),
            ("min_el", axes.elevation_min_deg),
            ("max_el", axes.elevation_max_deg),
        )
        told = [("", f"{name}={value:.6f}") for name, value in limits]
        return Outcome([("", "1"), ("", "1"), *told, ("", "south_zero=0"), ("", "rot_type=AzEl"), ("", "done")])


def _degrees(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise Refusal("usage", f"{word[:20]!r} is no number of degrees") from None
