"""Gaps, duplicates and reordering as a consumer sees them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleetd.relay.continuity import Continuity, NodeReport


def say(
    continuity: Continuity, seq: int, topic: str = "robot-1/reading", *, retained: bool = False, **more: Any
) -> None:
    body = {"node": "n", "boot": "000001-abcdef", "seq": seq, **more}
    continuity.take(f"fleetd/hangzhou/{topic}", json.dumps(body).encode(), retained=retained)


def report(*seqs: int) -> NodeReport:
    continuity = Continuity()
    for seq in seqs:
        say(continuity, seq)
    (one,) = continuity.reports()
    return one


def test_all_that_comes_in_order_is_whole() -> None:
    one = report(*range(5, 12))
    assert one.whole
    assert (one.first, one.last, one.messages, one.duplicates, one.reordered) == (5, 11, 7, 0, 0)


def test_what_is_missing_is_named_and_what_comes_late_fills_it() -> None:
    one = report(1, 2, 6, 7, 10, 4)
    assert one.gaps == [(3, 3), (5, 5), (8, 9)]
    assert one.missing == 4
    assert one.reordered == 1
    assert not one.whole


def test_a_repetition_is_a_duplicate_and_another_message_under_its_number_a_conflict() -> None:
    assert report(1, 2, 2, 1, 3).duplicates == 2
    continuity = Continuity()
    say(continuity, 1)
    say(continuity, 1, value=2)
    (one,) = continuity.reports()
    assert one.conflicts == 1
    assert not one.whole


def test_a_last_will_and_what_was_told_as_dropped_are_no_gaps() -> None:
    continuity = Continuity()
    say(continuity, 4, "status", retained=True, state="online", will_seq=3)
    say(continuity, 2)
    say(continuity, 5)
    say(continuity, 12, "event", source="outbox", name="gap", detail={"count": 6, "ranges": [[6, 8], [9, 11]]})
    (one,) = continuity.reports()
    assert one.gaps == [(4, 4)], "what was said before we listened is not seen"
    assert one.announced == 6
    say(
        continuity,
        14,
        "event",
        source="outbox",
        name="gap",
        detail={"count": 9, "ranges": [[4, 4]], "first": 4, "last": 4},
    )
    assert continuity.reports()[0].gaps == [(13, 13)]


def test_what_is_missing_before_one_has_settled_may_have_come_before() -> None:
    continuity = Continuity()
    for seq in (4, 9, 5):  # urgent ones overtake a backlog
        say(continuity, seq)
    continuity.settle()
    for seq in (10, 8, 12):
        say(continuity, seq)
    (one,) = continuity.reports()
    assert one.gaps == [(11, 11)]


def test_order_is_that_of_a_topic_and_nodes_and_boots_are_apart() -> None:
    continuity = Continuity()
    say(continuity, 9, "event")
    say(continuity, 8)
    say(continuity, 3, node="m")
    say(continuity, 10, boot="000002-abcdef")
    reports = continuity.reports()
    assert [(one.node, one.messages, one.reordered, len(one.boots)) for one in reports] == [
        ("m", 1, 0, 1),
        ("n", 3, 0, 2),
    ]


def test_what_is_no_message_of_ours_is_passed_over() -> None:
    continuity = Continuity()
    continuity.take("fleetd/hangzhou/robot-1/command", b"{}", retained=False)
    continuity.take("fleetd/hangzhou/alarm/robot-1/low", b"", retained=True)
    continuity.take("fleetd/hangzhou/event", b"no json", retained=False)
    assert continuity.reports() == []
    assert continuity.unreadable == 1


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80))
def test_every_number_is_heard_or_missing_and_every_message_counted(seqs: list[int]) -> None:
    one = report(*seqs)
    missing = {number for first, last in one.gaps for number in range(first, last + 1)}
    assert missing | set(seqs) == set(range(one.first, one.last + 1))
    assert not missing & set(seqs)
    assert one.messages == len(set(seqs))
    assert one.duplicates == len(seqs) - len(set(seqs))
