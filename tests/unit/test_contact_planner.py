"""Bookings: the best set for one antenna against brute force, what people decide, and words for why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.contact.booking import Candidate, Contact, pass_id
from fleetd.contact.diary import Diary
from fleetd.contact.planner import best_selection, make_plan
from fleetd.contact.settings import ContactsSettings
from fleetd.errors import Refusal
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import Station, find_passes
from fleetd.orbit.settings import SatelliteSettings

T = datetime(2026, 11, 11, 12, tzinfo=UTC)
ELEMENTS = ElementSet(
    norad_id=1, name="one", epoch=T, inclination_deg=97.5, raan_deg=0.0, eccentricity=0.001,
    argument_of_perigee_deg=0.0, mean_anomaly_deg=0.0, mean_motion_rev_day=15.2, bstar=1e-5,
)  # fmt: skip
SOME_PASS = find_passes([ELEMENTS], [Station("here", 30.27, 120.15)], T, T + timedelta(days=1))[0]
SATELLITES = {
    name: SatelliteSettings(name=name, norad_id=1, elements=["x"], priority=priority)
    for name, priority in (("one", 1), ("two", 2), ("rare", 0))
}


def at(minutes: float) -> datetime:
    return T + timedelta(minutes=minutes)


def candidate(begin: float, end: float, satellite: str = "one", priority: int | None = None) -> Candidate:
    sat_pass = msgspec.structs.replace(
        SOME_PASS, satellite=satellite, aos=at(begin), culmination=at((begin + end) / 2), los=at(end)
    )
    priority = SATELLITES[satellite].priority if priority is None else priority
    return Candidate(pass_id(satellite, at(begin)), satellite, sat_pass, at(begin), at(end), priority, ELEMENTS)


def brute_force(candidates: list[Candidate], spacing_s: float) -> float:
    return max(
        sum(each.weight for each in chosen)
        for size in range(len(candidates) + 1)
        for chosen in combinations(candidates, size)
        if not any(one.clashes(other, spacing_s) for one, other in combinations(chosen, 2))
    )


passes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(1, 5)).map(
        lambda drawn: candidate(drawn[0], drawn[0] + drawn[1], priority=drawn[2])
    ),
    max_size=8,
)


@given(passes, st.sampled_from([0.0, 60.0, 300.0]))
def test_the_selection_for_one_antenna_is_the_best_there_is(candidates: list[Candidate], spacing_s: float) -> None:
    chosen = best_selection(candidates, spacing_s)
    assert sum(each.weight for each in chosen) == brute_force(candidates, spacing_s)
    assert not any(one.clashes(other, spacing_s) for one, other in combinations(chosen, 2))


def test_one_long_pass_may_outweigh_two_and_says_so() -> None:
    long = candidate(0, 20, "two")
    early, late = candidate(0, 8), candidate(9, 20)
    plan = make_plan([long, early, late], ["dish"], [], 60.0)
    assert [contact.id for contact in plan.contacts] == [long.id]
    assert plan.reasons[long.id] == "booked on dish, worth 2400"
    assert plan.reasons[early.id] == (
        f"worth 480 (priority times seconds), but dish works {long.id}, worth 2400, until 2026-11-11T12:20:00.000Z"
    )


def test_what_one_antenna_cannot_take_goes_to_the_next() -> None:
    first, second = candidate(0, 10, "two"), candidate(5, 15)
    plan = make_plan([first, second], ["dish", "yagi"], [], 60.0)
    assert [(contact.id, contact.antenna) for contact in plan.contacts] == [(first.id, "dish"), (second.id, "yagi")]


def test_there_is_time_to_turn_over_between_contacts() -> None:
    plan = make_plan([candidate(0, 10), candidate(10.5, 20, "two")], ["dish"], [], 60.0)
    assert [contact.candidate.satellite for contact in plan.contacts] == ["two"]
    plan = make_plan([candidate(0, 10), candidate(11, 20, "two")], ["dish"], [], 60.0)
    assert len(plan.contacts) == 2


def test_what_is_fixed_stays_and_the_rest_gives_way() -> None:
    fixed = Contact(candidate(0, 2), "dish", by_hand=True)
    plan = make_plan([fixed.candidate, candidate(1, 20, "two")], ["dish"], [fixed], 60.0)
    assert plan.contacts == (fixed,)


def test_without_antennas_or_priority_nothing_is_booked() -> None:
    assert make_plan([candidate(0, 9)], [], [], 60.0).reasons == {candidate(0, 9).id: "there is no antenna"}
    rare = candidate(0, 9, "rare")
    plan = make_plan([rare], ["dish"], [], 60.0)
    assert plan.contacts == ()
    assert "booked by hand only" in plan.reasons[rare.id]


# The diary


def diary(*candidates: Candidate, now: datetime = T) -> Diary:
    made = Diary(["dish"], ContactsSettings())
    made.renew(candidates, now)
    made.replan(SATELLITES)
    return made


def test_a_booking_by_hand_displaces_what_the_plan_wanted() -> None:
    weighty, light = candidate(0, 10, "two"), candidate(5, 12)
    book = diary(weighty, light)
    assert [each.id for each in book.views] == [weighty.id]
    contact = book.book("one", at(5.5), "dish")
    book.replan(SATELLITES)
    assert contact.id == light.id
    assert [(each.id, each.by_hand) for each in book.views] == [(light.id, True)]
    assert book.explain(light.id).reason == "booked on dish, by hand"
    with pytest.raises(Refusal, match=f"cannot be booked: dish has {light.id} until") as refusal:
        book.book("two", at(0), "dish")
    assert refusal.value.rule == "clash"


@pytest.mark.parametrize(
    ("satellite", "minutes", "antenna", "rule"),
    [("one", 0, "mast", "unknown-antenna"), ("one", 2, "dish", "no-such-pass"), ("none", 0, "dish", "no-such-pass")],
)
def test_bookings_of_what_is_not_there_are_refused(satellite: str, minutes: float, antenna: str, rule: str) -> None:
    with pytest.raises(Refusal) as refusal:
        diary(candidate(0, 10)).book(satellite, at(minutes), antenna)
    assert refusal.value.rule == rule


def test_what_was_cancelled_stays_cancelled_when_elements_move_it() -> None:
    book = diary(candidate(0, 10))
    contact = book.cancel(candidate(0, 10).id, "ada")
    book.renew([candidate(0.5, 10.5)], T)
    book.replan(SATELLITES)
    assert book.views == []
    assert book.explain(contact.id).reason == "cancelled by ada"
    with pytest.raises(Refusal, match="is booked or running"):
        book.cancel(contact.id, "ada")
    assert book.book("one", at(0.5), "dish").id == contact.id  # unless somebody wants it again


def test_a_pass_that_was_worked_is_not_worked_again() -> None:
    book = diary(candidate(0, 10))
    (contact,) = book.waiting()
    book.begun(contact)
    book.renew([candidate(0.5, 10.5, priority=9)], at(3))  # new elements, and a stepped clock finds it once more
    book.replan(SATELLITES)
    assert book.waiting() == []
    assert [(each.id, each.state, each.aos) for each in book.views] == [(contact.id, "running", at(0))]
    book.ended(contact, "worked", "")
    book.replan(SATELLITES)
    assert book.views == []
    assert book.explain(contact.id).reason == "over on dish: worked"
    assert [each.state for each in book.over] == ["worked"]


def test_what_is_too_short_or_too_far_from_its_elements_says_so() -> None:
    short, far = candidate(0, 0.4), candidate(60 * 24 * 15, 60 * 24 * 15 + 10)
    book = diary(short, far)
    assert book.views == []
    assert "lasts 24 s, less than the 30 s" in book.explain(short.id).reason
    assert "15.0 days from the epoch of its elements, more than 14" in book.explain(far.id).reason


def test_a_satellite_that_does_not_set_is_taken_up_again_where_its_contact_ended() -> None:
    endless = candidate(0, 100)
    endless = replace(endless, sat_pass=msgspec.structs.replace(endless.sat_pass, los=None))
    book = diary(endless)
    (contact,) = book.waiting()
    book.begun(contact)
    book.ended(contact, "worked", "")
    book.renew([candidate(30, 190)], at(100))
    book.replan(SATELLITES)
    (following,) = book.waiting()
    assert (following.candidate.begin, following.candidate.end) == (at(100), at(190))
    assert following.id != contact.id


def test_an_unknown_id_is_refused_with_a_hint() -> None:
    with pytest.raises(Refusal, match="no pass 'x' is known"):
        diary().explain("x")
