"""A verdict as one HTML page: what was expected and came, a time line of what befell and what was said, and plots.

The page holds everything itself: no scripts, no links, no fonts from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fleetd_hil.scenario.observer import Heard
from fleetd_hil.scenario.play import Verdict

_WIDTH, _HEIGHT, _LEFT, _TOP = 1000.0, 180.0, 60.0, 14.0
_COLOURS = ("#0b6fa4", "#c8553d", "#3c8d53", "#8a5fb0", "#b07d1a", "#4a5a6a", "#7aa6c2", "#d9a08e")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#26323c;max-width:1100px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #e3e8ec;vertical-align:top}
.held{color:#23764a}.not{color:#b3261e;font-weight:600}.quiet{color:#7b8794}
svg text{font:11px system-ui,sans-serif;fill:#56636f}.grid{stroke:#e3e8ec}.step{stroke:#c8553d;stroke-dasharray:3 3}
"""


def report_html(verdict: Verdict) -> str:
    """The page of one scenario."""
    scenario, passed = verdict.scenario, verdict.passed
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{escape(verdict.name)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(verdict.name)}: <span class={'held' if passed else 'not'}>{verdict.word}</span></h1>",
        f"<p>{escape(scenario.purpose)}</p>",
        f"<p class=quiet>{scenario.lasts:g} s from {scenario.start:%Y-%m-%d %H:%M:%S} UTC, seed {scenario.seed}, ",
        f"{len(verdict.heard)} messages, played in {verdict.wall_s:.1f} s; log {verdict.fingerprint[:16]}</p>",
        "<h2>What was expected</h2><table>",
        *(_finding(finding.words, finding.evidence, held=finding.held) for finding in verdict.findings),
        "</table><h2>Pointing</h2>",
        *_pointing(verdict),
        "<h2>Batteries</h2>",
        *_batteries(verdict),
        "<h2>What befell the site, and what it said</h2><table>",
        *_story(verdict),
        "</table></html>",
    ]
    return "\n".join(parts) + "\n"


def _finding(words: str, evidence: str, *, held: bool) -> str:
    mark = "<td class=held>held" if held else "<td class=not>not"
    return f"<tr>{mark}</td><td>{escape(words)}</td><td class=quiet>{escape(evidence)}</td></tr>"


def _story(verdict: Verdict) -> Iterator[str]:
    """Steps and all that is rare enough to be read, in order of time."""
    told: list[tuple[float, str, str]] = [(at_s, "step", words) for at_s, words in verdict.steps]
    told += [(each.after_s, each.kind, text) for each in verdict.heard if (text := _told(each))]
    for at_s, kind, words in sorted(told):
        strong = " class=not" if kind == "step" else ""
        yield f"<tr><td class=quiet>{at_s:.1f} s</td><td{strong}>{kind}</td><td>{escape(words)}</td></tr>"


def _told(each: Heard) -> str:
    body = each.body
    match each.kind:
        case "alarm":
            return f"{'raised' if body['active'] else 'over'}: {body['text']}"
        case "event" if body["source"] != "audit":
            return f"{body['name']}: {body['text']}"
        case "status":
            return f"{body['device']} is {body['state']} {body['reason']}"
        case "result":
            return f"{body['id']} {body['action']} of {body['device']}: {body['stage']} {body['reason']}"
        case "contact":
            return f"{body['contact']}: {body['outcome']}, off by at most {body['max_pointing_error_deg']} deg"
        case _:
            return ""


def _pointing(verdict: Verdict) -> Iterator[str]:
    rows = [each for each in verdict.heard if each.kind == "reading" and "azimuth_deg" in each.body["values"]]
    if not rows:
        yield "<p class=quiet>There is no antenna in this scenario.</p>"
        return
    for axis in ("azimuth_deg", "elevation_deg"):
        lines = {
            "measured": [(row.after_s, row.value(axis)) for row in rows],
            "commanded": [(row.after_s, row.value(f"commanded_{axis}")) for row in rows],
        }
        yield _plot(axis, lines, verdict)


def _batteries(verdict: Verdict) -> Iterator[str]:
    lines: dict[str, list[tuple[float, float | None]]] = {}
    for each in verdict.heard:
        if each.kind == "reading" and "battery_charge_percent" in each.body["values"]:
            value = each.value("battery_charge_percent")
            lines.setdefault(each.body["device"], []).append((each.after_s, value))
    if lines:
        yield _plot("battery_charge_percent", dict(list(lines.items())[: len(_COLOURS)]), verdict)
    else:
        yield "<p class=quiet>There is no robot in this scenario.</p>"


def _plot(title: str, lines: dict[str, list[tuple[float, float | None]]], verdict: Verdict) -> str:
    values = [value for points in lines.values() for _, value in points if value is not None]
    if not values:
        return f"<p class=quiet>{title}: nothing was measured.</p>"
    low, high = min(values), max(values)
    span, lasts = (high - low) or 1.0, verdict.scenario.lasts

    def x(at_s: float) -> float:
        return _LEFT + (_WIDTH - _LEFT) * at_s / lasts

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP) * (high - value) / span

    parts = [f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT + 30:.0f}" role="img"><title>{title}</title>']
    for share in (0.0, 0.5, 1.0):
        value = low + span * share
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    for at_s, words in verdict.steps:
        parts.append(f'<line class="step" x1="{x(at_s):.1f}" x2="{x(at_s):.1f}" y1="{_TOP}" y2="{_HEIGHT}">')
        parts.append(f"<title>{escape(words)}</title></line>")
    for number, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for piece in _pieces(points):
            spots = " ".join(f"{x(at_s):.1f},{y(value):.1f}" for at_s, value in piece)
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{spots}"/>')
        parts.append(f'<text x="{_LEFT + 130 * number}" y="{_HEIGHT + 24}" fill="{colour}">{escape(name)}</text>')
    parts.append(f'<text x="{_WIDTH}" y="{_HEIGHT + 24}" text-anchor="end">{title}, {lasts:g} s</text></svg>')
    return "".join(parts)


def _pieces(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """Stretches without a gap."""
    piece: list[tuple[float, float]] = []
    for at_s, value in points:
        if value is None:
            if len(piece) > 1:
                yield piece
            piece = []
        else:
            piece.append((at_s, value))
    if len(piece) > 1:
        yield piece
