"""sd_notify: the words on the socket, both kinds of address, and silence where nobody listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetd.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@fleetd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name.startswith("@") else name)
        sock.settimeout(5)
        yield name, sock


def test_the_words_of_a_life(listener: tuple[str, socket.socket]) -> None:
    name, sock = listener
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("2 satellites, 25 devices")
    notifier.alive()
    notifier.reloading()
    notifier.stopping()
    heard = [sock.recv(4096).decode() for _ in range(4)]
    assert heard[0] == "READY=1\nSTATUS=2 satellites, 25 devices"
    assert heard[1] == "WATCHDOG=1"
    assert heard[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[3] == "STOPPING=1"


def test_without_a_socket_or_with_a_dead_one_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready("alone")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("unheard")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_counts_only_if_it_is_meant_for_us(environ: dict[str, str], expected: float | None) -> None:
    assert Notifier(environ).watchdog_s == expected
