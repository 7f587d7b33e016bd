"""Strict YAML: words mean what they look like, and each fault is told with its place."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from fleetd.errors import ConfigError
from fleetd.settings import Secret, Settings
from fleetd.strictyaml import load_strict, parse_strict, validate


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("TRUE", "TRUE"),
        ("true", True),
        ("false", False),
        ("010", 10),
        ("-7", -7),
        ("0o17", "0o17"),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2026-11-11", "2026-11-11"),
        ("2026-11-11T12:00:00Z", "2026-11-11T12:00:00Z"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".nan", ".nan"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"010"', "010"),
        ("'true'", "true"),
        ('""', ""),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_a_word_means_what_it_looks_like(word: str, meaning: object) -> None:
    data, _ = parse_strict(f"a: {word}\n", "f")
    assert data == {"a": meaning}
    assert type(data["a"]) is type(meaning)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20))
def test_quoted_text_stays_text(text: str) -> None:
    quoted = text.replace("'", "''")
    assert parse_strict(f"a: '{quoted}'\n", "f")[0] == {"a": text}


def test_keys_are_text_and_whole_numbers_in_them_are_written_one_way() -> None:
    assert parse_strict("{0xFFFF: a, 007: b, yes: c, 12:30: d}", "f")[0] == {
        "65535": "a",
        "7": "b",
        "yes": "c",
        "12:30": "d",
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a: the key is given twice, first on line 1; keep one"),
        ("{7: a, 007: b}", "f:1:8: 7: the key is given twice, first on line 1; keep one"),
        ("a: &x 1\n", "f:1:4: a: the anchor &x is not taken; write the value out where it is used"),
        ("a: !!int 3\n", "f:1:4: a: the tag tag:yaml.org,2002:int is not taken; quote the value if text is meant"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here; keep one document a file"),
        ("[1]: 2\n", "f:1:1: a key must be one word or number"),
        ("a:\n\tb: 1\n", "f:2:1: is not YAML: found character that cannot start any token"),
    ],
)
def test_what_a_strict_file_may_not_hold_is_told_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_strict(text, "f")
    assert str(caught.value) == fault


def test_an_alias_cannot_blow_a_file_up() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_strict("a: &x [1, 2]\nb: *x\n", "f")
    assert [line.split(": ", 2)[1] for line in caught.value.problems] == ["a", "b"]


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000])
def test_deep_nesting_is_refused_before_it_hurts(text: str) -> None:
    with pytest.raises(ConfigError, match=r"more than 50 levels deep|is not YAML"):
        parse_strict(text, "f")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        parse_strict(text, "f")


def test_an_empty_file_holds_nothing() -> None:
    assert parse_strict("", "f")[0] is None
    assert parse_strict("# nothing\n", "f")[0] is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: No such file"):
        load_strict(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml: byte 3 is not UTF-8 text"):
        load_strict(tmp_path / "latin.yaml")


class Item(Settings):
    name: str
    level: Literal["low", "high"] = "low"
    size: int = Field(default=1, ge=1, le=9)


class Whole(Settings):
    title: str
    rate: float = 1.0
    on: bool = False
    items: tuple[Item, ...] = ()
    by_code: dict[int, Item] = {}  # noqa: RUF012  # the linter does not see that this is a pydantic model
    password: Secret | None = None


def checked(text: str, at: tuple[str | int, ...] = ()) -> Whole:
    data, positions = parse_strict(text, "site.yaml")
    inner: Any = data
    for step in at:
        inner = inner[step]
    return validate(Whole, inner, positions, at=at)


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checked(text)
    return list(caught.value.problems)


def test_what_is_right_becomes_a_model() -> None:
    whole = checked('title: "010"\nrate: 3\nitems: [{name: a}, {name: b, level: high}]\nby_code: {7: {name: c}}\n')
    assert whole == Whole(
        title="010", rate=3.0, items=(Item(name="a"), Item(name="b", level="high")), by_code={7: Item(name="c")}
    )


def test_every_fault_is_told_at_once_in_the_order_of_the_file() -> None:
    assert faults("title: 010\nrate: fast\non: no\nitems:\n  - {name: a, size: 12}\n  - {nam: b, level: mid}\n") == [
        "site.yaml:1:8: title: must be text, not 10; put it in quotes if it is meant as text",
        "site.yaml:2:7: rate: must be a number, not text",
        "site.yaml:3:5: on: must be true or false, not text",
        "site.yaml:5:21: items.0.size: must be at most 9, not 12",
        "site.yaml:6:5: items.1.name: is missing; add it",
        "site.yaml:6:6: items.1.nam: unknown key, perhaps name; known are name, level, size",
        "site.yaml:6:21: items.1.level: must be 'low' or 'high', not 'mid'",
    ]


def test_a_fault_below_a_number_as_key_is_found() -> None:
    assert faults("title: x\nby_code:\n  0x07: {name: 5}\n") == [
        "site.yaml:3:16: by_code.7.name: must be text, not 5; put it in quotes if it is meant as text"
    ]


def test_a_misplaced_secret_is_not_repeated() -> None:
    assert "hunter2" not in " ".join(faults("title: x\npassword: hunter2\n"))
    assert "hunter2" not in " ".join(faults("title: x\npassword: {fil: hunter2}\n"))


def test_a_part_of_a_file_is_checked_at_its_place() -> None:
    with pytest.raises(ConfigError, match=r"site\.yaml:3:11: a\.1\.title: must be text"):
        checked("a:\n- 1\n- {title: 1}\n", at=("a", 1))


def test_a_file_of_the_wrong_shape_is_told_so() -> None:
    assert faults("- a\n") == ["site.yaml:1:1: must be a mapping of keys to values, not a list"]
    assert faults("") == ["site.yaml:1:1: must be a mapping of keys to values, not nothing"]


def test_numbers_that_no_field_holds_are_refused() -> None:
    assert faults(f"title: x\nrate: {'9' * 400}\n")[0].startswith("site.yaml:2:7: rate: ")
    assert faults(f"title: x\nrate: {'9' * (sys.get_int_max_str_digits() + 1)}\n")[0].startswith(
        "site.yaml:2:7: rate: "
    )
