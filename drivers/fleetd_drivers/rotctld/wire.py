"""The commands of Hamlib's `rotctld` that are written, with their arguments; rotctld(1). Lines are for `hamlib.net`."""

from __future__ import annotations

ASK_POSITION = "get_pos"
ASK_STATE = "dump_state"
MOVE = "set_pos"
STOP = "stop"
COMMANDS = (ASK_POSITION, ASK_STATE, MOVE, STOP)


def direction(azimuth_deg: float, elevation_deg: float) -> tuple[str, str]:
    """A direction in hundredths of a degree, as MOVE takes it."""
    return f"{azimuth_deg:.2f}", f"{elevation_deg:.2f}"
