"""`fleetctl downlink`: frames off the air as they come, taken apart, counted, and decoded anew."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.answers import show_facts
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(
    help="Frames off the air: follow, list, take apart, count, decode anew.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Satellite = Annotated[str, typer.Option(help="Only this satellite's.")]
_COLUMNS = {
    "frame": "number",
    "at": "at",
    "satellite": "satellite",
    "contact": "contact",
    "el °": "elevation_deg",
    "off °": "pointing_error_deg",
    "Doppler Hz": "doppler_hz",
    "bytes": "bytes",
    "flaw": "flaw",
}
_BYTES_A_LINE = 16


@app.command()
def tail(
    satellite: Satellite = "",
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Follow frames and what is decoded of them as they come, until interrupted."""
    from fleetd.cli.api import Daemon

    with suppress(KeyboardInterrupt):
        for record in Daemon(socket).stream("watch", kinds="frame,reading"):
            if record["type"] != "frame" and "packet" not in record:
                continue
            if satellite and satellite not in (record.get("satellite"), record["device"]):
                continue
            if as_json:
                screen.print_json_line(record)
            else:
                screen.say_shortly(_line(record))


@app.command()
def show(
    number: Annotated[
        int | None, typer.Argument(help="Number of a frame; left out, the newest are listed.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 20,
    satellite: Satellite = "",
    contact: Annotated[str, typer.Option(help="List only this contact's.")] = "",
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """List archived frames, or take one apart: its bytes with the fields named, and its values."""
    from fleetd.cli.api import Daemon

    if number is not None:
        shown = Daemon(socket).get("downlink", "frames", str(number))
        screen.print_json(shown) if as_json else _take_apart(shown)
        return
    wish = {"satellite": satellite, "contact": contact}
    answer = Daemon(socket).get("downlink", "frames", most=most, **{key: value for key, value in wish.items() if value})
    if as_json:
        screen.print_json(answer)
    else:
        rows = [{**frame, "bytes": len(base64.b64decode(frame["data"]))} for frame in answer]
        screen.print_records(_COLUMNS, rows, empty="no frame is in the archive")


@app.command()
def replay(
    since: Annotated[str, typer.Option(help="How long ago, as in 90s, 2h or 7d; or a time.")],
    until: Annotated[str, typer.Option(help="The same; now, unless given.")] = "",
    satellite: Satellite = "",
    contact: Annotated[str, typer.Option(help="Only this contact's.")] = "",
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Decode archived frames with the decoders of now; what they hold is published under the times they came.

    After a change of decoder or database: reload the daemon, then replay.
    """
    from fleetd.cli.api import Daemon
    from fleetd.cli.times import parse_when
    from fleetd.clock import iso_ms, parse_utc

    daemon = Daemon(socket)
    now = parse_utc(daemon.get("status")["at"])
    body: dict[str, Any] = {"since": iso_ms(parse_when(since, now)), "satellite": satellite, "contact": contact}
    if until:
        body["until"] = iso_ms(parse_when(until, now))
    answer = daemon.post("downlink", "replay", body=body, wait_s=600.0)
    show_facts(answer, as_json=as_json)


@app.command()
def stats(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Show how reception stands at each TNC, and what the running contact has brought so far."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("downlink", "stats")
    if as_json:
        screen.print_json(answer)
        return
    for each in answer:
        screen.print_facts(each)
    if not answer:
        screen.say("no antenna has a TNC")


def _line(record: Mapping[str, Any]) -> str:
    if record["type"] == "frame":
        size = len(base64.b64decode(record["data"]))
        where = f" at {record['elevation_deg']} degrees" if record.get("elevation_deg") is not None else ""
        flaw = f", {record['flaw']}" if record.get("flaw") else ""
        who = record.get("satellite") or "outside a contact"
        return f"{record['at']}  frame {record['number']}  {who}{where}, {size} bytes{flaw}"
    values = ", ".join(f"{name} {screen.plain(value)}" for name, value in record["values"].items())
    return f"{record['at']}  {record['device']}  {record['packet']}: {values}"


def _take_apart(shown: Mapping[str, Any]) -> None:
    frame = dict(shown["frame"])
    frame.pop("data")
    screen.print_facts({key: value for key, value in frame.items() if value not in (None, "", {})})
    for field in shown["fields"]:
        data = base64.b64decode(field["data"])
        for at in range(0, len(data), _BYTES_A_LINE):
            piece = data[at : at + _BYTES_A_LINE]
            text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
            label = f"{field['name']}  {field['value']}" if at == 0 else ""
            screen.say(f"{field['at'] + at:04x}  {piece.hex(' '):<47}  {text:<16}  {label}".rstrip())
    for reading in shown["readings"]:
        screen.say(f"{reading['packet']}:")
        for name, value in reading["values"].items():
            screen.say("  " + _value(reading, name, value))
    for flaw in shown["flaws"]:
        screen.say(f"not believed: {flaw}")


def _value(reading: Mapping[str, Any], name: str, value: Any) -> str:
    unit = f" {reading['units'][name]}" if name in reading["units"] else ""
    raw = f"  (raw {reading['raw'][name]})" if name in reading["raw"] else ""
    why = f"  {reading['absent'][name]}" if name in reading["absent"] else ""
    return f"{name} {screen.plain(value)}{unit}{raw}{why}"
