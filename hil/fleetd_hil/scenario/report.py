"""A verdict as one HTML page: what was expected and came, what befell and was said, and plots of how the world stood.

The page holds everything itself: no scripts, no links, no fonts from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fleetd_hil.scenario.course import bars
from fleetd_hil.scenario.invariants import NAMES
from fleetd_hil.scenario.observer import Heard
from fleetd_hil.scenario.play import Finding, Verdict
from fleetd_hil.scenario.plots import COLOURS, Axis, Bar, Line, chart, lanes, sky

_STYLE = """
:root{--ink:#22303a;--soft:#66757f;--line:#dfe6ea;--paper:#fbfcfd;--card:#fff;--good:#1f7a4d;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#dbe4ea;--soft:#93a3ad;--line:#2d3a43;--paper:#12181d;--card:#1a2228;
--good:#5fc08f;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1080px;margin:0 auto;
padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:0 0 .6rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.2rem;margin-top:1rem}
table{border-collapse:collapse;width:100%}td{padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);
vertical-align:top}tr:last-child td{border-bottom:0}
td:first-child{width:4.4rem}
.held{color:var(--good)}.not{color:var(--bad);font-weight:600}.quiet{color:var(--soft)}.mark-word{white-space:nowrap}
.badge{display:inline-block;padding:.05rem .7rem;border-radius:1rem;color:#fff;font-size:1rem;vertical-align:.15rem}
.badge.held{background:#1f7a4d}.badge.not{background:#b3261e}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
svg text.lane{fill:var(--ink);font-size:11.5px}.grid{stroke:var(--line)}.mark{stroke:#c8553d;stroke-dasharray:2 4}
.legend{margin:.6rem 0 .1rem;font-size:13px}.key{margin-left:1rem;color:var(--soft)}
.key svg{display:inline-block;width:22px;height:8px;margin-right:.35rem;vertical-align:middle}
.beside{display:flex;gap:1rem;align-items:center}.beside>:first-child{flex:1}svg.sky{width:260px;flex:none}
summary{cursor:pointer}
"""
_FAR_HZ = 100_000  # what is farther off belongs to another satellite
_FATES = {"heard": COLOURS[2], "off-frequency": COLOURS[4], "off-beam": COLOURS[1], "out-of-view": COLOURS[5]}


def report_html(verdict: Verdict) -> str:
    """The page of one scenario."""
    scenario, kind = verdict.scenario, "held" if verdict.passed else "not"
    axis = Axis(scenario.lasts, verdict.steps)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(verdict.name)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(verdict.name)} <span class='badge {kind}'>{verdict.word}</span></h1>",
        f"<p>{escape(scenario.purpose)}</p>",
        f"<p class=quiet>{scenario.lasts:g} s from {scenario.start:%Y-%m-%d %H:%M:%S} UTC, seed {scenario.seed}, ",
        f"{len(verdict.heard)} messages, played in {verdict.wall_s:.1f} s; log {verdict.fingerprint[:16]}</p>",
        _section("What was expected of it", _findings([each for each in verdict.findings if each.words not in NAMES])),
        _section("What holds in every scenario", _findings([each for each in verdict.findings if each.words in NAMES])),
        _section("What befell the site, and how it answered", lanes(list(bars(verdict)), axis)),
        _section("Pointing", "".join(_pointing(verdict, axis))),
        _section("Link", "".join(_link(verdict, axis))),
        _section("Robots", "".join(_robots(verdict, axis))),
        _section("Word for word", f"<details><summary>all that was said</summary>{_story(verdict)}</details>"),
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _findings(findings: Sequence[Finding]) -> str:
    rows = [_finding(each) for each in sorted(findings, key=lambda each: each.held)]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _finding(each: Finding) -> str:
    mark = "<td class='held mark-word'>✓ held" if each.held else "<td class='not mark-word'>✗ not"
    return f"<tr>{mark}</td><td>{escape(each.words)}</td><td class=quiet>{escape(each.evidence)}</td></tr>"


# Plots


def _pointing(verdict: Verdict, axis: Axis) -> Iterator[str]:
    for name, way in verdict.trace.antennas.items():
        rows = list(_readings(verdict, "commanded_azimuth_deg"))
        for number, part in enumerate(("azimuth", "elevation")):
            lines = [
                Line(each, [(row[0], row[number + 1]) for row in up], COLOURS[4 + index], "1 4", 2.2)
                for index, (each, up) in enumerate(_gapped(verdict).items())
            ]
            lines.append(Line("truly", [(row[0], row[number + 1]) for row in way], COLOURS[0]))
            told = [(row.after_s, row.value(f"commanded_{part}_deg")) for row in rows]
            lines.append(Line("commanded", told, COLOURS[1], "5 3", 1.2))
            yield chart(f"{name}: {part}, deg", lines, axis)
        if verdict.trace.satellites:
            paths = [
                Line(each, [(az, el) for _, az, el in up], COLOURS[4 + index], "1 4", 2.5)
                for index, (each, up) in enumerate(verdict.trace.satellites.items())
            ]
            paths.append(Line(name, [(az, el) for _, az, el in way], COLOURS[0]))
            yield f"<div class=beside><p class=quiet>{_SKY_WORDS}</p>{sky(paths)}</div>"


_SKY_WORDS = (
    "Seen from the antenna, north up: where it really pointed (line) and where the satellites really were (dots)."
)


def _gapped(verdict: Verdict) -> dict[str, list[tuple[float, float | None, float | None]]]:
    """Satellites while they were up, with gaps between passes."""
    gapped: dict[str, list[tuple[float, float | None, float | None]]] = {}
    for name, up in verdict.trace.satellites.items():
        rows = gapped.setdefault(name, [])
        for at_s, azimuth_deg, elevation_deg in up:
            turned = bool(rows) and abs((rows[-1][1] or 0.0) - azimuth_deg) > 180
            if rows and (turned or at_s - rows[-1][0] > 3 * verdict.trace.every_s):
                rows.append((at_s, None, None))
            rows.append((at_s, azimuth_deg, elevation_deg))
    return gapped


def _link(verdict: Verdict, axis: Axis) -> Iterator[str]:
    """Each frame as a tick, by what became of it; and when the transmitters were on."""
    carried, trace = verdict.trace.carried, verdict.trace
    marks = [
        Bar(
            f"{each.satellite} {'up' if each.up else 'down'}: {each.fate}",
            each.at_s,
            each.at_s,
            _FATES[each.fate],
            f"{each.at_s:.1f} s",
        )
        for each in sorted(carried, key=lambda each: (each.satellite, each.up, list(_FATES).index(each.fate)))
    ]
    for rig, stretches in trace.keyed.items():
        marks += [
            Bar(f"{rig} transmits", begin, end, COLOURS[3], f"{begin:.1f} to {end:.1f} s") for begin, end in stretches
        ]
    if marks:
        yield lanes(marks, axis)
        heard = sum(each.fate == "heard" for each in carried if not each.up)
        down = sum(not each.up for each in carried)
        yield f"<p class=quiet>{heard} of {down} frames that came into view were heard.</p>"
    tuned = [(row.after_s, row.value("main_hz")) for row in _readings(verdict, "main_hz")]
    if some := sorted(hz for _, hz in tuned if hz is not None):
        middle_hz = some[len(some) // 2]
        near = [(at_s, (hz - middle_hz) / 1e3 if hz and abs(hz - middle_hz) < _FAR_HZ else None) for at_s, hz in tuned]
        yield chart(f"radio, kHz from {middle_hz / 1e6:.4f} MHz", [Line("main", near, COLOURS[0])], axis, 150.0)


def _robots(verdict: Verdict, axis: Axis) -> Iterator[str]:
    for value, title in (("speed_m_s", "speed, m/s"), ("battery_charge_percent", "battery, %")):
        lines: dict[str, list[tuple[float, float | None]]] = {}
        for row in _readings(verdict, value):
            fresh = row.value(value) if row.body["quality"] == "GOOD" else None
            lines.setdefault(row.body["device"], []).append((row.after_s, fresh))
        some = [(name, points) for name, points in lines.items() if any(each for _, each in points)][: len(COLOURS)]
        yield chart(title, [Line(name, points, COLOURS[n]) for n, (name, points) in enumerate(some)], axis, 160.0)


def _readings(verdict: Verdict, value: str) -> Iterator[Heard]:
    return (each for each in verdict.heard if each.kind == "reading" and value in each.body["values"])


# Words


def _story(verdict: Verdict) -> str:
    """Steps and all that is rare enough to be read, in order of time."""
    told: list[tuple[float, str, str]] = [(at_s, "step", words) for at_s, words in verdict.steps]
    told += [(each.after_s, each.kind, text) for each in verdict.heard if (text := _told(each))]
    rows = [
        f"<tr><td class='quiet mark-word'>{at_s:.1f} s</td><td{' class=not' if kind == 'step' else ''}>{kind}</td>"
        f"<td>{escape(words)}</td></tr>"
        for at_s, kind, words in sorted(told)
    ]
    return f"<table>{''.join(rows)}</table>"


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
