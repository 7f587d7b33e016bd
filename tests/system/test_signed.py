"""A technician's signed command, made by fleetctl and published by an MQTT client that knows nothing of us."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, listening, tell
from sites import Daemon, Site, demo_site

from fleetd_hil.demo.scene import SITE_FILE

pytestmark = [pytest.mark.peer("mosquitto", "mosquitto_sub", "mosquitto_pub"), pytest.mark.xdist_group("daemon")]

ACCESS = """
access:
  roles:
    operator: [send, hold, resume]
  people:
    li: {{roles: [operator], keys: {{li: "{li}"}}}}
    wang: {{roles: [operator], keys: {{wang: "{wang}"}}}}
"""


async def fleetctl(*words: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from fleetd.cli.app import main; main()", *words, "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    answer: dict[str, Any] = json.loads(output)
    return answer


async def with_people(site: Site, folder: Path) -> Site:
    keys = {}
    for who in ("li", "wang"):
        keys[who] = (await fleetctl("keys", "new", who, "--file", str(folder / f"{who}.pem")))["public"]
    site.config = folder / "site.yaml"
    site.config.write_text(SITE_FILE.read_text() + ACCESS.format(**keys))
    for beside in SITE_FILE.parent.iterdir():  # what the site file names by relative paths
        if beside.is_dir():
            shutil.copytree(beside, folder / beside.name)
    return site


async def sign(daemon: Daemon, folder: Path, who: str, *words: str) -> dict[str, Any]:
    """By the daemon's time, which the demo's clock makes another than ours."""
    now = (await daemon.get("/v1/status"))["at"]
    key = str(folder / f"{who}.pem")
    return await fleetctl("sign", *words, "--site", "hangzhou", "--key", key, "--at", now, "--expires", "600")


async def test_a_signed_command_is_carried_out_once_and_a_plain_one_never(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with demo_site(tmp_path / "site", mosquitto, rate=1.0) as plain:
        site = await with_people(plain, tmp_path)
        async with site.daemon() as daemon, listening(mosquitto, "fleetd/hangzhou/robot-01/result") as ear:
            await daemon.up()
            await mosquitto.subscribed("fleetd/hangzhou/+/command")
            topic = "fleetd/hangzhou/robot-01/command"
            await tell(mosquitto, topic, b'{"id": "plain", "action": "hold"}')
            await ear.until(lambda heard: any(each.body["id"] == "plain" for each in heard.heard))
            assert ear.heard[-1].body["rule"] == "unsigned"

            signed = await sign(daemon, tmp_path, "li", "robot-01", "hold")
            assert signed["topic"] == topic
            for _ in range(3):
                await tell(mosquitto, topic, signed["payload"].encode())
            await ear.until(lambda heard: any(each.body["stage"] == "succeeded" for each in heard.heard))
            await ear.until(lambda heard: sum(each.body["rule"] == "replayed" for each in heard.heard) == 2)
            stages = [each.body["stage"] for each in ear.heard if each.body["id"] == signed["id"]]
            assert sorted(stages) == ["accepted", "refused", "refused", "started", "succeeded"]

            async with listening(mosquitto, "fleetd/hangzhou/robot-01/reading") as readings:
                await tell(mosquitto, topic, b'{"id": "stop", "action": "stop"}')
                await ear.until(lambda heard: any(each.body["id"] == "stop" for each in heard.heard))
                await readings.until(lambda heard: any(each.body["values"]["stop_latched"] for each in heard.heard))

            entries = await daemon.get("/v1/audit")
            assert [entry["outcome"] for entry in entries if entry["who"] == "key:li"] == ["accepted", "succeeded"]
            verdict = await daemon.get("/v1/audit/verify")
            assert verdict["broken_at"] is None
