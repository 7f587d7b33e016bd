"""A contact: one pass booked on one antenna, with the elements that it was computed from. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from fleetd.contact.axis import Axes
from fleetd.devices import AzEl
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import Pass


def pass_id(satellite: str, begin: datetime) -> str:
    """A name for a pass that is safe in topics and file names, as candy-tin-20261111T120304Z."""
    return f"{satellite}-{begin.astimezone(UTC):%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one antenna can make of a pass: for how long it can look at the satellite, and from where to where."""

    seen_s: float
    turn_in: AzEl
    turn_out: AzEl
    axes: Axes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pass that could be worked, and what working it is worth."""

    id: str
    satellite: str
    sat_pass: Pass
    begin: datetime
    """AOS, or when the search began if the satellite was up already."""
    end: datetime
    """LOS, or when the search ended if the satellite was still up."""
    priority: int
    elements: ElementSet = field(repr=False)
    ghost: str = ""
    """Why the satellite cannot be up any more, whatever its elements give; '' if it can."""
    prospects: Mapping[str, Prospect] = field(default_factory=dict, repr=False, compare=False)
    """By antenna. For one that is not there the whole pass counts."""

    @property
    def duration_s(self) -> float:
        return (self.end - self.begin).total_seconds()

    @property
    def weight(self) -> float:
        """Seconds of contact, times the satellite's priority."""
        return self.priority * self.duration_s

    def seen_s(self, antenna: str) -> float:
        """For how many seconds an antenna can look at it."""
        prospect = self.prospects.get(antenna)
        return self.duration_s if prospect is None else min(prospect.seen_s, self.duration_s)

    def weight_on(self, antenna: str) -> float:
        """The same for what one antenna can see of it."""
        return self.priority * self.seen_s(antenna)

    def same_pass(self, other: Candidate) -> bool:
        """Whether both are the same pass, though newer elements or a stepped clock have moved it a little."""
        return self.satellite == other.satellite and self.begin < other.end and other.begin < self.end


@dataclass(frozen=True, slots=True)
class Contact:
    """A pass booked on an antenna, by the plan or by hand. Its elements stay what they were when it began."""

    candidate: Candidate
    antenna: str
    by_hand: bool = False

    @property
    def id(self) -> str:
        return self.candidate.id


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    """A contact as programs see it. `state` is booked, running, or how it ended."""

    id: str
    satellite: str
    norad_id: int
    antenna: str
    aos: datetime
    los: datetime
    max_elevation_deg: float
    state: str
    by_hand: bool = False
    reason: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a pass is booked as it is, or is not."""

    id: str
    satellite: str
    aos: datetime
    los: datetime
    max_elevation_deg: float
    booked: bool
    antenna: str | None
    reason: str
    elements: str
    """The elements that the pass is computed from: epoch, hash, source and age at AOS."""


def view(contact: Contact, state: str, reason: str = "") -> ContactView:
    """A contact for programs."""
    candidate = contact.candidate
    return ContactView(
        id=candidate.id,
        satellite=candidate.satellite,
        norad_id=candidate.sat_pass.norad_id,
        antenna=contact.antenna,
        aos=candidate.begin,
        los=candidate.end,
        max_elevation_deg=candidate.sat_pass.max_elevation_deg,
        state=state,
        by_hand=contact.by_hand,
        reason=reason,
    )
