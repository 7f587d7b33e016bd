"""`fleethil explore`: one case after the other until time is up; each new failure is tried again, shrunk and kept."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fleetd.errors import ConfigError
from fleetd_hil.explore.calm import expectations
from fleetd_hil.explore.case import Case, Plain
from fleetd_hil.explore.compose import compose
from fleetd_hil.explore.shrink import Shrinker
from fleetd_hil.explore.trial import Failed, Outcome, Stable, Trial, ending, first_ready
from fleetd_hil.scenario.model import Expectation
from fleetd_hil.scenario.script import read_script

_LOOK_S = 0.5
_TELL_S = 60.0
_TIMES = re.compile(r", from .*")
_NUMBERS = re.compile(r"\d+(\.\d+)?")
_PLACE = re.compile(r" at (\S+:\d+ in \w+)")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    seed: int
    minutes: float | None
    cases: int | None
    only: int | None
    jobs: int
    budget: int
    keep: Path


@dataclass(slots=True)
class Failure:
    """One way to fail, the case that showed it first, and those that did so again."""

    case: Case
    found: Failed
    file: Path | None = None
    repeats: bool = True
    again: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "case": self.case.name,
            "finding": self.found.words,
            "evidence": self.found.evidence,
            "repeats": self.repeats,
            "steps": len(self.case.timeline),
            "again": self.again,
            "scenario": str(self.file) if self.file else None,
        }


def signature(failed: Failed, case: Case) -> str:
    """What makes two failures the same: the words without numbers and names, and where an exception came from."""
    words = _TIMES.sub("", failed.words)
    for device in case.site["devices"]:
        words = re.sub(rf"\b{device['name']}(?![\w-])", device["driver"], words)
    places = ", ".join(dict.fromkeys(_PLACE.findall(failed.evidence)))
    return _NUMBERS.sub("", words) + (f" at {places}" if places else "")


class Search:
    """One run."""

    def __init__(self, wanted: Wanted, say: Say, stable: Stable | None = None) -> None:
        self.wanted = wanted
        self.failures: dict[str, Failure] = {}
        self.played = 0
        self.simulated_s = 0.0
        self._say = say
        self._stable = stable or Stable()
        self._began_s = self._told_s = time.monotonic()

    def run(self) -> None:
        """Until time, cases or patience are spent."""
        running: list[Trial] = []
        with ending(running):
            for case in self._cases():
                while len(running) >= self.wanted.jobs:
                    self._collect(running)
                if self._over:
                    break
                running.append(self._stable.begin(case))
            while running:
                self._collect(running)

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self._began_s

    @property
    def _over(self) -> bool:
        return self.wanted.minutes is not None and self.wall_s >= self.wanted.minutes * 60

    def _cases(self) -> Iterator[Case]:
        if self.wanted.only is not None:
            yield compose(self.wanted.seed, self.wanted.only)
            return
        for number in count(1) if self.wanted.cases is None else range(1, self.wanted.cases + 1):
            yield compose(self.wanted.seed, number)

    def _collect(self, running: list[Trial]) -> None:
        for trial in list(first_ready(running, _LOOK_S)):
            running.remove(trial)
            self._note(trial.case, trial.outcome())
        self._tell(running)

    def _note(self, case: Case, outcome: Outcome) -> None:
        self.played += 1
        self.simulated_s += case.lasts_s
        fresh = [each for each in outcome.failed if signature(each, case) not in self.failures]
        for each in outcome.failed:
            if each not in fresh:
                self.failures[signature(each, case)].again.append(case.name)
        if fresh:
            self._found(case, fresh)

    def _found(self, case: Case, failed: Sequence[Failed]) -> None:
        """What one case shows at once has mostly one cause: the first is followed up, the others are noted with it."""
        first = failed[0]
        self._say(f"{case.name}: not: {first.words}; {first.evidence}")
        failure = Failure(case, first)
        for each in failed:
            self.failures[signature(each, case)] = failure
        if self.wanted.budget:
            self._follow_up(failure)
        failure.file = self._kept(failure)
        self._say(f"  {len(failure.case.timeline)} steps of {len(case.timeline)} are left: fleethil run {failure.file}")

    def _follow_up(self, failure: Failure) -> None:
        wanted = signature(failure.found, failure.case)

        def fails(case: Case) -> bool:
            if not loads(case):
                return False
            again = [each for each in self._stable.play(case).failed if signature(each, case) == wanted]
            if again:
                failure.found = again[0]
            self._tell(())
            return bool(again)

        if not fails(failure.case):
            failure.repeats = False
            self._say("  it did not fail again when it was played again")
            return
        at_end = bool(promised(failure.case, failure.found))
        failure.case = Shrinker(fails, self.wanted.budget, at_end=at_end).shrink(failure.case)

    def _kept(self, failure: Failure) -> Path:
        case, folder = pruned(failure.case), self.wanted.keep / failure.case.name
        shutil.rmtree(folder, ignore_errors=True)
        case.purpose = f"Found by a random search, which saw that this did not hold: {failure.found.words}."
        return case.write(folder, needed(case, failure.found))

    def _tell(self, running: Sequence[Trial]) -> None:
        """A line that is written anew on a terminal, and a line a minute elsewhere."""
        now_s, terminal = time.monotonic(), sys.stderr.isatty()
        if now_s - self._told_s < (_LOOK_S if terminal else _TELL_S):
            return
        self._told_s = now_s
        names = ", ".join(trial.case.name for trial in running) or "shrinking"
        text = f"{self.wall_s / 60:.1f} min: {self.line}; {names}"
        sys.stderr.write(f"\r\x1b[K{text}" if terminal else f"{text}\n")
        sys.stderr.flush()

    @property
    def distinct(self) -> list[Failure]:
        """Each failure once, in the order in which they came."""
        return list({id(failure): failure for failure in self.failures.values()}.values())

    @property
    def line(self) -> str:
        """For people who wait."""
        rate = self.played / max(self.wall_s / 60, 1e-6)
        return f"{self.played} cases, {len(self.distinct)} ways to fail, {rate:.1f} cases a minute"


def loads(case: Case) -> bool:
    """Whether it is a scenario at all: leaving something out may leave nothing to play."""
    with TemporaryDirectory(prefix="fleethil-") as folder:
        try:
            read_script(case.write(Path(folder), expectations(case)))
        except ConfigError:
            return False
    return True


def pruned(case: Case) -> Case:
    """Without files that neither the site nor the story names."""
    named = f"{case.site} {case.timeline}"
    fewer = case.copy()
    fewer.elements = {name: content for name, content in fewer.elements.items() if repr(name) in named}
    return fewer


def promised(case: Case, found: Failed) -> list[Plain]:
    """What of all that must hold at the end is what failed; nothing where it was a promise of every scenario."""
    words = _TIMES.sub("", found.words)
    return [each for each in expectations(case) if _TIMES.sub("", Expectation.model_validate(each).words) == words]


def needed(case: Case, found: Failed) -> list[Plain]:
    """What a scenario must expect that shows the failure; a promise of every scenario it need not repeat."""
    return promised(case, found) or [{"node": {"state": "online"}, "within": "60 s"}]


def explore(wanted: Wanted, *, as_json: bool, say: Say) -> int:
    """Search, tell, and return the exit code: 1 if anything failed.

    Raises ConfigError, before anything is played, where a failure's scenario could not be written.
    """
    _try_to_keep(wanted.keep)
    search = Search(wanted, (lambda _text: None) if as_json else say)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way no process is left
    try:
        with contextlib.suppress(KeyboardInterrupt):
            search.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    if as_json:
        say(json.dumps(_summary(search)))
    else:
        say(f"seed {wanted.seed}: {search.line}; {search.simulated_s / 3600:.1f} h of sites in {search.wall_s:.0f} s")
    return 1 if search.failures else 0


def _try_to_keep(folder: Path) -> None:
    """Fail now rather than after the hour in which something was found; leaves nothing."""
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder):
            pass
        if not there:
            folder.rmdir()
    except OSError as error:
        raise ConfigError(f"--keep {folder}: {error.strerror or error}; name a folder that can be written") from None


def _summary(search: Search) -> dict[str, Any]:
    return {
        "seed": search.wanted.seed,
        "cases": search.played,
        "failures": [failure.as_json() for failure in search.distinct],
        "simulated_s": round(search.simulated_s, 1),
        "wall_s": round(search.wall_s, 1),
    }
