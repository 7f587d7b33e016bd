"""Captures: recorded at the link, put to the sims, judged reply by reply; and the shipped ones, which must hold."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleetd.clock import SystemClock
from fleetd.errors import ConfigError
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.capture.replay import exchanges_of, replay
from fleetd_hil.capture.shapes import difference, shape_of
from fleetd_hil.capture.tape import Capture, Piece, Tape, read_capture, tapped
from fleetd_hil.cli import app
from fleetd_hil.sims.framing import rtu_frame

CAPTURES = Path(__file__).parents[2] / "hil" / "captures"
SHIPPED = sorted(file for file in CAPTURES.glob("*.jsonl") if "unit" not in read_capture(file).head)
"""Those of hardware days are judged by whoever has the hardware."""


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_capture_is_answered_alike_and_says_what_it_is(file: Path) -> None:
    exchanges = replay(file)
    assert len(exchanges) > 10
    assert [each for each in exchanges if each.differs] == []
    head = read_capture(file).head
    assert head["sim"] in catalogue.KINDS
    assert head["device"]
    assert file.name in (CAPTURES / "README.md").read_text(encoding="utf-8")


def test_a_sim_that_answers_otherwise_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    text = (CAPTURES / "rotctld-hamlib-4.5.4.jsonl").read_text(encoding="utf-8")
    assert text.count(b"RPRT -1\n".hex()) >= 2
    file.write_text(text.replace(b"RPRT -1\n".hex(), b"RPRT -6\n".hex()))
    outcome = CliRunner().invoke(app, ["replay", str(file)])
    assert outcome.exit_code == 1
    assert "the device said b'RPRT -6\\n', the sim b'RPRT -1\\n': -1 is not within 0.5 of -6" in outcome.stdout
    assert CliRunner().invoke(app, ["replay", str(file), "--within", "5"]).exit_code == 0
    assert CliRunner().invoke(app, ["replay", str(file), "--sim", "rigctld", "--within", "5"]).exit_code == 1


# Recording


@asynccontextmanager
async def recording(*words: str) -> AsyncIterator[str]:
    """`fleethil record` with these words, once ready: the link to use. It ends with 0 on SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fleetd_hil.cli", "record", *words, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            yield json.loads(await process.stdout.readline())["link"]
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.peer("rotctl")
async def test_what_hamlib_asks_of_a_device_is_passed_on_and_written_down(tmp_path: Path) -> None:
    """Over two ptys: Hamlib before the recorder, the recorder before a GS-232B, which is a sim here."""
    file = tmp_path / "gs232b.jsonl"
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build(
            "gs232b", {"start_azimuth_deg": 12.0, "start_elevation_deg": 5.0}, 0, catalogue.Bus("rtu")
        )
        device = f"serial://{(await bench.pty(sim)).address}?baud=9600"
        words = (device, str(file), "--sim", "gs232b", "--options", "start_azimuth_deg=12")
        async with recording(*words, "--options", "start_elevation_deg=5", "--what", "a sim") as link:
            port = link.removeprefix("serial://")
            process = await asyncio.create_subprocess_exec(
                *("rotctl", "-m", "603", "-r", port, "p"), stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
            assert said.split() == [b"12.00", b"5.00"]
    capture = read_capture(file)
    assert (capture.head["sim"], capture.head["device"]) == ("gs232b", "a sim")
    [*_, last] = exchanges_of(capture)
    assert (last.question, last.theirs) == (b"C2\r", b"AZ=012  EL=005\r\n")
    assert [each.differs for each in replay(file)] == [""] * len(replay(file))
    [wrong] = [each for each in replay(file, options=["start_azimuth_deg=20"]) if each.differs]
    assert wrong.differs == "20 is not within 1 of 12"


def test_a_device_that_cannot_be_reached_leaves_no_capture(tmp_path: Path, unused_tcp_port: int) -> None:
    capture = tmp_path / "none.jsonl"
    words = ["record", f"tcp://127.0.0.1:{unused_tcp_port}", str(capture), "--sim", "rotctld"]
    for _ in range(2):  # and so the second try is not refused for the first
        ended = CliRunner().invoke(app, words)
        assert f"127.0.0.1:{unused_tcp_port}: Connection refused" in ended.output
    assert not capture.exists()


async def test_a_server_that_hangs_up_is_reached_again(tmp_path: Path) -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("rotctld", {}, 0, catalogue.Bus("tcp"))
        device = f"tcp://{(await bench.tcp(sim)).address}"
        words = (device, str(tmp_path / "c.jsonl"), "--sim", "rotctld", "--link", "tcp://127.0.0.1:0")
        async with recording(*words) as link:
            host, _, port = link.removeprefix("tcp://").rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"p\nq\n")
            assert await reader.read() == b"0.00\n0.00\n"
            writer.close()
            for _ in range(200):  # until the recorder has reached the server again, what is asked is lost
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"p\n")
                try:
                    async with asyncio.timeout(0.05):
                        said = await reader.readexactly(10)
                except (TimeoutError, asyncio.IncompleteReadError):
                    said = b""
                writer.close()
                if said:
                    break
            assert said == b"0.00\n0.00\n"


async def test_the_line_to_a_device_is_broken_on_purpose_and_the_capture_is_what_the_device_said(
    tmp_path: Path,
) -> None:
    file = tmp_path / "c.jsonl"
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("rotctld", {}, 0, catalogue.Bus("tcp"))
        device = f"tcp://{(await bench.tcp(sim)).address}"
        words = (device, str(file), "--sim", "rotctld", "--link", "tcp://127.0.0.1:0", "--fault", "garble=1")
        async with recording(*words) as link:
            host, _, port = link.removeprefix("tcp://").rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"p\n")
            said = await reader.readexactly(10)
            writer.close()
    assert all(ours != theirs for ours, theirs in zip(said, b"0.00\n0.00\n", strict=True))
    [each] = exchanges_of(read_capture(file))
    assert each.theirs == b"0.00\n0.00\n"


async def test_links_of_this_process_are_recorded_as_they_are_opened(tmp_path: Path) -> None:
    file, clock = tmp_path / "c.jsonl", SystemClock()
    tape = Tape.new(file, clock, {"sim": "gs232b"})
    async with Bench.open(clock) as bench:
        port = await bench.pty(catalogue.build("gs232b", {}, 0, catalogue.Bus("rtu")))
        async with Ports(tapped(tape)).open(parse_link(f"serial://{port.address}")) as link:
            await link.write(b"C\r")
            assert await link.read_until(b"\n") == b"AZ=000\r\n"
    tape.close(outcome={"passed": 1})
    [each] = exchanges_of(read_capture(file))
    assert (each.question, each.theirs) == (b"C\r", b"AZ=000\r\n")
    with pytest.raises(ConfigError, match="is there already"):
        Tape.new(file, clock, {})
    with pytest.raises(ConfigError, match="No such file"):
        Tape.new(tmp_path / "none" / "c.jsonl", clock, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "c.jsonl:1: is no capture"),
        ('{"sim": "gs232b"}\n', "c.jsonl:1: is no capture"),
        ("[]\n", "c.jsonl:1: is no line of a capture"),
        ('{"capture": 1}\nx\n', "c.jsonl:2: is no line"),
        ('{"capture": 1}\n{"at": 0, "from": "moon", "hex": ""}\n', "c.jsonl:2: is no line of a capture: 'moon'"),
        ('{"capture": 1}\n{"at": 0, "from": "host", "hex": "0"}\n', "c.jsonl:2: is no line"),
        ('{"capture": 1}\n', "c.jsonl:1: names no sim"),
    ],
)
def test_what_is_no_capture_is_refused_by_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        replay(file)
    assert words in str(refused.value)


# Shapes


def registers(*values: int) -> bytes:
    return rtu_frame(1, bytes([4, 2 * len(values)]) + b"".join(value.to_bytes(2, "big") for value in values))


@pytest.mark.parametrize(
    ("sim", "scheme", "theirs", "ours", "words"),
    [
        ("gs232b", "serial", b"AZ=012  EL=005\r\n", b"AZ=013  EL=005\r\n", ""),
        ("gs232b", "serial", b"AZ=012  EL=005\r\n", b"AZ=014  EL=005\r\n", "14 is not within 1 of 12"),
        (
            "gs232b",
            "serial",
            b"AZ=012\r\n",
            b"AZ=12\r\n",
            "12 is written in 3 digits as a whole number, and 12 as a whole",
        ),
        ("gs232b", "serial", b"AZ=012\r\n", b"AZ=012\n", r"b'\n' is not b'\r\n'"),
        ("easycomm2", "serial", b"AZ1.0\n", b"AZ1.00\n", "with 1 decimals, and 1 with 2 decimals"),
        ("easycomm2", "serial", b"AZ1.0\n", b"", "the device answered, the sim does not"),
        ("easycomm2", "serial", b"", b"x", "the device was silent, the sim answers"),
        ("easycomm2", "serial", b"AZ1.0\n", b"AZ1.0 EL1.0\n", "not made of the same parts"),
        # spid.txt of Hamlib: azimuth 360 + 12.0 is 3 7 2 0, elevation 360 + 5.5 is 3 6 5 5
        ("spid-rot2", "serial", b"W\3\7\2\0\2\3\6\5\5\2 ", b"W\3\7\2\5\2\3\6\5\5\2 ", ""),
        ("spid-rot2", "serial", b"W\3\7\2\0\2\3\6\5\5\2 ", b"W\3\7\4\0\2\3\6\5\5\2 ", "14 is not within 1 of 12"),
        ("spid-rot2", "serial", b"W\3\7\2\0\2\3\6\5\5\2 ", b"W\3\7\2\0\1\3\6\5\5\2 ", r"b'\x01' is not b'\x02'"),
        ("spid-rot1", "serial", b"W\3\7\2 ", b"W\3\7\3 ", ""),
        ("spid-rot1", "serial", b"W\3\7\2 ", b"W\3\x09\2 ", "is not within"),
        # CI-V: 435,000,000 Hz in BCD, low digits first
        (
            "icom-civ",
            "serial",
            b"\xfe\xfe\xe0\xa2\x03\0\0\0\x35\x04\xfd",
            b"\xfe\xfe\xe0\xa2\x03\1\0\0\x35\x04\xfd",
            "",
        ),
        ("icom-civ", "serial", b"\xfe\xfe\xe0\xa2\x03\0\0\0\x35\x04\xfd", b"\xfe\xfe\xe0\xa2\xfa\xfd", "not made of"),
        ("icom-civ", "serial", b"\xfe\xfe\xe0\xa2\xfb\xfd", b"\xfe\xfe\xe0\xa2\xfa\xfd", "is not b"),
        ("ups", "modbus+rtu", registers(100, 7), registers(101, 7), ""),
        ("ups", "modbus+rtu", registers(100, 7), registers(100, 9), "9 is not within 1 of 7"),
        ("ups", "modbus+rtu", registers(100, 7), registers(100), "not made of the same parts"),
        ("ups", "modbus+rtu", registers(100), registers(100)[:-1] + b"\0", "not made of the same parts"),
        ("ups", "modbus+tcp", b"\0\1\0\0\0\5\1" + b"\4\2\0\7", b"\0\2\0\0\0\5\1" + b"\4\2\0\7", ""),
        ("ups", "modbus+tcp", b"\0\1\0\0\0\5\1" + b"\4\2\0\7", b"\0\2\0\0\0\5\2" + b"\4\2\0\7", "is not b"),
        ("kiss", "tcp", b"\xc0\0abc\xc0", b"\xc0\0abd\xc0", "is not b"),
    ],
)
def test_answers_are_alike_by_their_shape(sim: str, scheme: str, theirs: bytes, ours: bytes, words: str) -> None:
    found = difference(theirs, ours, shape_of(sim, scheme), 1.0)
    assert found == "" if not words else words in found


def test_a_modbus_capture_is_put_to_a_line_with_its_units(tmp_path: Path) -> None:
    ask = rtu_frame(7, bytes.fromhex("04 00 00 00 01"))
    answer = rtu_frame(7, bytes.fromhex("04 02 4C 44"))  # the reference map's identity
    lines = [
        {"capture": 1, "sim": "little-donkey", "units": [7], "link": "modbus+rtu:///dev/ttyUSB0"},
        {"at": 0.1, "from": "device", "hex": "ff"},  # before anything was asked: nobody's answer
        {"at": 1.0, "from": "host", "hex": ask[:3].hex()},
        {"at": 1.1, "from": "host", "hex": ask[3:].hex()},
        {"at": 1.2, "from": "device", "hex": answer[:4].hex()},
        {"at": 1.3, "from": "device", "hex": answer[4:].hex()},
    ]
    file = tmp_path / "c.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    [each] = replay(file)
    assert (each.question, each.ours, each.differs) == (ask, answer, "")
    opened_again = [
        Piece(0, "opened", b""),
        Piece(0, "host", b"a"),
        Piece(1, "opened", b""),
        Piece(1, "host", b"b"),
        Piece(2, "device", b"c"),
    ]
    told = [(one.question, one.theirs, one.fresh) for one in exchanges_of(Capture({}, opened_again))]
    assert told == [(b"a", b"", True), (b"b", b"c", True)]
    assert [one.question for one in exchanges_of(Capture({}, [Piece(0, "host", b"a"), Piece(1, "host", b"b")]))] == [
        b"ab"
    ]


def test_what_was_half_asked_is_forgotten_with_its_link(tmp_path: Path) -> None:
    lines = [
        {"capture": 1, "sim": "rotctld", "link": "tcp://127.0.0.1:4533"},
        {"at": 0.0, "from": "opened", "hex": ""},
        {"at": 1.0, "from": "host", "hex": b"P 10".hex()},
        {"at": 2.0, "from": "opened", "hex": ""},
        {"at": 3.0, "from": "host", "hex": b"p\n".hex()},
        {"at": 3.1, "from": "device", "hex": b"0.00\n0.00\n".hex()},
    ]
    file = tmp_path / "c.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert [each.differs for each in replay(file)] == ["", ""]
