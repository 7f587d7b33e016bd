"""The whole daemon with its ports for other programs and its radio: what Hamlib's clients see and what is noted."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
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


def there(status: dict[str, Any]) -> bool:
    """Whether antenna and radio have both been read."""
    return status["antennas"][0]["azimuth_deg"] is not None and status["radios"][0]["main_hz"] is not None


async def test_hamlibs_clients_drive_the_antenna_and_its_radio(tmp_path: Path, mosquitto: Mosquitto) -> None:
    turning, tuning = free_port(), free_port()
    async with demo_site(tmp_path / "site", mosquitto, rate=2.0) as site:
        beside = shutil.copytree(site.config.parent, tmp_path / "configs")
        site.config = beside / site.config.name
        built = yaml.safe_load(site.config.read_text())
        for satellite in built["satellites"]:
            satellite["min_elevation_deg"] = 89.9  # so that no contact takes the antenna meanwhile
        built["faces"] = [
            {"speaks": "rotctld", "antenna": "dish", "port": turning},
            {"speaks": "rigctld", "antenna": "dish", "port": tuning},
        ]
        site.config.write_text(yaml.safe_dump(built))
        async with site.daemon() as daemon:
            await daemon.up()
            async with asyncio.timeout(20):
                while not there(await daemon.get("/v1/status")):  # noqa: ASYNC110  # it is another process
                    await asyncio.sleep(0.05)
            said = await hamlib("rotctl", turning, "P", "12", "8")
            assert said == [], daemon.lines("a client is refused")
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
