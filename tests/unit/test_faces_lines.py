"""Lines of Hamlib's clients, gpredict and SatNOGS, and the answers in both forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import BadReply, Declined, DeviceError, FleetError, LinkLost, Refusal, ReplyTimeout
from fleetd.faces import axis, tuner
from fleetd.faces.lines import Outcome, Request, parse, report_of, worded

# gpredict writes "P %.2f %.2f" and "p" (gtk-rot-ctrl.c), "I %10.0f" and "S 1 %d" (gtk-rig-ctrl.c), and reads 128 bytes
# once. Hamlib's own client, which SatNOGS works with, was listened to: `rotctl -m 2` of 4.5.4 writes "\\dump_state",
# "p", "P %f %f", "S", "K", "_" and "q"; `rigctl -m 2` writes "\\chk_vfo", "\\dump_state", "v", "f", "s", "m",
# "\\get_powerstat", "F %f", "M USB 0" and more.
ROTATOR_LINES = [
    ("P 123.45 23.00", Request("set_pos", ("123.45", "23.00"))),
    ("p", Request("get_pos")),
    ("P 20.000000 30.000000", Request("set_pos", ("20.000000", "30.000000"))),
    ("P 120,5 30,25", Request("set_pos", ("120.5", "30.25"))),
    ("\\dump_state", Request("dump_state")),
    ("S", Request("stop")),
    ("K", Request("park")),
    ("_", Request("get_info")),
    ("q", Request("quit")),
    ("+\\get_pos", Request("get_pos", (), "\n")),
    ("+P 90 45", Request("set_pos", ("90", "45"), "\n")),
    (";p", Request("get_pos", (), ";")),
    ("|p", Request("get_pos", (), "|")),
    (",p", Request("get_pos", (), ",")),
    ("x", Request("")),
    ("+", Request("", (), "\n")),
]
RADIO_LINES = [
    ("F  437525000", Request("set_freq", ("437525000",))),
    ("I  145900000", Request("set_split_freq", ("145900000",))),
    ("S 1 Main", Request("set_split_vfo", ("1", "Main"))),
    ("F 145900000.000000", Request("set_freq", ("145900000.000000",))),
    ("M USB 0", Request("set_mode", ("USB", "0"))),
    ("\\chk_vfo", Request("chk_vfo")),
    ("\\get_powerstat", Request("get_powerstat")),
    ("AOS", Request("aos")),
    ("LOS", Request("los")),
]


@pytest.mark.parametrize(("line", "request_"), ROTATOR_LINES)
def test_lines_to_a_rotator(line: str, request_: Request) -> None:
    assert parse(line, axis.LETTERS) == request_


@pytest.mark.parametrize(("line", "request_"), RADIO_LINES)
def test_lines_to_a_radio(line: str, request_: Request) -> None:
    assert parse(line, tuner.LETTERS) == request_


POSITION = Outcome([("Azimuth: ", "90.00"), ("Elevation: ", "45.00")])


@pytest.mark.parametrize(
    ("request_", "outcome", "answer"),
    [
        # rotctld(1), "Protocol", and rotctld 4.5.4
        (Request("get_pos"), POSITION, b"90.00\n45.00\n"),
        (Request("get_pos", (), "\n"), POSITION, b"get_pos:\nAzimuth: 90.00\nElevation: 45.00\nRPRT 0\n"),
        (Request("get_pos", (), ";"), POSITION, b"get_pos:;Azimuth: 90.00;Elevation: 45.00;RPRT 0\n"),
        (Request("set_pos", ("90", "45")), Outcome(), b"RPRT 0\n"),
        (Request("set_pos", ("90", "45"), "\n"), Outcome(), b"set_pos: 90 45\nRPRT 0\n"),
        (Request("get_pos"), Outcome(report=-6), b"RPRT -6\n"),
        # rigctld 4.5.4
        (Request("chk_vfo"), Outcome([("ChkVFO: ", "0")], bare=True), b"0\n"),
        (Request("chk_vfo", (), "\n"), Outcome([("ChkVFO: ", "0")], bare=True), b"ChkVFO: 0\n"),
    ],
)
def test_answers_in_both_forms(request_: Request, outcome: Outcome, answer: bytes) -> None:
    assert worded(request_, outcome) == answer


@pytest.mark.parametrize(
    ("error", "report"),
    [
        (Refusal("azimuth-limits", "x"), -1),
        (Refusal("not-finite", "x"), -1),
        (Refusal("usage", "x"), -1),
        (Refusal("in-use", "x"), -14),
        (Refusal("stopped", "x"), -14),
        (Refusal("maintenance", "x"), -9),
        (Refusal("wind", "x"), -9),
        (Refusal("transmit", "x"), -9),
        (Refusal("not-implemented", "x"), -4),
        (ReplyTimeout("x"), -5),
        (LinkLost("x"), -6),
        (BadReply("x"), -6),
        (Declined("x"), -9),
        (DeviceError("x"), -6),
    ],
)
def test_reports_are_hamlibs_numbers(error: FleetError, report: int) -> None:
    assert report_of(error) == report


@given(st.text(max_size=60))
def test_whatever_a_line_holds_it_is_one_request_and_its_answer_ends_in_a_line(line: str) -> None:
    answer = worded(parse(line, axis.LETTERS), Outcome(report=-4))
    assert answer.endswith(b"\n")
    assert b"RPRT -4" in answer
