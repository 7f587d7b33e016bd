"""Every command that a page tells its reader to give is one that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from fleetd.cli.app import app as fleetctl
from fleetd_hil.cli import app as fleethil

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for place in ("docs", "hil", "drivers") for page in (ROOT / place).rglob("*.md"))]
)
PROGRAMS: dict[str, Any] = {"fleetctl": typer.main.get_command(fleetctl), "fleethil": typer.main.get_command(fleethil)}
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`((?:fleetctl|fleethil) [^`\n]+)`")
COMMAND = re.compile(r"(?:^|[\s(])(fleetctl|fleethil)\s([^|;&>]*)")


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """What a page has its reader type, in shell blocks, indented lines and single words of code."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    lines += [line for line in text.splitlines() if line.startswith("    fleet")]
    for line in [*lines, *INLINE.findall(text)]:
        for program, rest in COMMAND.findall(line):
            yield program, shlex.split(rest, comments=True)


def faults(program: str, words: list[str]) -> str:
    """What is wrong with one command, by the program's own account; '' for nothing. Values are not looked at."""
    command, rest = PROGRAMS[program], list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            named = [each for each in command.params if word.split("=")[0] in (*each.opts, *each.secondary_opts)]
            if word != "--help" and not named:
                return f"{command.name} has no option {word}"
            if named and "=" not in word and not getattr(named[0], "is_flag", False):
                del rest[:1]
        elif (inner := getattr(command, "commands", None)) is not None and word.islower() and word.isalpha():
            if word not in inner:
                return f"{command.name} has no command {word}"
            command = inner[word]
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_has_its_reader_type_is_there(page: Path) -> None:
    for program, words in commands(page):
        assert not faults(program, words), f"{program} {' '.join(words)}"


def test_a_command_or_an_option_that_is_not_there_is_found() -> None:
    assert faults("fleetctl", ["relay", "statut"]) == "relay has no command statut"
    assert faults("fleetctl", ["--username", "ops", "fleet"]) == "fleetctl has no option --username"
    assert faults("fleetctl", ["passes", "--hours", "24", "--elevations", "10"]) == "passes has no option --elevations"
    assert faults("fleetctl", ["--broker", "mqtt://b", "fleet", "--username", "ops"]) == ""
