"""What a failed test says: what was expected, and what was heard last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleetd_hil.rig.messages import Wanted
from fleetd_hil.scenario.invariants import Breach
from fleetd_hil.scenario.observer import Heard, Observer


class Unseen(AssertionError):
    """A site did not do what a test expects of it."""


def unseen(wanted: Wanted, observer: Observer, began_s: float, ended_s: float) -> str:
    """Why nothing heard between the two instants was what was wanted."""
    lines = [f"not seen from {began_s:.1f} to {ended_s:.1f} s: {wanted}"]
    near = [message for message in observer.heard if wanted.concerns(message)]
    inside = [message for message in near if message.after_s >= began_s]
    if not near:
        lines.append(f"  no {wanted.kind}{_of(wanted)} was ever heard")
    elif not inside:
        lines.append(f"  none came in that time; the last was heard at {near[-1].after_s:.1f} s")
    else:
        lines += _nearest(wanted, inside)
    if wanted.device and wanted.kind != "status":
        lines += _standing(wanted.device, observer)
    return "\n".join(lines)


def refused(wanted: Wanted, end: Heard) -> str:
    """Why a command came to another end."""
    why = end.body.get("reason") or "no reason was given"
    return f"not seen: {wanted}\n  the command was {end.body['stage']} after {end.after_s:.1f} s: {why}"


def breached(breaches: Iterable[Breach]) -> str:
    """What must never be, and was."""
    return "\n".join(f"{each.name}: broken after {each.after_s:.1f} s: {each.words}" for each in breaches)


def _nearest(wanted: Wanted, inside: list[Heard]) -> Iterator[str]:
    last = inside[-1]
    yield f"  {len(inside)} came; in the last, at {last.after_s:.1f} s, {', '.join(wanted.off(last))}"
    best = min(inside, key=lambda message: len(wanted.off(message)))
    if len(wanted.off(best)) < len(wanted.off(last)):
        yield f"  nearest was that at {best.after_s:.1f} s, where {', '.join(wanted.off(best))}"
    for each in wanted.conditions:
        if wanted.kind == "reading" and all(message.value(each.field) is None for message in inside):
            there = ", ".join(sorted(last.body["values"]))
            yield f"  no reading of {wanted.device} has {each.field}; there are {there}"


def _standing(device: str, observer: Observer) -> Iterator[str]:
    said = [message.body for message in observer.of("status") if message.body["device"] == device]
    if said and said[-1]["state"] != "online":
        yield f"  {device} is {said[-1]['state']}: {said[-1].get('reason') or 'no reason was given'}"


def _of(wanted: Wanted) -> str:
    return f" of {wanted.device}" if wanted.device else ""
