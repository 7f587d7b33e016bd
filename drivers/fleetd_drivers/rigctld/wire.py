"""Those commands of Hamlib's `rigctld` that are written, with their arguments; rigctld(1). Lines are for `hamlib.net`.

The values are checked before they get here: rigctld 4.5.4 answers `nan` and a mode of no meaning with RPRT 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetd.devices import RigMode

TUNE, ASK_TUNED = "set_freq", "get_freq"
SET_MODE = "set_mode"
PTT, ASK_PTT = "set_ptt", "get_ptt"
SPLIT, SPLIT_TUNE, ASK_SPLIT_TUNED, SPLIT_MODE = "set_split_vfo", "set_split_freq", "get_split_freq", "set_split_mode"
COMMANDS = (TUNE, ASK_TUNED, SET_MODE, PTT, ASK_PTT, SPLIT, SPLIT_TUNE, ASK_SPLIT_TUNED, SPLIT_MODE)

MODES: Mapping[RigMode, str] = {
    "lsb": "LSB",
    "usb": "USB",
    "cw": "CW",
    "am": "AM",
    "fm": "FM",
    "usb-data": "PKTUSB",
    "fm-data": "PKTFM",
}
"""Modes by Hamlib's names."""

ASK_VFO_MODE = b"+\\chk_vfo\n"
_NORMAL_WIDTH = "0"


def vfo_mode(heard: bytes) -> bool | None:
    """What the answer to ASK_VFO_MODE says, None while it is not whole; it alone ends without a report (4.5.4)."""
    line, end, _ = heard.partition(b"\n")
    if not end:
        return None
    if line.strip() not in (b"ChkVFO: 0", b"ChkVFO: 1"):
        raise ValueError(f"{line!r} in answer to chk_vfo")
    return line.strip().endswith(b"1")


def mode(name: RigMode) -> tuple[str, str]:
    """A mode with its normal pass band, as SET_MODE and SPLIT_MODE take it."""
    return MODES[name], _NORMAL_WIDTH
