"""Bell 202 audio of AX.25 frames, 1200 bits a second: a transmitter for tests, and nothing that fleetd itself needs.

Flags and bit stuffing from AX.25 2.2, sections 3.1 and 3.7; the checksum is CRC-16/X-25 ("123456789" gives 906E).
"""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 44_100
_BAUD, _MARK_HZ, _SPACE_HZ = 1200, 1200, 2200
_FLAG = (0, 1, 1, 1, 1, 1, 1, 0)
_PREAMBLE_FLAGS, _TAIL_FLAGS = 40, 4


def fcs(data: bytes) -> int:
    """CRC-16/X-25 of a frame."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def samples(frames: Sequence[bytes], *, pause_s: float = 0.2) -> NDArray[np.int16]:
    """Frames as audio, each in a transmission of its own with silence behind it."""
    silence = np.zeros(int(RATE * pause_s), dtype=np.int16)
    return np.concatenate([part for frame in frames for part in (_tones(list(_line_bits(frame))), silence)])


def write_wave(path: Path, frames: Sequence[bytes]) -> None:
    """Frames as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples(frames).tobytes())


def _line_bits(frame: bytes) -> Iterator[int]:
    """What is on the line: a zero changes the tone, a one keeps it."""
    level = 1
    for bit in _bits(frame):
        level ^= bit == 0
        yield level


def _bits(frame: bytes) -> Iterator[int]:
    yield from _FLAG * _PREAMBLE_FLAGS
    yield from _stuffed(byte >> i & 1 for byte in frame + fcs(frame).to_bytes(2, "little") for i in range(8))
    yield from _FLAG * _TAIL_FLAGS


def _stuffed(bits: Iterable[int]) -> Iterator[int]:
    ones = 0
    for bit in bits:
        yield bit
        ones = ones + 1 if bit else 0
        if ones == 5:
            yield 0
            ones = 0


def _tones(levels: Sequence[int]) -> NDArray[np.int16]:
    """Continuous phase, so that no click sounds where the tone changes."""
    count = int(len(levels) * RATE / _BAUD)
    at = np.minimum((np.arange(count) * _BAUD / RATE).astype(int), len(levels) - 1)
    hertz = np.where(np.array(levels)[at] == 1, _MARK_HZ, _SPACE_HZ)
    phase = np.cumsum(2 * np.pi * hertz / RATE)
    return (12_000 * np.sin(phase)).astype(np.int16)
