"""Which pass is worked on which antenna: pure functions of passes, antennas and what is fixed already.

The contract of `make_plan` is the best total of weighted contact time. It keeps it exactly for one antenna; several
antennas are filled in turn, each as well as possible with what the ones before it left over, which can fall short.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fleetd.clock import iso_ms
from fleetd.contact.booking import Candidate, Contact


@dataclass(frozen=True, slots=True)
class Plan:
    """What is booked, in order of time, and for each candidate in words why it is or is not."""

    contacts: tuple[Contact, ...]
    reasons: Mapping[str, str]


def make_plan(
    candidates: Sequence[Candidate], antennas: Sequence[str], fixed: Sequence[Contact], spacing_s: float
) -> Plan:
    """Book what is worth most around the `fixed` contacts, which stay as they are.

    A candidate of priority 0 is booked by hand only. Between two contacts on one antenna lie at least `spacing_s`.
    """
    booked = list(fixed)
    taken = {contact.id for contact in fixed}
    for antenna in antennas:
        kept = [contact.candidate for contact in fixed if contact.antenna == antenna]
        free = [
            candidate
            for candidate in candidates
            if candidate.id not in taken
            and candidate.weight > 0
            and not any(candidate.clashes(other, spacing_s) for other in kept)
        ]
        for candidate in best_selection(free, spacing_s):
            booked.append(Contact(candidate, antenna))
            taken.add(candidate.id)
    booked.sort(key=lambda contact: contact.candidate.begin)
    reasons = {candidate.id: _reason(candidate, booked, antennas, spacing_s) for candidate in candidates}
    return Plan(tuple(booked), reasons)


def best_selection(candidates: Sequence[Candidate], spacing_s: float) -> list[Candidate]:
    """The candidates of the greatest total weight of which no two clash (weighted interval scheduling, exact)."""
    by_end = sorted(candidates, key=lambda candidate: candidate.end)
    ends = [candidate.end + timedelta(seconds=spacing_s) for candidate in by_end]
    before = [bisect_right(ends, candidate.begin) for candidate in by_end]
    best = [0.0]  # best[n]: the greatest weight among the first n
    for index, candidate in enumerate(by_end):
        best.append(max(best[index], best[before[index]] + candidate.weight))
    chosen = []
    left = len(by_end)
    while left > 0:
        if best[left] > best[left - 1]:
            chosen.append(by_end[left - 1])
            left = before[left - 1]
        else:
            left -= 1
    return chosen[::-1]


def _reason(candidate: Candidate, booked: Sequence[Contact], antennas: Sequence[str], spacing_s: float) -> str:
    for contact in booked:
        if contact.id == candidate.id:
            return f"booked on {contact.antenna}, {_worth(contact)}"
    if not antennas:
        return "there is no antenna"
    if candidate.weight <= 0:
        return f"{candidate.satellite} has priority 0: its passes are booked by hand only"
    rivals = [contact for contact in booked if contact.candidate.clashes(candidate, spacing_s)]
    busy = "; ".join(
        f"{contact.antenna} works {contact.id}, {_worth(contact)}, until {iso_ms(contact.candidate.end)}"
        for contact in rivals
    )
    return f"worth {candidate.weight:.0f} (priority times seconds), but {busy}"


def _worth(contact: Contact) -> str:
    return "by hand" if contact.by_hand else f"worth {contact.candidate.weight:.0f}"
