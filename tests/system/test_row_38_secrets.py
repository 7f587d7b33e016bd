"""Row 38: secrets are in no log, message, answer, error, metric, file of ours or command line."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from brokers import Mosquitto, listening
from sites import Site, demo_site

from fleetd.settings import Secret

CANARY = "c4n4ry-b7e1f0-s3cr3t+/="
"""Stands for the relay's password and the token of monitoring."""

WRONG = "c4n4ry-guess"
pytestmark = [pytest.mark.peer("mosquitto", "mosquitto_sub", "mosquitto_pub"), pytest.mark.timeout(180)]


def shapes(secret: str) -> list[bytes]:
    """How it might have come through: plain, in base64, in a URL, as JSON or Python writes it."""
    plain = secret.encode()
    inner = base64.b64encode(plain)[2:-4]  # wherever it stood among other bytes, something of it is left
    return [plain, base64.b64encode(plain), inner, quote(secret, safe="").encode(), repr(secret)[1:-1].encode()]


@pytest.fixture
async def site(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Site]:
    async with demo_site(tmp_path / "site", mosquitto, rate=2.0) as built:
        secret = tmp_path / "secret"
        secret.write_text(f"{CANARY}\n")

        def with_secrets(overlay: dict[str, Any]) -> None:
            # The second broker is not there, so that failures are told of as well.
            overlay["relay"] |= {"username": "fleetd", "password": {"file": str(secret)}}
            overlay["relay"]["brokers"] = ["mqtt://127.0.0.1:1", *overlay["relay"]["brokers"]]
            overlay["control"] |= {"http": {"listen": "127.0.0.1:0", "token": {"file": str(secret)}}}

        built.change_overlay(with_secrets)
        yield built


async def test_row_38_a_canary_is_found_nowhere(site: Site, mosquitto: Mosquitto, tmp_path: Path) -> None:
    found: dict[str, bytes] = {}
    async with listening(mosquitto, "fleetd/hangzhou/#") as heard, site.daemon() as daemon:
        await daemon.up()
        await heard.until(lambda heard: len(heard.heard) > 30)
        (line,) = daemon.lines("monitoring is there")
        port = line["listen"].rpartition(":")[2]
        async with aiohttp.ClientSession() as session:
            for name, token in (("right", CANARY), ("wrong", WRONG)):
                headers = {"Authorization": f"Bearer {token}"}
                for path in ("/metrics", "/healthz", "/readyz", "/v1/status"):
                    async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer:
                        found[f"{name} {path}"] = await answer.read()
        for path in ("status", "relay", "audit", "alarms", "robots", "elements", "records"):
            found[path] = repr(await daemon.get(f"/v1/{path}")).encode()
        found["command line"] = Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()
        found["check"] = await check(site)
        assert await daemon.end() == 0
        found["log"] = daemon.log_file.read_bytes()
    found["messages"] = repr([(one.topic, one.body) for one in heard.heard]).encode()
    for file in (site.stage.folder / "store").iterdir():
        found[file.name] = file.read_bytes()
    assert len(found) > 15
    assert b"fleetd_relay_acked_total" in found["right /metrics"]  # the token is right, and what it opens was looked at
    hits = [(place, shape) for place, content in found.items() for shape in shapes(CANARY) if shape in content]
    assert hits == []
    assert not any(WRONG.encode() in content for content in found.values())


async def check(site: Site) -> bytes:
    """What `fleetd --check` says of the file, right and wrong."""
    said = b""
    for change in (lambda _: None, spoil):
        site.change_overlay(change)
        words = [sys.executable, "-m", "fleetd", "--check", "--config", str(site.config), "--hil", str(site.overlay)]
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, check=False)
        said += done.stdout + done.stderr
    return said


def spoil(overlay: dict[str, Any]) -> None:
    """As somebody may who does not know where a password belongs."""
    overlay["relay"]["password"] = CANARY
    overlay["control"]["http"]["token"] = {"text": CANARY}


def test_row_38_a_secret_that_cannot_be_read_names_its_place_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for secret in (
        Secret(file=str(tmp_path / "none")),
        Secret(file=str(tmp_path / "folder")),
        Secret(env="FLEETD_NO_SUCH"),
        Secret(credential="none"),
    ):
        with pytest.raises(Exception, match=r"none|folder|FLEETD_NO_SUCH|CREDENTIALS"):
            secret.read()
    assert CANARY not in repr(Secret(file="x"))
