"""A decoder in a process of its own: what it says is believed, and nothing that it does stops the frames."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetd.downlink.decoder import Decoded, Packet, load_decoder
from fleetd.downlink.external import ExternalSettings, opened

PROGRAM = """
import base64, json, sys, time
for line in sys.stdin:
    frame = base64.b64decode(json.loads(line)["frame"])
    if frame == b"die": sys.exit(3)
    if frame == b"sleep": time.sleep(60)
    if frame == b"nonsense": print("hello"); sys.stdout.flush(); continue
    if frame == b"wrong": print('{"packets": [{"name": "x", "values": {"a": [1]}}]}'); sys.stdout.flush(); continue
    if frame == b"long": print("x" * 2_000_000); sys.stdout.flush(); continue
    if frame == b"bad": print('{"flaws": [{"rule": "checksum", "reason": "crc"}]}'); sys.stdout.flush(); continue
    packet = {"name": "beacon", "values": {"size": len(frame), "mode": "idle"}, "units": {"size": "B"},
              "onboard_at": "2026-11-11T03:00:00Z", "apid": 16, "sequence_count": 5}
    print(json.dumps({"packets": [packet]})); sys.stdout.flush()
"""
GOOD = Packet(
    name="beacon",
    values={"size": 5, "mode": "idle"},
    units={"size": "B"},
    onboard_at=datetime(2026, 11, 11, 3, tzinfo=UTC),
    apid=16,
    sequence_count=5,
)


def settings(folder: Path, within_s: float = 10.0) -> ExternalSettings:
    program = folder / "decoder.py"
    program.write_text(PROGRAM)
    return ExternalSettings(command=[sys.executable, "-S", str(program)], answer_within_s=within_s)


def rules(decoded: Decoded) -> list[str]:
    return [flaw.rule for flaw in decoded.flaws]


async def test_what_the_program_says(tmp_path: Path) -> None:
    assert load_decoder("external").settings is ExternalSettings
    async with opened(settings(tmp_path)) as decoder:
        assert (await decoder.decode(b"frame")).packets == [GOOD]
        assert rules(await decoder.decode(b"bad")) == ["checksum"]
        assert (await decoder.decode(b"frame")).packets == [GOOD]


@pytest.mark.parametrize("frame", [b"die", b"nonsense", b"wrong", b"long"])
async def test_a_program_that_fails_is_begun_anew(tmp_path: Path, frame: bytes) -> None:
    async with opened(settings(tmp_path)) as decoder:
        decoded = await decoder.decode(frame)
        assert rules(decoded) == ["decoder-failed"]
        assert "\n" not in decoded.flaws[0].reason
        assert (await decoder.decode(b"frame")).packets == [GOOD]


async def test_a_program_that_is_silent_is_ended(tmp_path: Path) -> None:
    async with opened(settings(tmp_path, 0.05)) as decoder:
        decoded = await decoder.decode(b"sleep")
        assert rules(decoded) == ["decoder-failed"]
        assert "no answer within 0.05 s" in decoded.flaws[0].reason
        assert decoder._process is None


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    missing = ExternalSettings(command=[str(tmp_path / "gone")])
    async with opened(missing) as decoder:
        assert rules(await decoder.decode(b"frame")) == ["decoder-failed"]


async def test_it_ends_with_the_daemon(tmp_path: Path) -> None:
    async with opened(settings(tmp_path)) as decoder:
        await decoder.decode(b"frame")
        process = decoder._process
        assert process is not None
    assert process.returncode is not None
