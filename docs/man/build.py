# ruff: noqa: INP001  # a script beside the pages that it writes, not a package
"""Writes the man pages of fleetctl and fleethil, and docs/reference/fleetctl.md, from the programs' own help.

    python docs/man/build.py            writes them
    python docs/man/build.py --check    says which are not as they would be written, and ends with 1 if any

fleetd.8 is written by hand: it is short, and says more than its options.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

import fleetd.cli.app
import fleetd_hil.cli

DOCS = Path(__file__).parents[1]

EXIT_CODES = {
    "0": "done",
    "1": "refused or failed; the reason is on standard error",
    "2": "wrong usage",
    "3": "the daemon is not reachable (commands that ask one)",
}
SOCKET_TEXT = "The daemon's control socket, where --socket does not name it; /run/fleetd/control.sock otherwise."


@dataclass(frozen=True)
class Command:
    """One command as its help tells it: the words that call it, what it does, and its arguments and options."""

    words: str
    usage: str
    text: str
    arguments: list[tuple[str, str]]
    options: list[tuple[str, str]]


def commands_of(app: typer.Typer, program: str) -> list[Command]:
    """Every command of a program, subcommands included, in the order of its help."""
    root: Any = typer.main.get_command(app)
    return list(_walk(root, program, None))


def _walk(command: Any, words: str, parent: Any) -> Iterator[Command]:
    context = command.make_context(words.rsplit(maxsplit=1)[-1], [], parent=parent, resilient_parsing=True)
    children = getattr(command, "commands", {})
    if parent is not None and (not children or command.invoke_without_command):
        usage = " ".join([words, *(piece.strip("{}") for piece in command.collect_usage_pieces(context))])
        yield Command(
            words,
            usage.replace(" COMMAND [ARGS]...", ""),
            " ".join((command.help or "").split()),
            list(_records(command, context, "argument")),
            list(_records(command, context, "option")),
        )
    for name, child in children.items():
        yield from _walk(child, f"{words} {name}", context)


def _records(command: Any, context: Any, kind: str) -> Iterator[tuple[str, str]]:
    """Name and text of each argument or option that is not hidden."""
    for parameter in command.params:
        record = parameter.get_help_record(context) if parameter.param_type_name == kind else None
        if record is not None:
            name, text = record
            yield name.removesuffix(" <list[str]>"), " ".join(text.split())


def man_page(program: str, title: str, intro: str, commands: list[Command], tail: list[tuple[str, list[str]]]) -> str:
    """A man page in section 1, in man(7) macros."""
    lines = [f'.TH {program.upper()} 1 "" "fleetd" "{title}"', ".SH NAME", f"{program} \\- {_roff(title)}"]
    lines += [".SH SYNOPSIS", f".B {program}", "COMMAND [ARGUMENTS] [OPTIONS]", ".SH DESCRIPTION", _roff(intro)]
    lines += [".SH COMMANDS"]
    for command in commands:
        lines += [f".SS {_roff(command.usage)}", _roff(command.text)]
        for name, text in [*command.arguments, *command.options]:
            lines += [".TP", f".B {_roff(name)}", _roff(text)]
    for heading, body in tail:
        lines += [f".SH {heading}", *body]
    return "\n".join(lines) + "\n"


def _tail(see_also: str) -> list[tuple[str, list[str]]]:
    codes = [line for code, text in EXIT_CODES.items() for line in (".TP", f".B {code}", _roff(text))]
    environment = [".TP", ".B FLEETD_SOCKET", _roff(SOCKET_TEXT)]
    return [("EXIT STATUS", codes), ("ENVIRONMENT", environment), ("SEE ALSO", [see_also])]


def _roff(text: str) -> str:
    """Text that troff shows as it stands."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("°", "\\(de").replace("…", "...")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def reference(commands: list[Command]) -> str:
    """docs/reference/fleetctl.md."""
    lines = [
        "# fleetctl",
        "",
        "Written by `docs/man/build.py` from the program's own help; `fleetctl COMMAND --help` says the same.",
        "",
        "Every command takes `--json`. Exit codes:",
        "",
        *(f"- **{code}** {text}" for code, text in EXIT_CODES.items()),
        "",
        'With `--json` a refusal is an object as well: `{"error": TEXT, "rule": WORD}`, the word being stable.',
        "",
        f"`FLEETD_SOCKET`: {SOCKET_TEXT[0].lower()}{SOCKET_TEXT[1:]}",
    ]
    for command in commands:
        lines += ["", f"## {command.words}", "", "```text", command.usage, "```", "", command.text]
        rows = [*command.arguments, *command.options]
        if rows:
            lines += ["", "| | |", "|---|---|"]
            lines += [f"| `{name.replace('|', '/')}` | {text.replace('|', '/')} |" for name, text in rows]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every page that is written here, by its path."""
    control = commands_of(fleetd.cli.app.app, "fleetctl")
    harness = commands_of(fleetd_hil.cli.app, "fleethil")
    control_intro = f"{fleetd.cli.app.app.info.help} Every command takes --json."
    return {
        DOCS / "man" / "fleetctl.1": man_page(
            "fleetctl", "ask and steer fleetd", control_intro, control, _tail(".BR fleetd (8),\n.BR fleethil (1)")
        ),
        DOCS / "man" / "fleethil.1": man_page(
            "fleethil",
            "simulated devices behind real bytes",
            str(fleetd_hil.cli.app.info.help),
            harness,
            [("SEE ALSO", [".BR fleetd (8),\n.BR fleetctl (1)"])],
        ),
        DOCS / "reference" / "fleetctl.md": reference(control),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the exit code."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path}: is not what the program says now; run python docs/man/build.py\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
