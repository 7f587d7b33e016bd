"""`fleethil run`: scenarios one after the other, each on a stage of its own, with progress, verdict and evidence."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from fleetd.errors import ConfigError, FleetError
from fleetd_hil.scenario.complaints import QUIET_LOG, complaints, forget, innermost, listen, where_from
from fleetd_hil.scenario.junit import junit_xml
from fleetd_hil.scenario.play import Finding, Player, Told, Verdict
from fleetd_hil.scenario.report import report_html
from fleetd_hil.scenario.script import Script, read_script
from fleetd_hil.scenario.stage import Stage
from fleetd_hil.scenario.stages import open_stage
from fleetd_hil.scratch import scratch_folder
from fleetd_hil.sim import SimDied
from fleetd_hil.virtual.loop import Overdue, VirtualLoop

_PROGRESS_S = 0.5
_ENDS = "the scenario comes to its end"
DEADLINE_S = 600.0
"""Real seconds that one scenario may take."""


def run_scenarios(
    files: Sequence[Path],
    *,
    junit: Path | None,
    reports: Path | None,
    rate: float | None,
    jobs: int,
    say: Callable[[str], None],
) -> int:
    """Play them all; with a `rate` on real processes, else in virtual time, `jobs` at once. 0 if all passed, else 1.

    Raises ConfigError, before anything is played, for a file that is wrong.
    """
    scripts = _read(files)
    verdicts = []
    for verdict in _verdicts(scripts, rate, jobs):
        verdicts.append(verdict)
        say(verdict.line)
        for finding in verdict.findings:
            if not finding.held:
                say(f"  not: {finding.words}; {finding.evidence}")
        if reports is not None:
            reports.mkdir(parents=True, exist_ok=True)
            (reports / f"{verdict.name}.html").write_text(report_html(verdict), encoding="utf-8")
            (reports / f"{verdict.name}.log").write_text("\n".join(verdict.log) + "\n", encoding="utf-8")
    if junit is not None:
        junit.write_text(junit_xml(verdicts), encoding="utf-8")
    failed = [verdict.name for verdict in verdicts if not verdict.passed]
    say(f"{len(verdicts) - len(failed)} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _verdicts(scripts: Sequence[Script], rate: float | None, jobs: int) -> Iterator[Verdict]:
    """In order of the scripts, each as soon as it and all before it are there."""
    if jobs == 1 or len(scripts) == 1 or rate is not None:
        listen()
        for script in scripts:
            with _progress(script) as told:
                yield play(script, rate, told)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(scripts)), fresh, listen) as pool:
        yield from pool.map(_play_file, [script.file for script in scripts])


def _play_file(file: Path) -> Verdict:
    return play(read_script(file))


def play(
    script: Script,
    rate: float | None = None,
    told: Told = lambda _at, _what: None,
    within: Path | None = None,
) -> Verdict:
    """One scenario, to its verdict; what goes wrong with the daemon or the world itself is a finding, too.

    What is written meanwhile goes into a folder of its own, `within` another if one is given.
    """
    began_s = time.monotonic()
    forget()
    folder = scratch_folder(virtual=rate is None, within=within)
    try:
        verdict = _played(script, folder, rate, told)
    except Exception as error:  # noqa: BLE001  # a bug in the daemon is what a scenario is there to find
        verdict = Verdict(script.scenario, [_broken_off(error)])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if rate is None and (said := complaints()) is not None:
        verdict.findings.append(Finding(QUIET_LOG, held=not said, evidence="; ".join(said)))
    verdict.wall_s = time.monotonic() - began_s
    verdict.log = [line.replace(str(folder), "") for line in verdict.log]  # the same wherever it was played
    return verdict


def _broken_off(error: Exception) -> Finding:
    """Why it did not come to its end."""
    match innermost(error):
        case SimDied() as death:
            return Finding("every sim lives to the end", held=False, evidence=str(death))
        case TimeoutError():
            return Finding(_ENDS, held=False, evidence=f"it was given up after {DEADLINE_S:g} s of real time")
        case FleetError() | Overdue() as known:
            return Finding(_ENDS, held=False, evidence=str(known))
    return Finding("the daemon has no bug", held=False, evidence=where_from(error))


def _played(script: Script, folder: Path, rate: float | None, told: Told) -> Verdict:
    async def whole() -> Verdict:
        async with _stage(script, folder, rate) as stage:
            return await Player(script, stage, told).play()

    if rate is not None:
        return asyncio.run(asyncio.wait_for(whole(), DEADLINE_S))
    if script.scenario.real:
        raise ConfigError(f"{script.file}: has real devices, which cannot be hurried: use --processes")
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(DEADLINE_S)) as runner:
        return runner.run(whole())


@contextlib.asynccontextmanager
async def _stage(script: Script, folder: Path, rate: float | None) -> AsyncIterator[Stage]:
    # Played on a copy, so that what the scenario writes is gone with it.
    shutil.copytree(script.file.parent, folder / "rig")
    site_file = folder / "rig" / script.scenario.site
    async with open_stage(folder, site_file, script.scenario.start, script.scenario.seed, rate) as stage:
        yield stage


def _read(files: Sequence[Path]) -> list[Script]:
    scripts: list[Script] = []
    faults: list[str] = []
    for file in files:
        try:
            scripts.append(read_script(file))
        except ConfigError as error:
            faults += error.problems
    if faults:
        raise ConfigError(faults)
    return scripts


@contextlib.contextmanager
def _progress(script: Script) -> Iterator[Told]:
    """A line that is written anew on a terminal; silence elsewhere."""
    shown_s = time.monotonic()

    def told(after_s: float, _what: str) -> None:
        nonlocal shown_s
        if time.monotonic() - shown_s > _PROGRESS_S:
            shown_s = time.monotonic()
            share = after_s / script.scenario.lasts
            sys.stderr.write(f"\r{script.scenario.scenario}: {share:4.0%} of {script.scenario.lasts:g} s ")
            sys.stderr.flush()

    if not sys.stderr.isatty():
        yield lambda _at, _what: None
        return
    yield told
    sys.stderr.write("\r\x1b[K")
