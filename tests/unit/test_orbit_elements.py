"""Element files: every format tells the same orbit, and every fault is named with its file and line."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from orbit_referee import START, orbit, timescale
from sgp4.api import Satrec

from fleetd.errors import ElementsError
from fleetd.orbit import elements as files
from fleetd.orbit import tle
from fleetd.orbit.elements import parse_elements, read_elements
from fleetd.orbit.elementset import ElementSet

DATA = Path(__file__).parents[1] / "data" / "elements"
CONFIGS = Path(__file__).parents[2] / "configs" / "elements"

# The example of Spacetrack Report 3 (1980), section "Sample test cases", SGP4: its set, with today's checksums.
REPORT_3 = (
    "1 88888U          80275.98708465  .00073094  13844-3  66816-4 0    87",
    "2 88888  72.8435 115.9689 0086731  52.6988 110.5714 16.05824518  1058",
)
RECORD: dict[str, Any] = {
    "OBJECT_NAME": "CANDY TIN (REFERENCE ORBIT)",
    "NORAD_CAT_ID": 999_100_101,
    "EPOCH": "2026-11-11T00:00:00.000000",
    "MEAN_MOTION": 15.15,
    "ECCENTRICITY": 0.0005,
    "INCLINATION": 49.0,
    "RA_OF_ASC_NODE": 178.6,
    "ARG_OF_PERICENTER": 90.0,
    "MEAN_ANOMALY": 317.28,
    "BSTAR": 2e-5,
}


def parse(text: str, name: str = "set") -> list[ElementSet]:
    return parse_elements(text.encode(), name)


def as_json(**changes: Any) -> str:
    record = {key: value for key, value in (RECORD | changes).items() if value is not ...}
    return json.dumps([record], indent=1)


def lines(number: str = "Z9101", **columns: str) -> list[str]:
    """The reference orbit as two lines, with other columns ("1:19": text) and right checksums."""
    both = [
        f"1 {number}U          26315.00000000  .00000000  00000-0  20000-4 0    1",
        f"2 {number}  49.0000 178.6000 0005000  90.0000 317.2800 15.15000000    0",
    ]
    for place, text in columns.items():
        line, column = (int(part) for part in place.removeprefix("at_").split("_"))
        at = column - 1
        both[line - 1] = both[line - 1][:at] + text + both[line - 1][at + len(text) :]
    return [line + str(tle.checksum(line)) for line in both]


# --- what is right is read ---


@pytest.mark.parametrize("suffix", ["json", "csv", "xml", "kvn"])
def test_each_format_tells_the_same_orbit(suffix: str) -> None:
    (found,) = read_elements(DATA / f"reference.{suffix}")
    wanted = orbit(name="CANDY TIN (REFERENCE ORBIT)", designator="2026-315A")
    assert (found.norad_id, found.name, found.designator, found.epoch, found.hash) == (
        wanted.norad_id, wanted.name, wanted.designator, wanted.epoch, wanted.hash,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "number"), [("candy-tin", 999_100_101), ("tmall-international", 999_100_102)])
def test_shipped_sets_are_labelled_and_their_twins_fly_the_same_orbit(name: str, number: int) -> None:
    (omm,) = read_elements(CONFIGS / f"{name}.json")
    (two_lines,) = read_elements(CONFIGS / f"{name}.tle")
    assert omm.norad_id == number
    assert "REFERENCE ORBIT" in omm.name
    assert "no satellite flies here" in omm.comment
    assert two_lines.name == omm.name
    model = omm.satrec()
    _, ours, _ = model.sgp4(model.jdsatepoch + 1, model.jdsatepochF)
    _, theirs, _ = two_lines.satrec().sgp4(model.jdsatepoch + 1, model.jdsatepochF)
    assert math.dist(ours, theirs) < 1e-6


def test_source_names_file_and_line_of_each_set() -> None:
    text = "\n".join(["0 ONE", *lines("Z9101"), "TWO", *lines("Z9102"), ""])
    found = parse(text, "two.3le")
    assert [(each.name, each.norad_id, each.source) for each in found] == [
        ("ONE", 339_101, "two.3le:2"),
        ("TWO", 339_102, "two.3le:5"),
    ]
    found = parse(json.dumps([RECORD, RECORD | {"NORAD_CAT_ID": 5}], indent=1), "two.json")
    assert [each.source for each in found] == ["two.json:2", "two.json:14"]


def test_two_lines_mean_what_sgp4_reads_in_them() -> None:
    (found,) = parse("\n".join(REPORT_3))
    theirs = Satrec.twoline2rv(*REPORT_3)
    ours = found.satrec()
    for minutes in (0.0, 360.0, 1440.0):
        _, our_place, our_speed = ours.sgp4_tsince(minutes)
        _, their_place, their_speed = theirs.sgp4_tsince(minutes)
        assert math.dist(our_place, their_place) < 1e-5
        assert math.dist(our_speed, their_speed) < 1e-8
    assert found.mean_motion_dot == pytest.approx(0.00073094)
    assert found.mean_motion_ddot == pytest.approx(0.13844e-3)
    # The epoch is kept to the microsecond, the two lines give it to 0.86 ms.
    assert ours.jdsatepoch + ours.jdsatepochF == pytest.approx(theirs.jdsatepoch + theirs.jdsatepochF, abs=1e-11)


@pytest.mark.parametrize(
    ("text", "number"),
    [("    5", 5), ("00005", 5), ("99999", 99_999), ("A0000", 100_000), ("J2931", 182_931), ("Z9999", 339_999)],
)
def test_catalogue_numbers_in_five_columns(text: str, number: int) -> None:
    assert tle.catalogue_number(text) == number


@pytest.mark.parametrize("text", ["I0000", "O0000", "a0000", "A 000 ", "-1234", "     ", "1234A", "١2345"])
def test_what_is_no_catalogue_number(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        tle.catalogue_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-11T12:30:15.250000", "2026-11-11T12:30:15.25", "2026-11-11T12:30:15.250Z", "2026-11-11 12:30:15.25",
        "2026-11-11 12:30:15.25 UTC", "2026-315T12:30:15.25", "2026-315T12:30:15.250000000Z",
        "2026-11-11T12:30:15.25+00:00",
    ],
)  # fmt: skip
def test_epochs_in_every_spelling(text: str) -> None:
    (found,) = parse(as_json(EPOCH=text))
    assert found.epoch == datetime(2026, 11, 11, 12, 30, 15, 250_000, tzinfo=UTC)


def test_epochs_without_fraction_keep_their_time() -> None:
    (found,) = parse(as_json(EPOCH="2026-11-11T23:59:59"))
    assert found.epoch == datetime(2026, 11, 11, 23, 59, 59, tzinfo=UTC)


def test_nine_digits_go_through_and_sgp4_gets_an_id_that_it_can_hold() -> None:
    (found,) = parse(as_json(NORAD_CAT_ID="999999999"))
    assert found.norad_id == 999_999_999
    assert found.satrec().satnum == 0
    (known,) = parse(as_json(NORAD_CAT_ID=339_999))
    assert known.satrec().satnum == 339_999


def test_hash_is_of_the_orbit_and_not_of_its_spelling() -> None:
    plain, spelled = (
        parse(as_json())[0],
        parse(as_json(MEAN_MOTION="15.1500", OBJECT_NAME="X", EPOCH="2026-315T00:00:00Z"))[0],
    )
    assert plain.hash == spelled.hash
    assert len(plain.hash) == 12
    assert parse(as_json(MEAN_ANOMALY=317.29))[0].hash != plain.hash


def test_age_runs_from_the_epoch() -> None:
    assert orbit().age_days(START + timedelta(days=3, hours=12)) == 3.5
    assert orbit().age_days(START - timedelta(days=1)) == -1


def test_skyfield_gets_the_same_orbit() -> None:
    satellite = orbit().skyfield(timescale())
    assert satellite.epoch.utc_iso() == "2026-11-11T00:00:00Z"


# --- what is wrong is refused, by name ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ECCENTRICITY": -0.1}, "eccentricity is -0.1, an orbit's is at least 0 and below 1"),
        ({"ECCENTRICITY": 1.0}, "eccentricity is 1"),
        ({"MEAN_MOTION": 0}, "mean motion is 0"),
        ({"MEAN_MOTION": 17.9}, "perigee is .* km under the ground"),
        ({"INCLINATION": 181}, "inclination is 181"),
        ({"MEAN_ANOMALY": "1e400"}, "mean anomaly is inf"),
        ({"MEAN_ANOMALY": float("nan")}, "MEAN_ANOMALY: is 'NaN', a number is needed"),
        ({"MEAN_ANOMALY": "0x10"}, "MEAN_ANOMALY: is '0x10'"),
        ({"MEAN_ANOMALY": "１２"}, "MEAN_ANOMALY: is"),
        ({"MEAN_ANOMALY": True}, "MEAN_ANOMALY: is 'True'"),
        ({"MEAN_ANOMALY": [1]}, "MEAN_ANOMALY: is a list or an object"),
        ({"MEAN_ANOMALY": {}}, "MEAN_ANOMALY: is a list or an object"),
        ({"BSTAR": ...}, "BSTAR: is missing"),
        ({"NORAD_CAT_ID": 0}, "catalogue number is 0"),
        ({"NORAD_CAT_ID": 1_000_000_000}, "NORAD_CAT_ID: is '1000000000'"),
        ({"NORAD_CAT_ID": ...}, "NORAD_CAT_ID: is missing"),
        ({"EPOCH": "1957-10-04T19:28:34"}, "epoch is 1957-10-04, a year from 1980 to 2056"),
        ({"EPOCH": "2080-01-01T00:00:00"}, "epoch is 2080-01-01"),
        ({"EPOCH": "2026-02-30T00:00:00"}, "EPOCH: is '2026-02-30T00:00:00', which no calendar has"),
        ({"EPOCH": "2026-366T00:00:00"}, "EPOCH: is '2026-366T00:00:00', which no calendar has"),
        ({"EPOCH": "2026-11-11"}, "EPOCH: is '2026-11-11', a UTC time like"),
        ({"EPOCH": "2026-11-11T00:00:00+08:00"}, "EPOCH: is"),
        ({"EPOCH": None}, "EPOCH: is missing"),
        ({"REF_FRAME": "GCRF"}, "REF_FRAME: is 'GCRF', only TEME can be used"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY: is 'SGP4-XP'"),
        ({"EPHEMERIS_TYPE": 4}, "EPHEMERIS_TYPE: is '4'"),
        ({"bstar": 1}, "BSTAR: is given a second time"),
    ],
)
def test_fields_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ElementsError, match=rf"^set:\d+: .*{words}"):
        parse(as_json(**changes))


def test_the_line_named_is_the_field_s_own() -> None:
    text = as_json(MEAN_ANOMALY="x")
    number = next(number for number, line in enumerate(text.splitlines(), 1) if "MEAN_ANOMALY" in line)
    with pytest.raises(ElementsError, match=rf"^set:{number}: MEAN_ANOMALY"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n".join(reversed(lines())), "set:1: line 2 stands before line 1: the two lines are swapped"),
        (lines()[0], "set:1: the file ends after line 1"),
        ("TITLE", "neither OMM"),
        ("TITLE\n" + lines()[0] + "\n", "set:2: the file ends after line 1"),
        ("\n".join(lines()) + "\nNEXT", "ends after the title 'NEXT'"),
        ("\n".join([lines()[0], lines("Z9102")[1]]), "set:2: catalogue number is 'Z9102', line 1 says 'Z9101'"),
        ("\n".join([lines()[0][:-1] + "9", lines()[1]]), "set:1: checksum is '9', the digits give"),
        ("\n".join([lines()[0][:60], lines()[1]]), "set:1: the line has 60 characters, an element line has 69"),
        ("\n".join([lines()[0], "TITLE", lines()[1]]), "set:2: line 2 of the set must follow line 1"),
        ("A\nB\n" + "\n".join(lines()), "set:2: line 1 of 'A' is missing"),
        ("\n".join(lines("I9101")), "set:1: catalogue number 'I9101' is neither five digits nor Alpha-5"),
        ("\n".join(lines(at_2_27="00 5000")), "set:2: eccentricity: columns 27-33 hold '00 5000'"),
        ("\n".join(lines(at_1_19="26400.00000000")), "set:1: epoch: day 400 of 2026, which has days 1 to 365"),
        ("\n".join(lines(at_1_63="4")), "set:1: ephemeris type: columns 63-63 hold '4'"),
        ("\n".join([lines()[0].replace("U", "é"), lines()[1]]), "set:1: only plain ASCII"),
    ],
)
def test_two_line_faults(text: str, words: str) -> None:
    with pytest.raises(ElementsError, match=r"^set") as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "set: is empty"),
        (" \n", "set: is empty"),
        ("[]", "set: holds no element set"),
        ("hello", "set:1: is neither OMM"),
        ("<!DOCTYPE html><html><body>403 Forbidden</body></html>", "set:1: is a web page (HTML), not elements"),
        ("\n<html>", "is a web page"),
        ("<?xml version='1.0'?><!DOCTYPE ndm [<!ENTITY a 'b'>]><ndm/>", "declares a document type"),
        ("<ndm><omm>", "is no whole XML"),
        ("<ndm></ndm>", "holds no element set"),
        ('[{"OBJECT_NAME": "X"', "set:1: is no whole JSON"),
        (as_json()[:-2], "is no whole JSON"),
        (as_json() + "x", "is no whole JSON"),
        ("[1]", "set:1: an object with the fields of an element set is needed"),
        ("[" * 10_000, "is nested too deeply"),
        ('{"a":' * 10_000, "is nested too deeply"),
        (json.dumps([RECORD, RECORD]), "catalogue number 999100101 is given a second time, first on line 1"),
        ("NORAD_CAT_ID,EPOCH\n5,2026-11-11T00:00:00,7\n", "set:2: has 3 fields, the header has 2"),
        ('NORAD_CAT_ID,EPOCH\n5,"2026', "is no valid CSV"),
        ("CCSDS_OMM_VERS = 2.0\nwhat is this\n", "set:2: is no 'KEY = value' line"),
        (("CCSDS_OMM_VERS = 2.0\nMEAN_MOTION = 15.1 [rad/s]\nINCLINATION = 1\nRA_OF_ASC_NODE=1\nECCENTRICITY=0\n"
         "ARG_OF_PERICENTER=0\nMEAN_ANOMALY=0\n"), "set:2: MEAN_MOTION: is in 'rad/s', only 'rev/day' can be used"),
    ],
)  # fmt: skip
def test_files_that_are_no_elements(text: str, words: str) -> None:
    with pytest.raises(ElementsError, match=r"^set") as caught:
        parse(text)
    assert words in str(caught.value)


def test_bytes_that_are_no_text_and_files_that_are_too_large(tmp_path: Path) -> None:
    with pytest.raises(ElementsError, match="set:2: is no text in UTF-8"):
        parse_elements(b"a\n\xff\xfe", "set")
    assert len(parse_elements(b"\xef\xbb\xbf" + as_json().encode(), "set")) == 1
    with pytest.raises(ElementsError, match="is larger than 16 MB"):
        parse_elements(b" " * (files.MAX_BYTES + 1), "set")
    with pytest.raises(ElementsError, match=r"^nowhere: cannot be read: No such file"):
        read_elements("nowhere")
    with pytest.raises(ElementsError, match=r"/dev/zero: is larger than 16 MB"):
        read_elements("/dev/zero")
    vast = tmp_path / "vast.json"
    with vast.open("wb") as file:
        file.truncate(1 << 40)  # a hole: no disk holds this
    with pytest.raises(ElementsError, match=r"vast.json: is larger than 16 MB"):
        read_elements(vast)


def test_a_set_that_sgp4_cannot_run_is_refused() -> None:
    with pytest.raises(ElementsError, match=r"SGP4 fails at the epoch itself: mrt is less than 1.0"):
        orbit(mean_motion_rev_day=16.9, eccentricity=0.005, mean_anomaly_deg=0.0, bstar=0.0)


# --- whatever the content, the answer is sets or an ElementsError ---

WORDS = st.sampled_from(
    [
        *RECORD,
        *(
            "CCSDS_OMM_VERS",
            "segment",
            "omm",
            "<",
            ">",
            "</",
            "[",
            "]",
            "{",
            "}",
            '"',
            ":",
            ",",
            "=",
            "\n",
            "1 ",
            "2 ",
            "0 ",
        ),
        *("NaN", "1e999", "-", "15.15", "2026-11-11T00:00:00", "\x00", "é"),
        *lines(),
    ]
)


@given(st.binary(max_size=300))
@example(b"[")
@example(b"<")
@example(b"1 ")
def test_any_bytes(content: bytes) -> None:
    only_elements_errors(content)


@given(st.lists(WORDS, max_size=40).map("".join))
def test_any_words(text: str) -> None:
    only_elements_errors(text.encode())


@given(
    st.sampled_from([*DATA.glob("reference.*"), *CONFIGS.glob("*.json"), *CONFIGS.glob("*.tle")]),
    st.data(),
)
def test_any_damage_to_a_good_file(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))
        content = content or bytearray(b" ")
    only_elements_errors(bytes(content))


@given(st.sampled_from(range(69)), st.sampled_from(range(2)), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_single_changed_character_of_two_lines_goes_unseen(column: int, line: int, character: str) -> None:
    both = lines()
    changed = both[line][:column] + character + both[line][column + 1 :]
    try:
        (found,) = parse("\n".join([changed, both[1]] if line == 0 else [both[0], changed]))
    except ElementsError:
        return
    # What a checksum of digits cannot see: letters, points and signs outside the fields that are read.
    assert found.hash == parse("\n".join(both))[0].hash


def only_elements_errors(content: bytes) -> None:
    try:
        found = parse_elements(content, "set")
    except ElementsError as error:
        complaint = str(error)
    else:
        complaint = "set:"
        assert all(each.satrec() for each in found)
    assert complaint.startswith("set:")
    assert "\n" not in complaint
