"""Plays cases, each in a process of its own with a deadline: one that hangs or dies is a finding, not the end of it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from fleetd_hil.explore.calm import expectations
from fleetd_hil.explore.case import Case, Plain
from fleetd_hil.scratch import scratch_folder

DEADLINE_S = 240.0
"""Real seconds that one case may take."""
_WARM = ["fleetd_hil.scenario.run", "fleetd.daemon.house", "fleetd_hil.explore.calm"]
ENDED, DIED = "it comes to its end", "the process lives"


@dataclass(frozen=True, slots=True)
class Failed:
    """An expectation or invariant that did not hold."""

    words: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case."""

    failed: tuple[Failed, ...] = ()
    wall_s: float = 0.0
    messages: int = 0

    @property
    def passed(self) -> bool:
        return not self.failed


@dataclass(slots=True)
class Trial:
    """One case being played."""

    case: Case
    process: ForkServerProcess
    results: multiprocessing.connection.Connection
    folder: Path
    began_s: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Real seconds until it has hung for too long."""
        return self.began_s + DEADLINE_S - time.monotonic()

    def outcome(self) -> Outcome:
        """Once `results` is ready or its time is over; its process is gone afterwards."""
        try:
            return self._outcome()
        finally:
            self.end()

    def end(self) -> None:
        """Whether it has ended or not, nothing of it is left."""
        self.process.kill()
        self.process.join()
        self.results.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _outcome(self) -> Outcome:
        took_s = time.monotonic() - self.began_s
        if not self.results.poll():
            return Outcome((Failed(ENDED, f"it was still at it after {DEADLINE_S:g} s of real time"),), took_s)
        try:
            failed, messages = self.results.recv()
        except EOFError:
            self.process.join(5)
            return Outcome((Failed(DIED, f"it ended with code {self.process.exitcode}"),), took_s)
        return Outcome(tuple(Failed(*each) for each in failed), took_s, messages)


class Stable:
    """Begins trials, each in a fork of a process that has read all modules already; it reads `modules` beside them."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = modules
        self._fresh = multiprocessing.get_context("forkserver")
        self._fresh.set_forkserver_preload(_WARM)

    def begin(self, case: Case, expect: list[Plain] | None = None) -> Trial:
        """Play a case; with the given expectations, or with all that a case is held to."""
        folder = scratch_folder(virtual=True)
        file = case.write(folder / case.name, expectations(case) if expect is None else expect)
        ours, theirs = self._fresh.Pipe(duplex=False)
        process = self._fresh.Process(target=_play, args=(file, theirs, self._modules), name=case.name, daemon=True)
        process.start()
        theirs.close()
        return Trial(case, process, ours, folder)

    def play(self, case: Case, expect: list[Plain] | None = None) -> Outcome:
        """The same, and wait for it."""
        trial = self.begin(case, expect)
        with ending([trial]):
            trial.results.poll(DEADLINE_S)
            return trial.outcome()


def first_ready(trials: Sequence[Trial], within_s: float) -> Iterator[Trial]:
    """Those that have come to an end within so many real seconds, or have run out of time."""
    if not trials:
        return
    soonest_s = min(within_s, *(max(0.0, trial.left_s) for trial in trials))
    ready = multiprocessing.connection.wait([trial.results for trial in trials], soonest_s)
    yield from (trial for trial in trials if trial.results in ready or trial.left_s <= 0)


def _play(file: Path, results: multiprocessing.connection.Connection, modules: Sequence[str]) -> None:
    from fleetd_hil.scenario.complaints import listen
    from fleetd_hil.scenario.run import play
    from fleetd_hil.scenario.script import read_script

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began it ends it
    for module in modules:
        import_module(module)
    listen()
    verdict = play(read_script(file), within=file.parent.parent)  # beside the case, which is copied
    failed = [(finding.words, finding.evidence) for finding in verdict.findings if not finding.held]
    results.send((failed, len(verdict.heard)))


@contextmanager
def ending(trials: list[Trial]) -> Iterator[None]:
    """Whatever happens, no process is left."""
    try:
        yield
    finally:
        for trial in trials:
            trial.end()
