"""The demo on a terminal: antenna, contacts, robots and relay, drawn from what the control API answers.

Only drawing. On anything but a terminal the same facts come as a plain line now and then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

STATE_COLOURS = {"online": "green", "stale": "yellow", "offline": "red", "quarantined": "red"}
COMPASS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"]
ROBOT_ROWS = 12


@dataclass(slots=True)
class Picture:
    """The newest answers of the control API, as they came."""

    now: datetime
    rate: float
    broker: str
    antennas: Sequence[Mapping[str, Any]] = ()
    contacts: Sequence[Mapping[str, Any]] = ()
    robots: Sequence[Mapping[str, Any]] = ()
    relay: Mapping[str, Any] = field(default_factory=dict)
    received: int = 0
    lost: int = 0
    commands: Mapping[str, int] = field(default_factory=dict)


def draw(picture: Picture) -> RenderableType:
    """The whole screen."""
    title = f"fleetd demo   {picture.now:%Y-%m-%d %H:%M:%S} UTC   x{picture.rate:g}   all devices simulated"
    top = Columns([_antenna_panel(picture), _relay_panel(picture)], expand=True)
    return Group(Text(title, style="bold"), top, _contacts_table(picture), _robots_table(picture))


def plain(picture: Picture) -> str:
    """The same in one line."""
    online = sum(robot["state"] == "online" for robot in picture.robots)
    working = [contact["satellite"] for contact in picture.contacts if contact["state"] == "running"]
    antenna = "; ".join(_direction(antenna) for antenna in picture.antennas) or "no antenna yet"
    return (
        f"{picture.now:%H:%M:%S}  {'working ' + working[0] if working else 'waiting for a pass'}; {antenna}; "
        f"{online} robots online; {picture.received} messages received, {picture.lost} lost"
    )


def _antenna_panel(picture: Picture) -> Panel:
    rows = Table.grid(padding=(0, 2))
    for antenna in picture.antennas:
        rows.add_row("antenna", Text(f"{antenna['name']}, {antenna['state']}", style=_colour(antenna["state"])))
        rows.add_row("measured", _angles(antenna["azimuth_deg"], antenna["elevation_deg"]))
        rows.add_row("commanded", _angles(antenna["commanded_azimuth_deg"], antenna["commanded_elevation_deg"]))
        rows.add_row("held by", "stowed from the wind" if antenna["wind"] else antenna["held_by"] or "nobody")
    return Panel(rows, title="antenna", height=8)


def _relay_panel(picture: Picture) -> Panel:
    relay, rows = picture.relay, Table.grid(padding=(0, 2))
    rows.add_row("broker", f"{picture.broker}, {'connected' if relay.get('connected') else 'away'}")
    rows.add_row("produced", f"{relay.get('produced', 0)} records, {relay.get('readings_produced', 0)} readings")
    rows.add_row("acknowledged", f"{relay.get('acked', 0)}, {relay.get('backlog', 0)} waiting")
    rows.add_row("received", f"{picture.received} messages by the observer, {picture.lost} lost")
    rows.add_row("commands", ", ".join(f"{count} {stage}" for stage, count in picture.commands.items()) or "none yet")
    return Panel(rows, title="relay", height=8)


def _contacts_table(picture: Picture) -> Table:
    table = Table("satellite", "AOS", "LOS", "highest", "state", title="contacts", title_justify="left", expand=True)
    for contact in picture.contacts[:4]:
        style = "bold green" if contact["state"] == "running" else None
        table.add_row(
            contact["satellite"],
            _clock_time(contact["aos"]),
            _clock_time(contact["los"]),
            f"{contact['max_elevation_deg']:.0f} deg",
            contact["state"],
            style=style,
        )
    return table


def _robots_table(picture: Picture) -> Table:
    table = Table(
        "robot", "state", "mode", "errand", "speed", "battery", title="robots", title_justify="left", expand=True
    )
    moving_first = sorted(picture.robots, key=lambda robot: (not robot["speed_m_s"], robot["name"]))
    for robot in moving_first[:ROBOT_ROWS]:
        table.add_row(
            robot["name"],
            Text(robot["state"], style=_colour(robot["state"])),
            robot["mode"] or "-",
            robot["errand"] or "-",
            "-" if robot["speed_m_s"] is None else f"{robot['speed_m_s'] * 3.6:.0f} km/h",
            "-" if robot["battery_percent"] is None else f"{robot['battery_percent']:.0f} %",
        )
    if len(moving_first) > ROBOT_ROWS:
        table.caption = f"and {len(moving_first) - ROBOT_ROWS} more"
    return table


def _angles(azimuth_deg: float | None, elevation_deg: float | None) -> str:
    if azimuth_deg is None or elevation_deg is None:
        return "-"
    return f"{azimuth_deg:6.1f} deg {COMPASS[round(azimuth_deg / 22.5) % 16]:<3}  {elevation_deg:5.1f} deg up"


def _direction(antenna: Mapping[str, Any]) -> str:
    stowed = " (stowed from the wind)" if antenna["wind"] else ""
    return f"{antenna['name']} at {_angles(antenna['azimuth_deg'], antenna['elevation_deg']).strip()}{stowed}"


def _clock_time(when: str) -> str:
    return when[11:19]


def _colour(state: str) -> str:
    return STATE_COLOURS.get(state, "default")
