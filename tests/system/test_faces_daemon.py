"""The whole daemon with its ports for other programs and its radio: what Hamlib's clients see and what is noted."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from brokers import Mosquitto
from sites import demo_site

pytestmark = [pytest.mark.peer("mosquitto", "rotctl", "rigctl"), pytest.mark.timeout(120)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def hamlib(program: str, port: int, *words: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *(program, "-m", "2", "-r", f"127.0.0.1:{port}", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    return said.decode().split()


async def test_hamlibs_clients_drive_the_antenna_and_its_radio(tmp_path: Path, mosquitto: Mosquitto) -> None:
    turning, tuning = free_port(), free_port()
    faces = (
        "faces:\n"
        f"  - {{speaks: rotctld, antenna: dish, port: {turning}}}\n"
        f"  - {{speaks: rigctld, antenna: dish, port: {tuning}}}\n"
    )
    async with demo_site(tmp_path / "site", mosquitto, rate=2.0) as site:
        config = site.config.with_name(f"faces-{turning}.yaml")
        config.write_text(f"{site.config.read_text()}\n{faces}")
        site.config = config
        try:
            async with site.daemon() as daemon:
                await daemon.up()
                async with asyncio.timeout(20):
                    while (await daemon.get("/v1/status"))["radios"][0]["main_hz"] is None:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                assert await hamlib("rotctl", turning, "P", "12", "8") == []
                async with asyncio.timeout(30):
                    while await hamlib("rotctl", turning, "p") != ["12.00", "8.00"]:
                        pass
                await hamlib("rotctl", turning, "P", "nan", "40")
                assert await hamlib("rigctl", tuning, "F", "437000000", "f") == ["437000000"]
                (radio,) = (await daemon.get("/v1/status"))["radios"]
                assert (radio["main_hz"], radio["transmitting"], radio["guarded"]) == (437_000_000, False, True)
                acts = [(entry["act"], entry["outcome"]) for entry in await daemon.get("/v1/audit")]
                assert ("dish: set_pos 12.000000 8.000000", "accepted") in acts
                assert ("dish: set_pos nan 40.000000", "refused: not-finite") in acts
                assert ("dish: set_freq 437000000.000000", "accepted") in acts
                assert await daemon.end() == 0
        finally:
            config.unlink()
