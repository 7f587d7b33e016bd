"""Hamlib's own `rotctl`, which nobody here wrote, works our sims; what it reports is where their antennas stand.

Hamlib 4.5.4 knows nothing of a Rot2Prog's pace, and with model 602 it takes the line end that answers a move for the
answer to the question after it; each step is therefore a call of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from fleetd.clock import SystemClock
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.models.rotator import RotatorModel

QUICK = {
    "azimuth_slew_deg_s": 400.0,
    "elevation_slew_deg_s": 400.0,
    "acceleration_deg_s2": 4000.0,
    "start_azimuth_deg": 12.0,
    "start_elevation_deg": 5.0,
}
SLOW = {"start_azimuth_deg": 12.0, "start_elevation_deg": 5.0}


@dataclass(frozen=True)
class Referee:
    """One of Hamlib's models and the sim that it is let loose on; `shown_deg` is how finely the wire tells angles."""

    model: int
    sim: str
    baud: int
    shown_deg: float
    sets: bytes
    """What Hamlib 4.5.4 writes to turn to 200 and 30 degrees, as seen on the wire."""
    level: bool = False
    """Knows no elevation."""

    def at(self, azimuth_deg: float, elevation_deg: float) -> tuple[float, float]:
        """A direction, as far as it goes."""
        return azimuth_deg, 0.0 if self.level else elevation_deg

    def __str__(self) -> str:
        return f"{self.model}-{self.sim}"


REFEREES = (
    Referee(202, "easycomm2", 9600, 0.1, b"AZ200.0 EL30.0\n"),
    Referee(204, "easycomm3", 19_200, 0.1, b"AZ200.0 EL30.0\n"),
    Referee(602, "gs232a", 9600, 1.0, b"W200 030\r"),
    Referee(603, "gs232b", 9600, 1.0, b"W200 030\r"),
    Referee(901, "spid-rot2", 600, 0.5, b"W1120\x020780\x02\x2f "),
    Referee(902, "spid-rot1", 1200, 1.0, b"W5600\x00\x00\x00\x00\x00\x00\x2f ", level=True),
    Referee(903, "spid-md01", 9600, 0.5, b"W1120\x020780\x02\x2f "),
)


async def rotctl(referee: Referee, port: str, *words: str) -> tuple[float, ...]:
    """What `rotctl` prints, as numbers."""
    process = await asyncio.create_subprocess_exec(
        "rotctl", "-m", str(referee.model), "-r", port, "-s", str(referee.baud), *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return tuple(float(line) for line in said.decode().split())


def standing(model: RotatorModel) -> tuple[float, float]:
    return model.azimuth.position_deg, model.elevation.position_deg


@pytest.mark.peer("rotctl")
@pytest.mark.parametrize("referee", REFEREES, ids=str)
async def test_hamlib_points_and_reports_where_the_sim_stands(referee: Referee) -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build(referee.sim, QUICK, 0, catalogue.Bus("rtu"))
        model: RotatorModel = sim.model  # type: ignore[attr-defined]
        heard: list[bytes] = []
        feed = sim.feed  # type: ignore[attr-defined]
        sim.attach = lambda: lambda data, at_s: heard.append(data) or feed(data, at_s)  # type: ignore[method-assign]
        port = (await bench.pty(sim, Pace.of(referee.baud))).address
        assert await rotctl(referee, port, "p") == referee.at(12.0, 5.0)
        await rotctl(referee, port, "P", "200", "0" if referee.level else "30")
        async with asyncio.timeout(10):
            while await rotctl(referee, port, "p") != referee.at(200.0, 30.0):
                pass
        assert referee.at(*standing(model)) == pytest.approx(
            referee.at(200.0, 30.0), abs=0.5
        )  # shown rounded, perhaps before it rests
        assert referee.sets in b"".join(heard)
        assert [what for what in sim.violations if "it needs 2 s" not in what] == []


@pytest.mark.peer("rotctl")
@pytest.mark.parametrize("referee", REFEREES, ids=str)
async def test_hamlib_stops_the_sim_in_mid_move(referee: Referee) -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build(referee.sim, SLOW, 0, catalogue.Bus("rtu"))
        model: RotatorModel = sim.model  # type: ignore[attr-defined]
        port = (await bench.pty(sim, Pace.of(referee.baud))).address
        await rotctl(referee, port, "P", "200", "0" if referee.level else "30")
        await asyncio.sleep(0.05)
        await rotctl(referee, port, "S")
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            while (first := await rotctl(referee, port, "p")) != (again := await rotctl(referee, port, "p")):
                pass
        assert first == again
        assert 12.0 < standing(model)[0] < 200.0
        for shown, true in zip(first, referee.at(*standing(model)), strict=True):
            assert abs(shown - true) <= referee.shown_deg / 2 + 1e-6


@pytest.mark.peer("rotctl")
async def test_hamlib_works_our_server_as_it_does_its_own() -> None:
    """`rotctl -m 2` is Hamlib's client of `rotctld`; it reads the whole state before it asks for anything."""

    async def ask(*words: str) -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            *("rotctl", "-m", "2", "-r", port, *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complained = await process.communicate()
        return process.returncode, said + complained

    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("rotctld", QUICK, 0, catalogue.Bus("tcp"))
        port = (await bench.tcp(sim)).address
        assert await ask("p") == (0, b"12.00\n5.00\n")
        assert await ask("P", "200", "30") == (0, b"")
        async with asyncio.timeout(10):
            while await ask("p") != (0, b"200.00\n30.00\n"):
                pass
        assert (await ask("S"))[0] == 0
        code, said = await ask("P", "460", "30")
        assert code
        assert b"max=450.00" in said  # it knows our limits
        assert not sim.violations
