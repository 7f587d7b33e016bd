# ruff: noqa: INP001  # a script beside the page that it writes, not a package
"""Writes docs/reference/register-maps.md from the shipped register maps.

python docs/register_maps.py            writes it
python docs/register_maps.py --check    says if it is not as it would be written, and ends with 1 then
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from fleetd.registers.loader import load_map, map_names
from fleetd.registers.model import ActionMap, RegisterMap, ValueSpec

PAGE = Path(__file__).parent / "reference" / "register-maps.md"

HEAD = """# Register maps

The maps in `configs/register-maps/`, as fleetd reads them. Written by `python docs/register_maps.py`. A map is data:
poll plan, decoder, the simulator's registers, `fleetctl registers` and this page all come from it. Addresses count
from zero. A map of your own is checked against `configs/register-map.schema.json` by your editor, and by each program
that loads it against its own golden samples; nothing of it is used unless they decode, and encode, as they say.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *(line for name in map_names() for line in _map(load_map(name)))]).rstrip() + "\n"


def _map(known: RegisterMap) -> Iterator[str]:
    yield from (f"## {known.name}: {known.title}", "", " ".join(known.about.split()), "")
    yield from _facts(known)
    yield "| value | table | address | type | means | unit | range | no value | access | group |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for spec in known.values:
        yield from _value(known, spec)
    yield ""
    if known.forbidden:
        yield from ("Never asked for, not even in passing:", "")
        yield from (f"- {hole.table} {hole.first} to {hole.last}: {hole.why}" for hole in known.forbidden)
        yield ""
    if known.actions:
        yield from ("| action | code | arguments | interlocks | |", "|---|---|---|---|---|")
        yield from map(_action, known.actions)
        yield ""


def _facts(known: RegisterMap) -> Iterator[str]:
    if known.identity:
        yield f"- Known by: `{known.identity.value}` is {known.identity.equals}."
    yield f"- Order of values of several registers: {known.word_order}. At most {known.block_cap} registers an answer."
    if known.stop:
        seen = ", ".join(f"`{name}` {str(value).lower()}" for name, value in known.stop.verify.items())
        yield f"- Stop: `{known.stop.write}` is set, and in force once {seen}."
    if known.heartbeat:
        yield f"- Heartbeat: `{known.heartbeat.write}`, within `{known.heartbeat.timeout_ms}`."
    for name, group in known.groups.items():
        yield f"- Group `{name}`: read at each {_nth(group.every)} poll."
    yield ""


def _nth(every: int) -> str:
    return "single" if every == 1 else f"{every}th"


def _value(known: RegisterMap, spec: ValueSpec) -> Iterator[str]:
    order = known.order_of(spec)
    kind = spec.type if spec.size == 1 or order == "ABCD" else f"{spec.type} {order}"
    absent = "; ".join(f"{code}: {why}" for code, why in spec.absent.items())
    cells = (
        f"`{spec.name}`", spec.table, str(spec.address), kind, _meaning(spec), spec.unit, _range(spec), absent,
        _access(spec), "" if spec.poll == "never" else spec.poll,
    )  # fmt: skip
    yield f"| {' | '.join(_safe(cell) for cell in cells)} |"
    for name, part in spec.fields.items():
        bits = f"bit {part.bit}" if part.width == 1 else f"bits {part.bit} to {part.bit + part.width - 1}"
        words = ", ".join(f"{code} {word}" for code, word in part.enum.items())
        yield f"| · `{name}` | | | {bits} | {_safe('; '.join(filter(None, (part.help, words))))} | | | | | |"


def _access(spec: ValueSpec) -> str:
    words = [spec.access or ("rw" if spec.writable else "r")]
    words += ["set only"] if spec.set_only else []
    words += ["may be written twice"] if spec.idempotent else []
    words += [f"shown by `{spec.verify}`"] if spec.verify else []
    return ", ".join(words)


def _meaning(spec: ValueSpec) -> str:
    words = ", ".join(f"{code} {word}" for code, word in spec.enum.items())
    scale = f"x {spec.scale:g}" if spec.scale is not None else ""
    offset = f"{spec.offset:+g}" if spec.offset else ""
    band = "" if spec.deadband is None else f"deadband {spec.deadband:g}"
    return "; ".join(filter(None, (spec.help, words, f"{scale} {offset}".strip(), band)))


def _range(spec: ValueSpec) -> str:
    if spec.minimum is None and spec.maximum is None:
        return ""
    low = "" if spec.minimum is None else f"{spec.minimum:g}"
    high = "" if spec.maximum is None else f"{spec.maximum:g}"
    return f"{low} to {high}".strip()


def _action(action: ActionMap) -> str:
    arguments = ", ".join(
        f"`{part.name}` {part.minimum:g} to {part.maximum:g}{f' {part.unit}' if part.unit else ''}"
        for part in action.arguments
    )
    hazard = f"{action.help}{'; hazardous' if action.hazardous else ''}"
    locks = ", ".join(action.interlocks)
    return f"| `{action.name}` | {action.code} | {arguments} | {_safe(locks)} | {_safe(hazard)} |"


def _safe(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())


def main(arguments: list[str]) -> int:
    """Write the page, or check it; the exit code."""
    text = page()
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text("utf-8") == text:
            return 0
        sys.stderr.write(f"{PAGE.name} is not what the maps say; run: python docs/register_maps.py\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
