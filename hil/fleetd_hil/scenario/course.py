"""The course of a scenario as bars of a time line: what befell it, and what it said that lasted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fleetd_hil.scenario.observer import Heard
from fleetd_hil.scenario.play import Verdict
from fleetd_hil.scenario.plots import COLOURS, Bar

_BEFELL, _CONTACT, _ALARM, _STATUS, _ORDER = COLOURS[1], COLOURS[0], COLOURS[4], COLOURS[5], COLOURS[2]
_LASTING = re.compile(r"\+(\d+(?:\.\d+)?)$")


def bars(verdict: Verdict) -> Iterator[Bar]:
    """First what befell, then contacts, alarms, devices that were not online, and commands; each in order of time."""
    heard = [each for each in verdict.heard if each.after_s <= verdict.scenario.lasts]  # then all is switched off
    yield from _befell(verdict)
    yield from _contacts(heard)
    yield from _lasting(heard, "alarm", _ALARM, verdict.scenario.lasts)
    yield from _lasting(heard, "status", _STATUS, verdict.scenario.lasts)
    yield from _commands(heard)


def _befell(verdict: Verdict) -> Iterator[Bar]:
    steps = sorted(verdict.scenario.timeline, key=lambda step: step.at)
    for step in steps:
        end_s = step.at
        if step.fault is not None:
            lasting = _LASTING.search(step.fault)
            cleared = [
                each.at for each in steps if each.of == step.of and each.clear == step.fault and each.at > step.at
            ]
            end_s = step.at + float(lasting[1]) if lasting else min(cleared, default=verdict.scenario.lasts)
        lane = f"{step.of}: {step.fault}" if step.fault is not None else step.words
        yield Bar(lane, step.at, end_s, _BEFELL, f"{step.at:g} s: {step.words}")


def _contacts(heard: Sequence[Heard]) -> Iterator[Bar]:
    for each in heard:
        if each.kind == "contact":
            worked_s = (each.value("samples") or 0) * 1.0
            words = f"{each.body['contact']}: {each.body['outcome']} {each.body['reason']}"
            yield Bar(f"contact with {each.body['satellite']}", each.after_s - worked_s, each.after_s, _CONTACT, words)


def _lasting(heard: Sequence[Heard], kind: str, colour: str, until_s: float) -> Iterator[Bar]:
    """Alarms while they were active, devices while they were not online."""
    since: dict[str, tuple[float, str]] = {}
    for each in heard:
        if each.kind != kind:
            continue
        alarm = kind == "alarm"
        key = f"alarm {each.body['name']} of {each.body['device']}" if alarm else f"{each.body['device']} not online"
        wrong = each.body["active"] if alarm else each.body["state"] != "online"
        words = each.body["text"] if alarm else f"{each.body['state']}: {each.body['reason']}"
        if wrong:
            since.setdefault(key, (each.after_s, words))
        elif key in since:
            begin_s, words = since.pop(key)
            yield Bar(key, begin_s, each.after_s, colour, words)
    for key, (begin_s, words) in since.items():
        yield Bar(key, begin_s, until_s, colour, words)


def _commands(heard: Sequence[Heard]) -> Iterator[Bar]:
    """From the first word on each until the last."""
    seen: dict[str, tuple[float, float, str]] = {}
    for each in heard:
        if each.kind == "result":
            key = f"{each.body['action']} of {each.body['device']}"
            begin_s = seen[key][0] if key in seen else each.after_s
            seen[key] = begin_s, each.after_s, f"{each.body['stage']} {each.body['reason']}"
    for key, (begin_s, end_s, words) in seen.items():
        yield Bar(key, begin_s, end_s, _ORDER, words)
