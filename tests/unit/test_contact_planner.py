"""Bookings: the best set for one antenna against brute force, what people decide, and words for why not."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.contact.axis import Axes
from fleetd.contact.booking import Candidate, Contact, Prospect, pass_id
from fleetd.contact.diary import Diary
from fleetd.contact.interlock import Work
from fleetd.contact.planner import Plan, Question, Stage
from fleetd.contact.settings import ContactsSettings
from fleetd.devices import AzEl
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


def make_plan(
    candidates: list[Candidate], antennas: list[str], fixed: list[Contact], spacing_s: float, **more: Any
) -> Plan:
    return Question(candidates, [Stage(name, spacing_s) for name in antennas], fixed, **more).answer()


def brute_force(candidates: list[Candidate], stages: list[Stage]) -> float:
    """The greatest total weight: every assignment of every candidate to an antenna or to none is tried."""
    best = 0.0
    for assigned in product([None, *stages], repeat=len(candidates)):
        pairs = [(each, stage) for each, stage in zip(candidates, assigned, strict=True) if stage is not None]
        if all(
            one_stage is not other_stage or not one_stage.clash(one, other)
            for (one, one_stage), (other, other_stage) in combinations(pairs, 2)
        ) and not any(stage.closed(each) for each, stage in pairs):
            best = max(best, sum(each.weight_on(stage.name) for each, stage in pairs))
    return best


AXES = Axes(0.0, 450.0, 0.0, 90.0, 3.0, 2.0)
directions = st.builds(AzEl, st.floats(0, 359), st.floats(0, 30))
prospects = st.dictionaries(
    st.sampled_from(["dish", "yagi", "helix"]),
    st.builds(Prospect, st.sampled_from([0.0, 40.0, 500.0, 1e9]), directions, directions, st.just(AXES)),
)
passes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(1, 5), prospects).map(
        lambda drawn: replace(candidate(drawn[0], drawn[0] + drawn[1], priority=drawn[2]), prospects=drawn[3])
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)
works = st.lists(
    st.integers(0, 60).map(
        lambda minute: Work(id="w", antenna="x", begin=at(minute), end=at(minute + 5), who="ada", why="bolts")
    ),
    max_size=1,
).map(tuple)
stages = st.lists(
    st.builds(
        Stage, st.sampled_from(["dish", "yagi", "helix"]), st.sampled_from([0.0, 60.0, 300.0]), st.just(10.0), works
    ),
    max_size=3,
    unique_by=lambda stage: stage.name,
)


@settings(max_examples=60, deadline=None)
@given(passes, stages)
def test_no_other_set_of_bookings_is_worth_more(candidates: list[Candidate], here: list[Stage]) -> None:
    plan = Question(candidates, here, []).answer()
    assert plan.proved
    by_name = {stage.name: stage for stage in here}
    total = sum(contact.candidate.weight_on(contact.antenna) for contact in plan.contacts)
    assert total == pytest.approx(brute_force(candidates, here), rel=1e-5, abs=1e-6)
    for one, other in combinations(plan.contacts, 2):
        assert one.id != other.id
        assert one.antenna != other.antenna or not by_name[one.antenna].clash(one.candidate, other.candidate)
    assert not any(by_name[contact.antenna].closed(contact.candidate) for contact in plan.contacts)
    assert set(plan.reasons) == {each.id for each in candidates}


def test_a_week_of_many_satellites_is_planned_in_a_moment() -> None:
    draw = random.Random(7)
    crowd = [
        replace(candidate(begin, begin + draw.uniform(4, 14), priority=draw.randint(1, 5)), id=f"pass-{number}")
        for number in range(300)
        if (begin := draw.uniform(0, 24 * 60)) >= 0
    ]
    here = [Stage(name, 60.0) for name in ("dish", "yagi", "helix")]
    begun_s = time.process_time()
    plan = Question(crowd, here, []).answer()
    assert plan.proved
    assert len(plan.contacts) > 100
    assert time.process_time() - begun_s < 10


def test_equals_stay_where_they_are() -> None:
    both = [replace(candidate(0, 10), id="a"), replace(candidate(2, 12), id="b")]
    for first, second in (("dish", "yagi"), ("yagi", "dish")):
        plan = make_plan(both, ["dish", "yagi"], [], 60.0, present={"a": first, "b": second})
        assert {contact.id: contact.antenna for contact in plan.contacts} == {"a": first, "b": second}


def test_an_antenna_that_sees_more_of_it_gets_it_and_one_that_sees_nothing_says_so() -> None:
    aim = AzEl(0, 10)
    seen = {"dish": Prospect(20.0, aim, aim, AXES), "yagi": Prospect(400.0, aim, aim, AXES)}
    one = replace(candidate(0, 10), prospects=seen)
    plan = make_plan([one], ["dish", "yagi"], [], 60.0)
    assert [contact.antenna for contact in plan.contacts] == ["yagi"]
    plan = make_plan([one], ["dish"], [], 60.0, min_duration_s=30.0)
    assert plan.reasons[one.id] == "worth 20 (priority times seconds), but dish can look at it for 20 s of 600"


def test_turning_over_takes_the_time_that_the_antenna_needs_and_is_named() -> None:
    west, east = AzEl(270, 10), AzEl(90, 10)
    early = replace(candidate(0, 10, "two"), prospects={"dish": Prospect(600.0, west, west, AXES)})
    late = replace(candidate(11.1, 20), prospects={"dish": Prospect(534.0, east, east, AXES)})
    plan = Question([early, late], [Stage("dish", 60.0, 10.0)], []).answer()
    assert [contact.id for contact in plan.contacts] == [early.id]
    assert plan.reasons[late.id].endswith("and 66 s between them are less than the 70 s to turn over")
    quick = replace(AXES, azimuth_slew_deg_s=6.0)
    early, late = (
        replace(each, prospects={"dish": replace(each.prospects["dish"], axes=quick)}) for each in (early, late)
    )
    assert len(Question([early, late], [Stage("dish", 60.0, 10.0)], []).answer().contacts) == 2


def test_maintenance_is_booked_around_and_named() -> None:
    work = Work(id="w", antenna="dish", begin=at(5), end=at(30), who="ada", why="new bearing")
    one = candidate(0, 10)
    here = [Stage("dish", 60.0, works=(work,)), Stage("yagi", 60.0)]
    assert [contact.antenna for contact in Question([one], here, []).answer().contacts] == ["yagi"]
    plan = Question([one], here[:1], []).answer()
    assert plan.reasons[one.id] == (
        "worth 600 (priority times seconds), but dish is under maintenance by ada until 2026-11-11T12:30:00.000Z: "
        "new bearing"
    )
    book = Diary(here[:1], ContactsSettings())
    book.renew([one], T)
    with pytest.raises(Refusal, match="cannot be booked: dish is under maintenance by ada: new bearing") as no:
        book.book("one", at(0), "dish")
    assert no.value.rule == "maintenance"


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
    made = Diary([Stage("dish", 60.0)], ContactsSettings())
    made.renew(candidates, now)
    made.take(made.question(SATELLITES).answer())
    return made


def test_a_booking_by_hand_displaces_what_the_plan_wanted() -> None:
    weighty, light = candidate(0, 10, "two"), candidate(5, 12)
    book = diary(weighty, light)
    assert [each.id for each in book.views] == [weighty.id]
    contact = book.book("one", at(5.5), "dish")
    book.take(book.question(SATELLITES).answer())
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
    book.take(book.question(SATELLITES).answer())
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
    book.take(book.question(SATELLITES).answer())
    assert book.waiting() == []
    assert [(each.id, each.state, each.aos) for each in book.views] == [(contact.id, "running", at(0))]
    book.ended(contact, "worked", "")
    book.take(book.question(SATELLITES).answer())
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
    book.take(book.question(SATELLITES).answer())
    (following,) = book.waiting()
    assert (following.candidate.begin, following.candidate.end) == (at(100), at(190))
    assert following.id != contact.id


def test_an_unknown_id_is_refused_with_a_hint() -> None:
    with pytest.raises(Refusal, match="no pass 'x' is known"):
        diary().explain("x")
