"""Which pass is worked on which antenna: the set of bookings with the greatest total of weighted contact time.

Weighted is priority times the seconds for which the antenna can look at the satellite. Pure functions of passes,
antennas and what is fixed already. What stands alone is decided at once; what competes goes to a solver (`packing`),
which takes a while: call `Question.answer` in a thread then.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fleetd.clock import iso_ms
from fleetd.contact.booking import Candidate, Contact
from fleetd.contact.interlock import Work
from fleetd.contact.packing import best_choice
from fleetd.contact.prospect import turn_s

_LONG_S = 7_200.0  # no antenna takes so long to set up and to turn
# Between equals a booking stays where it is, and else goes to the antenna that is named first: shares of its weight.
_KEEP, _FIRST = 1e-6, 1e-7


@dataclass(frozen=True, slots=True)
class Plan:
    """What is booked, in order of time, and for each candidate in words why it is or is not."""

    contacts: tuple[Contact, ...]
    reasons: Mapping[str, str]
    proved: bool = True
    """Whether nothing better is possible; a solver that ran out of time leaves its best so far."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One antenna as the plan sees it."""

    name: str
    spacing_s: float = 0.0
    """Least time between two contacts."""
    setup_s: float = 0.0
    """Time to set up for a contact, beside that for turning there."""
    works: tuple[Work, ...] = ()

    def needs_s(self, first: Candidate, then: Candidate) -> float:
        """Least time between the end of one contact and the beginning of another."""
        one, other = first.prospects.get(self.name), then.prospects.get(self.name)
        turning_s = turn_s(other.axes, one.turn_out, other.turn_in) if one and other else 0.0
        return max(self.spacing_s, self.setup_s + turning_s)

    def clash(self, one: Candidate, other: Candidate) -> bool:
        """Whether it cannot work both."""
        first, then = (one, other) if one.begin <= other.begin else (other, one)
        gap_s = (then.begin - first.end).total_seconds()
        return gap_s < self.spacing_s or (gap_s < _LONG_S and gap_s < self.needs_s(first, then))

    def closed(self, candidate: Candidate) -> Work | None:
        """The work on it during a pass, if there is any."""
        return next((work for work in self.works if work.meets(candidate.begin, candidate.end)), None)


@dataclass(frozen=True, slots=True)
class Question:
    """What there is to plan. `present` says on which antenna each id is booked by now."""

    candidates: Sequence[Candidate]
    stages: Sequence[Stage]
    fixed: Sequence[Contact]
    min_duration_s: float = 0.0
    present: Mapping[str, str] = field(default_factory=dict)

    @property
    def simple(self) -> bool:
        """Whether no two candidates compete, so that the answer costs nothing."""
        return next(_competing(_in_order(self._open())), None) is None

    def answer(self) -> Plan:
        """The best plan around the `fixed` contacts, which stay as they are."""
        booked, proved = list(self.fixed), True
        rivals: list[_Option] = []
        for group in _groups(self._open()):
            if len(group) == 1:
                best = max(group[0], key=self._worth)
                booked.append(Contact(best.candidate, best.stage.name))
            else:
                rivals += itertools.chain.from_iterable(group)
        if rivals:
            choice = best_choice([self._worth(option) for option in rivals], list(_exclusive(rivals)))
            booked += (Contact(rivals[index].candidate, rivals[index].stage.name) for index in choice.chosen)
            proved = choice.proved
        booked.sort(key=lambda contact: (contact.candidate.begin, contact.antenna))
        reasons = {candidate.id: self._reason(candidate, booked) for candidate in self.candidates}
        return Plan(tuple(booked), reasons, proved)

    def _open(self) -> list[list[_Option]]:
        """Of each candidate that may be booked, the antennas that could take it."""
        taken = {contact.id for contact in self.fixed}
        found = []
        for candidate in self.candidates:
            if candidate.id not in taken and candidate.weight > 0:
                options = [_Option(candidate, stage) for stage in self.stages if not self._against(candidate, stage)]
                found += [options] if options else []
        return found

    def _against(self, candidate: Candidate, stage: Stage) -> str:
        """What keeps a candidate from an antenna, whatever else is booked; '' if nothing does."""
        if (work := stage.closed(candidate)) is not None:
            until = f"until {iso_ms(work.end)}" if work.end else "until it is unlocked"
            return f"{stage.name} is under maintenance by {work.who} {until}: {work.why}"
        seen_s = candidate.seen_s(stage.name)
        if seen_s <= 0 or seen_s < self.min_duration_s:
            return f"{stage.name} can look at it for {seen_s:.0f} s of {candidate.duration_s:.0f}"
        for contact in self.fixed:
            if contact.antenna == stage.name and stage.clash(candidate, contact.candidate):
                return _rival(candidate, contact, stage)
        return ""

    def _worth(self, option: _Option) -> float:
        keep = _KEEP if self.present.get(option.candidate.id) == option.stage.name else 0.0
        first = _FIRST * (len(self.stages) - self.stages.index(option.stage)) / len(self.stages)
        return option.candidate.weight_on(option.stage.name) * (1 + keep + first)

    # In words

    def _reason(self, candidate: Candidate, booked: Sequence[Contact]) -> str:
        for contact in booked:
            if contact.id == candidate.id:
                return f"booked on {contact.antenna}, {_worth_in_words(contact)}"
        if not self.stages:
            return "there is no antenna"
        if candidate.weight <= 0:
            return f"{candidate.satellite} has priority 0: its passes are booked by hand only"
        against = "; ".join(self._why_not(candidate, stage, booked) for stage in self.stages)
        most = max(candidate.weight_on(stage.name) for stage in self.stages)
        return f"worth {most:.0f} (priority times seconds), but {against}"

    def _why_not(self, candidate: Candidate, stage: Stage, booked: Sequence[Contact]) -> str:
        if against := self._against(candidate, stage):
            return against
        rivals = [each for each in booked if each.antenna == stage.name and stage.clash(candidate, each.candidate)]
        return "; ".join(_rival(candidate, each, stage) for each in rivals) or f"{stage.name} was not free in time"


@dataclass(frozen=True, slots=True)
class _Option:
    """One candidate on one antenna."""

    candidate: Candidate
    stage: Stage


def _groups(options: Sequence[list[_Option]]) -> list[list[list[_Option]]]:
    """Candidates, each a list of its options, sorted into groups that do not compete with one another."""
    ordered = _in_order(options)
    group = list(range(len(ordered)))
    for one, other in _competing(ordered):
        if group[one] != group[other]:
            gone, kept = group[other], group[one]
            group = [kept if each == gone else each for each in group]
    found: dict[int, list[list[_Option]]] = {}
    for number, mine in zip(group, ordered, strict=True):
        found.setdefault(number, []).append(mine)
    return list(found.values())


def _in_order(options: Sequence[list[_Option]]) -> list[list[_Option]]:
    return sorted(options, key=lambda mine: mine[0].candidate.begin)


def _competing(ordered: Sequence[list[_Option]]) -> Iterator[tuple[int, int]]:
    """The pairs that compete, by their places; those that lie hours apart are not looked at."""
    for index, mine in enumerate(ordered):
        end = mine[0].candidate.end + timedelta(seconds=_LONG_S)
        for other in range(index + 1, len(ordered)):
            if ordered[other][0].candidate.begin > end:
                break
            if _compete(mine, ordered[other]):
                yield index, other


def _compete(one: Sequence[_Option], other: Sequence[_Option]) -> bool:
    return any(
        mine.stage is theirs.stage and mine.stage.clash(mine.candidate, theirs.candidate)
        for mine in one
        for theirs in other
    )


def _exclusive(options: Sequence[_Option]) -> Iterator[list[int]]:
    """Groups of options of which one at most can be: those of one candidate, and those that clash on one antenna.

    What overlaps at one instant is one group, which helps the solver more than its pairs would; pairs that no group
    holds come last.
    """
    by_candidate: dict[str, list[int]] = {}
    by_stage: dict[str, list[int]] = {}
    for index, option in enumerate(options):
        by_candidate.setdefault(option.candidate.id, []).append(index)
        by_stage.setdefault(option.stage.name, []).append(index)
    yield from (group for group in by_candidate.values() if len(group) > 1)
    for indexes in by_stage.values():
        held: set[tuple[int, int]] = set()
        for index in indexes:
            here = options[index].candidate
            group = [other for other in indexes if _goes_on(options[other].candidate, here.begin)]
            if len(group) > 1:
                held.update(itertools.combinations(group, 2))
                yield group
        for one, other in itertools.combinations(indexes, 2):
            if (one, other) not in held and options[one].stage.clash(options[one].candidate, options[other].candidate):
                yield [one, other]


def _goes_on(candidate: Candidate, when: datetime) -> bool:
    return candidate.begin <= when < candidate.end


def _rival(candidate: Candidate, contact: Contact, stage: Stage) -> str:
    other = contact.candidate
    text = f"{contact.antenna} works {contact.id}, {_worth_in_words(contact)}, until {iso_ms(other.end)}"
    first, then = (candidate, other) if candidate.begin <= other.begin else (other, candidate)
    gap_s = (then.begin - first.end).total_seconds()
    if gap_s < 0:
        return text
    return f"{text}, and {gap_s:.0f} s between them are less than the {stage.needs_s(first, then):.0f} s to turn over"


def _worth_in_words(contact: Contact) -> str:
    return "by hand" if contact.by_hand else f"worth {contact.candidate.weight_on(contact.antenna):.0f}"
