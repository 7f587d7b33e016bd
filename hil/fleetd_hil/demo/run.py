"""The course of the demo: set the stage, let fleetd work three passes, run errands, leave, and judge from outside."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.live import Live

from fleetd.clock import ScaledClock
from fleetd.errors import FleetError
from fleetd_hil.demo.broker import broker
from fleetd_hil.demo.children import child, end
from fleetd_hil.demo.observer import FINAL_STAGES, Seen, command, observe
from fleetd_hil.demo.scene import ROBOTS_ON_RTU, ROBOTS_ON_TCP, SITE_FILE, Scene, scene
from fleetd_hil.demo.view import Picture, draw, plain

SITE = "hangzhou"
SCENE_BEGINS = datetime(2026, 11, 11, 3, 0, tzinfo=UTC)  # configs/elements/README.md says what happens then
CONTACTS = 3
START_UP_S = 6.0  # real seconds between the stage being set and the scene's first instant
DEADLINE_S = 110.0
LOOK_EVERY_S = 0.25
SAY_EVERY_S = 5.0
ERRAND_EXPIRES_S = 300.0


@dataclass(frozen=True, slots=True)
class Errand:
    """One command that the demo sends: when, in scene seconds after its beginning, to whom, and what."""

    after_s: float
    robot: str
    action: str
    args: Mapping[str, Any] = field(default_factory=dict)
    expires_in_s: float = ERRAND_EXPIRES_S


ERRANDS = (
    Errand(20, "robot-01", "send", {"stop": "library"}),
    Errand(40, "robot-02", "send", {"stop": "dormitory"}),
    Errand(60, "robot-21", "send", {"stop": "library"}),
    Errand(90, "robot-02", "hold"),
    Errand(150, "robot-02", "resume"),
    Errand(200, "robot-07", "send", {"stop": "dormitory"}),
    Errand(700, "robot-23", "send", {"stop": "library"}),
    Errand(720, "tmall-international", "payload", {"on": True}, expires_in_s=3600),
)


def run_demo(*, json_output: bool, rate: float, seed: int, keep: bool) -> int:
    """Run the demo and print its summary; returns 0 if all contacts were worked and nothing was lost, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="fleetd-demo-"))
    console = Console(stderr=json_output)
    try:
        summary, faults = asyncio.run(_demo(folder, rate, seed, console))
    except FleetError as error:
        console.print(f"the demo cannot run: {error}", style="red", highlight=False)
        console.print(f"its logs are in {folder}", highlight=False)
        return 1
    _report(console, summary, faults, folder if keep or faults else None)
    if json_output:
        sys.stdout.write(json.dumps(summary) + "\n")
    if not keep and not faults:
        shutil.rmtree(folder)
    return 1 if faults else 0


async def _demo(folder: Path, rate: float, seed: int, console: Console) -> tuple[dict[str, Any], list[str]]:
    began = time.monotonic()
    clock = ScaledClock(SCENE_BEGINS, datetime.now(UTC) + timedelta(seconds=START_UP_S), rate)
    async with broker(folder) as serving:
        console.print(f"broker: {serving.program} on {serving.url}", highlight=False)
        async with scene(folder, clock, serving, seed) as stage:
            robots = ROBOTS_ON_TCP + ROBOTS_ON_RTU
            console.print(
                f"sims: two satellites, a station under them, {robots} robots and a weather mast; files in {folder}",
                soft_wrap=True,
            )
            seen = Seen()
            async with _observing(stage, seen):
                last = await _play(stage, seen, console)
            totals = _totals(folder / "fleetd.log")
            summary = _summary(seen, last, totals, _heard(stage.air), clock, time.monotonic() - began)
            return summary, [*_faults(summary), *_faults_in_the_wind(seen)]


@contextlib.asynccontextmanager
async def _observing(stage: Scene, seen: Seen) -> AsyncIterator[None]:
    subscribed = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        observer = tasks.create_task(observe(stage.broker, SITE, seen, subscribed), name="observer")
        await subscribed.wait()
        yield
        observer.cancel()


async def _play(stage: Scene, seen: Seen, console: Console) -> Picture:
    """Run fleetd on the stage until its contacts are worked, then have it leave; returns the last picture of it."""
    log = stage.folder / "fleetd.log"
    arguments = ["--config", str(SITE_FILE), "--hil", str(stage.overlay), "--clock", str(stage.clock)]
    async with child("fleetd", [sys.executable, "-m", "fleetd", *arguments], log=log) as daemon:
        picture = Picture(stage.clock.now(), stage.clock.rate, stage.broker.program)
        async with asyncio.TaskGroup() as tasks:
            errands = tasks.create_task(_errands(stage, seen), name="errands")
            await _watch(stage, seen, picture, console, daemon)
            errands.cancel()
        code = await end(daemon)
        if code != 0:
            raise FleetError(f"fleetd ended with code {code}; see {log}")
        await _until(lambda: seen.node_state == "offline", within_s=5.0)
    return picture


async def _watch(
    stage: Scene, seen: Seen, picture: Picture, console: Console, daemon: asyncio.subprocess.Process
) -> None:
    """Show what goes on until all contacts are reported and the errands are decided, or time is up."""
    deadline = time.monotonic() + START_UP_S + DEADLINE_S * 20 / stage.clock.rate
    said = -math.inf
    with (
        Live(draw(picture), console=console, auto_refresh=False)
        if console.is_terminal
        else contextlib.nullcontext() as live
    ):
        while time.monotonic() < deadline:
            if daemon.returncode is not None:
                raise FleetError(f"fleetd ended by itself with code {daemon.returncode}; see {stage.folder}/fleetd.log")
            await _look(stage, seen, picture)
            if live is not None:
                live.update(draw(picture), refresh=True)
            elif time.monotonic() - said >= SAY_EVERY_S:
                said = time.monotonic()
                console.print(plain(picture), highlight=False, soft_wrap=True)
            if len(seen.contacts) >= CONTACTS and len(seen.results_at(*FINAL_STAGES)) >= len(ERRANDS):
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def _look(stage: Scene, seen: Seen, picture: Picture) -> None:
    """Bring the picture up to date; while fleetd does not answer yet it stays as it was."""
    picture.now = stage.clock.now()
    picture.received, picture.lost = seen.received, seen.lost
    stages = [result["stage"] for result in seen.results.values()]
    picture.commands = {stage_: stages.count(stage_) for stage_ in dict.fromkeys(stages)}
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(stage.socket))) as session:
            for part in ("antennas", "contacts", "robots", "relay"):
                async with session.get(f"http://fleetd/v1/{part}") as answer:
                    setattr(picture, part, await answer.json())
    except aiohttp.ClientError:
        return


async def _errands(stage: Scene, seen: Seen) -> None:
    """Send the robots out over MQTT, as any client of the broker could."""
    for number, errand in enumerate(ERRANDS, 1):
        await stage.clock.sleep_until(SCENE_BEGINS + timedelta(seconds=errand.after_s))
        if errand.robot.startswith("robot-"):
            await _until(lambda name=errand.robot: seen.statuses.get(name) == "online", within_s=DEADLINE_S)
        order = {
            "id": f"errand-{number}",
            "action": errand.action,
            "args": errand.args,
            "expires_in_s": errand.expires_in_s,
        }
        await command(stage.broker, SITE, errand.robot, order)


async def _until(holds: Any, *, within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110  # what is waited for happens in other processes
                await asyncio.sleep(0.02)


def _totals(log: Path) -> dict[str, Any]:
    """What fleetd itself says of its relay, in the line that it logs when it leaves."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    rests = [line for line in lines if line["event"] == "relay rests"]
    if not rests:
        raise FleetError(f"fleetd left without a word about its relay; see {log}")
    return rests[-1]


def _heard(air: Path) -> int:
    """How many frames were sent while their satellite was in view, pointed at and tuned to, as the sky knows it."""
    counts: dict[str, dict[str, Any]] = json.loads(air.read_text())
    return sum(count["heard"] for count in counts.values())


def _summary(
    seen: Seen, last: Picture, totals: Mapping[str, Any], heard: int, clock: ScaledClock, wall_s: float
) -> dict[str, Any]:
    """Produced and acknowledged are fleetd's own counts; lost is what the observer has not seen of them, or, for
    frames, of what the sky let through.
    """
    worked = [contact for contact in seen.contacts if contact["outcome"] == "worked"]
    errors = [contact["max_pointing_error_deg"] for contact in worked if contact["max_pointing_error_deg"] is not None]
    squares = [
        contact["rms_pointing_error_deg"] ** 2 for contact in worked if contact["rms_pointing_error_deg"] is not None
    ]
    return {
        "contacts_worked": len(worked),
        "max_pointing_error_deg": round(max(errors), 3) if errors else None,
        "rms_pointing_error_deg": round(math.sqrt(sum(squares) / len(squares)), 3) if squares else None,
        "frames_received": seen.frames,
        "frames_lost": heard - seen.frames,
        "robots_online": sum(robot["state"] == "online" for robot in last.robots),
        "readings_produced": totals["readings_produced"],
        "readings_acked": totals["readings_acked"],
        "readings_lost": max(seen.lost, totals["readings_produced"] - seen.readings),
        "commands_succeeded": len(seen.results_at("succeeded")),
        "commands_failed": len(seen.results_at("failed", "refused", "unknown")),
        "wall_s": round(wall_s, 1),
        "simulated_s": round((clock.now() - SCENE_BEGINS).total_seconds(), 1),
    }


def _faults(summary: dict[str, Any]) -> list[str]:
    """What is wrong with how it went, in words; nothing is the aim."""
    faults = []
    if summary["contacts_worked"] < CONTACTS:
        faults.append(f"{summary['contacts_worked']} of {CONTACTS} contacts were worked")
    if summary["frames_lost"] or not summary["frames_received"]:
        faults.append(f"{summary['frames_lost']} frames were lost, and {summary['frames_received']} received")
    if summary["readings_lost"]:
        faults.append(f"{summary['readings_lost']} readings were lost")
    if summary["commands_failed"] or summary["commands_succeeded"] < len(ERRANDS):
        faults.append(f"{summary['commands_succeeded']} of {len(ERRANDS)} commands succeeded")
    if summary["robots_online"] < ROBOTS_ON_TCP + ROBOTS_ON_RTU:
        faults.append(f"{summary['robots_online']} of {ROBOTS_ON_TCP + ROBOTS_ON_RTU} robots were online at the end")
    return faults


def _faults_in_the_wind(seen: Seen) -> list[str]:
    """What is wrong with how the gust between the passes was met: stowed, released, and the plan gone on with."""
    told = [event["name"] for event in seen.events if event["source"] == "dish"]
    begun = [name for name in told if name in ("antenna-stowed", "antenna-released", "contact-pre-position")]
    wanted = ["contact-pre-position", "antenna-stowed", "antenna-released", "contact-pre-position"]
    if [name for name, _ in itertools.groupby(begun)] == wanted:
        return []
    return [f"the gust was met by {', '.join(begun) or 'nothing'}, not by {', '.join(wanted)}"]


def _report(console: Console, summary: dict[str, Any], faults: list[str], folder: Path | None) -> None:
    console.rule("summary")
    for key, value in summary.items():
        console.print(f"  {key.replace('_', ' '):<26} {value}", highlight=False)
    for fault in faults:
        console.print(f"  not as it should be: {fault}", style="red", highlight=False)
    if folder is not None:
        console.print(f"  everything it wrote is in {folder}", highlight=False)
