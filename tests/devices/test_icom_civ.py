"""What is peculiar to CI-V, and Hamlib's own `rigctl` at the radio's sim."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from farend import EagerClock
from rigs import KINDS, Desk, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import Side
from fleetd.errors import BadReply, Declined, LinkLost, Refusal
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.sims.icom_civ import IcomCivSim

[KIND] = (kind for kind in KINDS if kind.name == "icom-civ")


def desk(medium: str = "serial", **settings: Any) -> Any:
    return on_bench(KIND, medium, EagerClock(), settings)


def sim_of(made: Desk) -> IcomCivSim:
    sim = made.bench.sim
    assert isinstance(sim, IcomCivSim)
    return sim


async def works(made: Desk) -> None:
    await made.driver.tune(Side.SUB, 145_900_000)
    assert await made.driver.tuned(Side.SUB) == 145_900_000
    assert await made.driver.tuned(Side.MAIN) == 435_000_000
    await made.driver.key()
    assert await made.driver.keyed()
    await made.driver.unkey()
    assert not await made.driver.keyed()


@pytest.mark.parametrize("faults", [(), ("echo",), ("transceive",), ("echo", "transceive"), ("short-preamble",)])
async def test_with_and_without_echo_and_amid_transceive_frames(faults: tuple[str, ...]) -> None:
    async with desk() as made:
        made.bench.break_(*faults)
        await works(made)
        assert not made.bench.sim.violations


async def test_an_echo_that_comes_and_goes() -> None:
    async with desk() as made:
        for _ in range(2):
            made.bench.break_("echo")
            await works(made)
            made.bench.sim.faults.clear("echo")
            await works(made)


async def test_satellite_mode_is_put_on_unless_it_is_not_wished() -> None:
    async with desk() as made:
        assert sim_of(made).satellite_mode
    async with desk(satellite_mode=False) as made:
        assert not sim_of(made).satellite_mode
    async with desk(model="ic-910", address=0xA2) as made:
        assert b"\xfe\xfe\xa2\xe0\x1a\x07\x01\xfd" in b"".join(made.bench.heard)
        with pytest.raises(Refusal, match="no mode fm-data"):
            await made.driver.set_mode(Side.MAIN, "fm-data")


async def test_a_radio_at_another_address_is_not_there() -> None:
    with pytest.raises(TimeoutError, match="no answer within"):
        async with desk(address=0x60, reply_timeout_ms=40):
            pass


async def test_sides_on_each_others_bands_are_exchanged() -> None:
    async with desk() as made:
        await made.driver.tune(Side.MAIN, 145_800_000)
        assert await made.driver.tuned(Side.MAIN) == 145_800_000
        assert await made.driver.tuned(Side.SUB) == 435_000_000
        await made.driver.tune(Side.SUB, 436_000_000)
        assert (made.model.main.frequency_hz, made.model.sub.frequency_hz) == (145_800_000, 436_000_000)


async def test_sides_are_never_exchanged_while_it_transmits() -> None:
    async with desk() as made:
        await made.driver.key()
        with pytest.raises(Declined, match="while it transmits"):
            await made.driver.tune(Side.MAIN, 145_800_000)
        assert (made.model.main.frequency_hz, made.model.sub.frequency_hz) == (435_000_000, 145_000_000)


async def test_a_collision_ends_the_link() -> None:
    async with desk() as made:
        made.bench.break_("collision=1")
        with pytest.raises(BadReply, match="two talked at once"):
            await made.driver.tuned(Side.MAIN)
        with pytest.raises(LinkLost):
            await made.driver.unkey()


async def test_a_no_is_declined_and_the_link_stays() -> None:
    async with desk() as made:
        made.bench.break_("refusing=1")
        for no in (made.driver.key(), made.driver.unkey(), made.driver.keyed(), made.driver.tuned(Side.MAIN)):
            with pytest.raises(Declined):
                await no
        made.bench.sim.faults.clear("refusing")
        await works(made)


async def test_a_radio_that_stays_keyed_says_so() -> None:
    async with desk() as made:
        made.bench.break_("stuck-key")
        await made.driver.unkey()
        assert await made.driver.keyed()


async def test_the_data_modes_are_a_mode_and_data_mode() -> None:
    async with desk() as made:
        await made.driver.set_mode(Side.SUB, "fm-data")
        wrote = b"".join(made.bench.heard)
        assert b"\x07\xd1\xfd\xfe\xfe\xa2\xe0\x06\x05\xfd\xfe\xfe\xa2\xe0\x1a\x06\x01\x01\xfd" in wrote
        await made.driver.set_mode(Side.SUB, "fm")
        assert b"\x1a\x06\x00\x00\xfd" in b"".join(made.bench.heard)


# Hamlib's own client, which nobody here wrote


async def rigctl(port: str, *words: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *("rigctl", "-m", "3081", "-r", port, "-s", "19200", *words), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().split()


@pytest.mark.peer("rigctl")
@pytest.mark.parametrize("echo", [True, False])
async def test_hamlib_tunes_and_keys_the_sim(echo: bool) -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("icom-civ", {}, 0, catalogue.Bus("rtu"))
        assert isinstance(sim, IcomCivSim)
        port = (await bench.pty(sim, Pace.of(115_200))).address
        if echo:
            bench.inject(sim, "echo")
        said = await rigctl(port, "F", "437525000", "f", "M", "USB", "0", "m")
        assert said[:2] == ["437525000", "USB"]  # and a pass band that Hamlib assumes
        assert (sim.model.main.frequency_hz, sim.model.main.mode) == (437_525_000, "USB")
        # in satellite mode the transmit half of a split is Sub
        assert await rigctl(port, "S", "1", "Sub", "I", "145950000", "i") == ["145950000"]
        assert (sim.model.sub.frequency_hz, sim.satellite_mode) == (145_950_000, True)
        assert await rigctl(port, "T", "1", "t") == ["1"]
        assert sim.model.keyed
        assert await rigctl(port, "T", "0", "t") == ["0"]
        assert not sim.model.keyed
        assert not sim.violations
