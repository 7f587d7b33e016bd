"""`fleethil serve` and `list` as outside programs see them: one JSON line, a link that answers, a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleetd.link.ports import Ports
from fleetd.link.stream import Link
from fleetd.link.url import parse_link
from fleetd_hil import catalogue
from fleetd_hil.cli import app
from fleetd_hil.serve import parse_others, parse_place

START = "2026-11-11T12:00:00Z"


@asynccontextmanager
async def fleethil(*words: str, within_s: float = 20) -> AsyncIterator[dict[str, Any]]:
    """`fleethil serve` with these words, once ready; it must end with 0 on SIGTERM and have said nothing more."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fleetd_hil.cli", "serve", *words, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(within_s):
            yield json.loads(await process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, _ = await process.communicate()
        assert (process.returncode, rest) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ask(link: Link, question: bytes) -> bytes:
    async with link.exchange("a question", 5.0):
        await link.write(question)
        return await link.read_until(b"\n")


async def test_gs232b_on_a_pty_keeps_scene_time(tmp_path: Path) -> None:
    stable = tmp_path / "rotator"
    async with fleethil("gs232b", "--link", f"pty:{stable}", "--clock", START, "x100") as ready:
        assert ready["sim"] == "gs232b"
        assert ready["link"] == f"serial://{stable}"
        async with Ports().open(parse_link(ready["link"])) as link:
            assert await ask(link, b"C2\r") == b"AZ=000  EL=000\r\n"
            await link.write(b"W090 045\r")
            assert await link.read_until(b"\r") == b"\r"
            while (seen := await ask(link, b"C2\r")) != b"AZ=090  EL=045\r\n":  # 16 scene seconds
                assert seen.startswith(b"AZ=0")
    assert not stable.exists()


async def test_gs232b_on_tcp() -> None:
    async with fleethil("gs232b", "--link", "tcp://127.0.0.1:0", "--options", "start_azimuth_deg=77") as ready:
        assert ready["link"].startswith("tcp://127.0.0.1:")
        async with Ports().open(parse_link(ready["link"])) as link:
            assert await ask(link, b"C\r") == b"AZ=077\r\n"


async def test_faults_can_come_by_standard_input_while_it_runs() -> None:
    command = [sys.executable, "-m", "fleetd_hil.cli", "serve", "gs232b", "--link", "tcp://127.0.0.1:0", "--stdin"]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes)
    assert process.stdin
    assert process.stdout
    assert process.stderr
    async with asyncio.timeout(20):
        ready = json.loads(await process.stdout.readline())
        async with Ports().open(parse_link(ready["link"])) as link:
            process.stdin.write(b"az-only\nnonsense\n")
            assert b"unknown fault 'nonsense'" in await process.stderr.readline()
            assert await ask(link, b"C2\r") == b"AZ=000\r\n"
            process.stdin.write(b"clear az-only\nnonsense\n")
            await process.stderr.readline()
            assert await ask(link, b"C2\r") == b"AZ=000  EL=000\r\n"
        process.stdin.close()
        process.terminate()
        assert await process.wait() == 0


async def test_twenty_robots_on_one_port_and_three_on_a_bus_with_the_weather() -> None:
    async with fleethil("little-donkey", "--link", "tcp://127.0.0.1:0", "--count", "20") as ready:
        assert ready["link"].startswith("modbus+tcp://127.0.0.1:")
        assert ready["units"] == list(range(1, 21))
    words = ("--link", "pty", "--baud", "19200", "--count", "3", "--with", "weather-station@10")
    async with fleethil("little-donkey", *words) as ready:
        assert ready["link"].startswith("modbus+rtu:///dev/pts/")
        assert ready["units"] == [1, 2, 3, 10]


async def ask_all(link: str, units: int) -> int:
    """Ask every unit of one Modbus TCP port for its map's identity; how many gave it."""
    host, _, port = link.removeprefix("modbus+tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for unit in range(1, units + 1):
            writer.write(struct.pack(">HHHBBHH", unit, 0, 6, unit, 4, 0, 1))
        answers = [await reader.readexactly(11) for _ in range(units)]
    finally:
        writer.close()
        await writer.wait_closed()
    return sum(answer[7:] == b"\x04\x02LD" and answer[6] == unit for unit, answer in enumerate(answers, 1))


@pytest.mark.parametrize(
    ("lines", "units"),
    [(3, 5), pytest.param(50, 200, marks=[pytest.mark.slow, pytest.mark.timeout(180)], id="10,000 robots")],
)
async def test_one_process_carries_many_lines_of_robots(lines: int, units: int) -> None:
    words = ("little-donkey", "--link", "tcp://127.0.0.1:0", "--lines", str(lines), "--count", str(units))
    async with fleethil(*words, within_s=120) as ready:
        assert len(set(ready["links"])) == lines
        assert ready["link"] == ready["links"][0]
        async with asyncio.timeout(120):
            answered = await asyncio.gather(*(ask_all(link, units) for link in ready["links"]))
        assert answered == [units] * lines


def test_list_names_sims_and_faults() -> None:
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert [sim["sim"] for sim in listed["sims"]] == list(catalogue.KINDS)
    faults = {fault["fault"] for sim in listed["sims"] for fault in sim["faults"]}
    assert {"az-only", "frozen", "wrong-way", "overshoot", "glitch", "wrapped", "silent", "crc", "half"} <= faults
    assert {"unplug", "stall", "delay"} <= {fault["fault"] for fault in listed["line_faults"]}
    assert "unplug" in CliRunner().invoke(app, ["list"]).stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["toaster"], "unknown sim 'toaster'; known are easycomm2, "),
        (["gs232b", "--link", "usb"], "--link 'usb': write it as pty, pty:/stable/name or tcp://127.0.0.1:0"),
        (["gs232b", "--link", "tcp://127.0.0.1:99999"], "write it as"),
        (
            ["gs232b", "--lines", "2", "--link", "tcp://127.0.0.1:4533"],
            "--lines are reached each at a place of its own",
        ),
        (["gs232b", "--count", "2"], "gs232b has a line of its own"),
        (["gs232b", "--options", "slew=3"], "unknown option 'slew'; known here are azimuth_max_deg"),
        (["gs232b", "--options", "azimuth_slew_deg_s=fast"], "write it as azimuth_slew_deg_s=NUMBER"),
        (["gs232b", "--fault", "explode"], "unknown fault 'explode'; known here are az-only"),
        (["gs232b", "--fault", "stall@soon"], "write it as NAME[=VALUE][/UNIT][@AFTER_S][+LASTING_S]"),
        (["gs232b", "--clock", "noon"], "--clock 'noon'"),
        (["little-donkey", "--with", "weather-station"], "write it as SIM@UNIT"),
        (["little-donkey", "--count", "3", "--with", "weather-station@2"], "that unit is a little-donkey"),
        (["little-donkey", "--with", "gs232b@10"], "gs232b is no Modbus device"),
        (["gs232b", "--link", "tcp://192.0.2.1:0"], "cannot listen on 192.0.2.1:0"),
    ],
)
def test_bad_words_end_in_one_line_and_exit_code_1(words: list[str], complaint: str) -> None:
    outcome = CliRunner().invoke(app, ["serve", *words])
    assert outcome.exit_code == 1
    assert outcome.stdout == ""
    assert complaint in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_places_and_units() -> None:
    assert parse_place("tcp://127.0.0.1:0").url_scheme(modbus=True) == "modbus+tcp"
    assert parse_place("modbus+rtuovertcp://127.0.0.1:0").url_scheme(modbus=True) == "modbus+rtuovertcp"
    assert parse_place("pty").url_scheme(modbus=False) == "serial"
    assert parse_others(["weather-station@10"]) == {10: "weather-station"}
