# ruff: noqa: INP001
"""Makes the tables in fleetd/orbit/data: the Earth's rotation and the Sun. Run by hand when either needs renewing.

    python design/make_sky_tables.py [DE421.BSP]

delta-t.npy   TT - UT1 at 0h UTC of each day from 1980-01-01 to 2059-12-31, int32 in units of 1e-7 s: the observations
              and predictions of the IERS that Skyfield carries, and Skyfield's long-term curve after them.
sun.npy       the Sun seen from the Earth's centre at 0h TT of each day from 2025-12-25 to 2046-01-10, float64
              kilometres in the true-equator mean-equinox frame of SGP4: an excerpt of the JPL ephemeris DE421.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from skyfield.api import load, load_file
from skyfield.sgp4lib import TEME

DATA = Path(__file__).parents[1] / "fleetd" / "orbit" / "data"


def delta_t(timescale: object) -> np.ndarray:
    days = round(timescale.utc(2060, 1, 1).tt - timescale.utc(1980, 1, 1).tt)
    times = timescale.utc(1980, 1, 1 + np.arange(days))
    return np.round(times.delta_t * 1e7).astype(np.int32)


def sun(timescale: object, ephemeris: object) -> np.ndarray:
    start = timescale.tt(2025, 12, 25).tt
    times = timescale.tt_jd(start + np.arange(timescale.tt(2046, 1, 10).tt - start + 1))
    geocentric = (ephemeris["sun"] - ephemeris["earth"]).at(times)
    return geocentric.frame_xyz(TEME).km.T


def main() -> None:
    timescale = load.timescale(builtin=True)
    np.save(DATA / "delta-t.npy", delta_t(timescale))
    if len(sys.argv) > 1:
        ephemeris = load_file(sys.argv[1])
        np.save(DATA / "sun.npy", np.ascontiguousarray(sun(timescale, ephemeris)))
        ephemeris.close()


main()
