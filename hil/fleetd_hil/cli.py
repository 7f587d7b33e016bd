"""The `fleethil` program: serve simulated devices, and list what there is to serve and to break."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fleetd.clock import join_clock_words, parse_clock
from fleetd.errors import FleetError


class Parity(StrEnum):
    """The parity bit of a serial line."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


class Commands(TyperGroup):
    """The command table; an expected failure ends as one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except FleetError as error:
            typer.echo(f"fleethil: {error}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="fleethil",
    cls=Commands,
    help="Simulated devices behind real bytes: serve them, break them, and show the whole site working on them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    sim: Annotated[str, typer.Argument(help="Which device; `fleethil list` names them.")],
    link: Annotated[
        str,
        typer.Option(help="pty, pty:/stable/name, tcp://127.0.0.1:0 (port 0: any), or modbus+rtuovertcp://…"),
    ] = "pty",
    count: Annotated[int, typer.Option(min=1, max=247, help="Modbus: as many units, numbered from 1.")] = 1,
    lines: Annotated[
        int,
        typer.Option(min=1, max=1000, help="As many of them, each behind a port of its own: `links` in the JSON line."),
    ] = 1,
    others: Annotated[
        list[str] | None,
        typer.Option("--with", help="Modbus: SIM@UNIT, another on the same line; may be repeated."),
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME[=VALUE][/UNIT][@AFTER_S][+LASTING_S]; may be repeated.")
    ] = None,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Take more faults while running: one a line, or `clear NAME`.")
    ] = False,
    options: Annotated[list[str] | None, typer.Option(help="KEY=NUMBER of the model; may be repeated.")] = None,
    clock: Annotated[str | None, typer.Option(help="The scene's time: EPOCH xRATE [@ANCHOR].")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is left to chance.")] = 0,
    baud: Annotated[int, typer.Option(min=50, max=4_000_000, help="How fast a serial line is, in scene time.")] = 9600,
    parity: Annotated[Parity, typer.Option(help="N, E or O: what a character on the line costs.")] = Parity.NONE,
) -> None:
    """Serve one sim, or several on one Modbus line; print one JSON line with the link when ready; run until SIGTERM.

    On one serial bus: fleethil serve little-donkey --count 3 --with weather-station@10
    """
    from fleetd_hil.serve import Order, serve_until_told

    order = Order(
        sim, link, count, others or (), fault or (), options or (), from_stdin, seed, baud, parity.value, lines
    )
    for violation in asyncio.run(serve_until_told(order, parse_clock(clock), typer.echo)):
        typer.echo(f"{sim}: against the rules: {violation}", err=True)


@app.command()
def ground(
    satellite: Annotated[
        list[str], typer.Option(help="KIND:ELEMENTS:DOWNLINK_HZ:UPLINK_HZ, KIND tmall-international or candy-tin.")
    ],
    station: Annotated[str, typer.Option(help="LATITUDE,LONGITUDE,METRES of the station.")] = "30.27,120.15,20",
    clock: Annotated[str | None, typer.Option(help="The scene's time: EPOCH xRATE [@ANCHOR].")] = None,
    report: Annotated[Path | None, typer.Option(help="Keep count of every frame's fate in this JSON file.")] = None,
) -> None:
    """Serve a whole station under satellites that send: GS-232B rotator, CI-V radio and KISS TNC in one world.

    Prints one JSON line with the three links when ready; runs until SIGTERM. The TNC hears what is pointed at and tuned
    to, and the satellites obey authenticated orders.
    """
    from fleetd_hil.ground import Sky, parse_satellite, parse_station, serve_ground

    sky = Sky(parse_station(station), [parse_satellite(each) for each in satellite])
    asyncio.run(serve_ground(sky, parse_clock(clock), report, typer.echo))


@app.command()
def run(
    scenarios: Annotated[list[Path], typer.Argument(help="Scenario files, or names of shipped ones.")],
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the verdicts as JUnit XML.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page with plots and a log for each into this folder.")
    ] = None,
    processes: Annotated[
        bool, typer.Option("--processes", help="A daemon of its own, ptys and sockets, not virtual time.")
    ] = False,
    rate: Annotated[float, typer.Option(min=1, max=100, help="With --processes: how many times faster.")] = 10.0,
    jobs: Annotated[
        int, typer.Option(min=0, max=64, help="How many at once in virtual time; 0 for as many as there are cores.")
    ] = 0,
) -> None:
    """Play scenarios and judge them: what must be seen, and what must never be. Exit code 1 if one does not pass."""
    from fleetd_hil.scenario.run import run_scenarios
    from fleetd_hil.scenario.shipped import scenario_file

    scenarios = [scenario_file(named) for named in scenarios]
    pace = rate if processes else None
    at_once = jobs or len(os.sched_getaffinity(0))
    raise typer.Exit(run_scenarios(scenarios, junit=junit, reports=report, rate=pace, jobs=at_once, say=typer.echo))


@app.command()
def explore(
    seed: Annotated[int, typer.Option(help="The same seed gives the same cases.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="How long to begin new cases; a failure is still shrunk after that.")
    ] = None,
    cases: Annotated[int | None, typer.Option(min=1, help="How many cases at most.")] = None,
    case: Annotated[int | None, typer.Option(min=1, help="Play this case of the seed alone.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many cases at once.")] = 1,
    budget: Annotated[int, typer.Option(min=0, max=1000, help="How often a failure is played to shrink it.")] = 60,
    keep: Annotated[Path, typer.Option(metavar="DIR", help="Where a failure's scenario is written.")] = Path(
        "explored"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end, for programs.")] = False,
) -> None:
    """Compose sites, passes, orders and faults at random, and see whether the site comes through them.

    Exit code 1 if one did not. Each failure is shrunk to a scenario that `fleethil run` plays.
    """
    from fleetd_hil.explore.search import Wanted, explore

    if minutes is None and cases is None and case is None:
        raise typer.BadParameter("say how long: --minutes, --cases, or --case for one of them")
    raise typer.Exit(explore(Wanted(seed, minutes, cases, case, jobs, budget, keep), as_json=as_json, say=typer.echo))


@app.command()
def record(
    device: Annotated[str, typer.Argument(metavar="URL", help="Link URL of the device.")],
    capture: Annotated[Path, typer.Argument(metavar="CAPTURE", help="A new file of JSON lines.")],
    sim: Annotated[str, typer.Option(help="Which sim is to be held to it.")],
    link: Annotated[
        str, typer.Option(help="Where the program finds it: pty, pty:/stable/name or tcp://127.0.0.1:0.")
    ] = "pty",
    what: Annotated[str, typer.Option(help="Maker, model and firmware of the device.")] = "",
    host: Annotated[str, typer.Option(help="Which program asks.")] = "",
    options: Annotated[list[str] | None, typer.Option(help="KEY=NUMBER of the sim's model; may be repeated.")] = None,
    within: Annotated[float | None, typer.Option(min=0, help="How far the sim's numbers may be from these.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME[=VALUE][@AFTER_S][+LASTING_S] of the line; may be repeated.")
    ] = None,
) -> None:
    """Pass on and write down every byte between a program and a device; print one JSON line with the link to use.

    What is written down is what passed at the device's end. A fault breaks the line between it and the program.
    """
    from fleetd_hil.capture.record import record as record_link
    from fleetd_hil.catalogue import read_options

    head: dict[str, Any] = {
        "sim": sim,
        "device": what,
        "host": host,
        "options": dict(read_options([sim], options or ())),
    }
    head |= {} if within is None else {"within": within}
    asyncio.run(record_link(device, capture, link, head, fault or (), typer.echo))


@app.command()
def replay(
    captures: Annotated[list[Path], typer.Argument(metavar="CAPTURE", help="Files that `record` wrote.")],
    sim: Annotated[str | None, typer.Option(help="Another sim than the capture names.")] = None,
    options: Annotated[list[str] | None, typer.Option(help="KEY=NUMBER of the model; may be repeated.")] = None,
    within: Annotated[float | None, typer.Option(min=0, help="How far a number may be from the recorded one.")] = None,
) -> None:
    """Put what a device was asked to its sim, and judge reply by reply. Exit code 1 if one is not alike."""
    from fleetd_hil.capture.verdict import judge_captures

    raise typer.Exit(judge_captures(captures, sim, options or (), within, typer.echo))


@app.command("scenarios")
def list_scenarios(
    copy: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put them with their sites and elements into this new folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Name the scenarios that come with fleetd and what each is for, or copy them to begin one's own from."""
    from fleetd_hil.scenario.shipped import copy_to, purposes

    if copy is not None:
        copy_to(copy)
    named = dict(purposes())
    if as_json:
        typer.echo(json.dumps({"scenarios": named}, indent=2))
    elif copy is None:
        typer.echo("\n".join(f"{name:28} {purpose}" for name, purpose in named.items()))


@app.command("list")
def list_sims(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Name the sims, their options and the faults that can be switched on."""
    from fleetd_hil.listing import catalogue_as_json, catalogue_as_text

    typer.echo(json.dumps(catalogue_as_json(), indent=2) if as_json else catalogue_as_text())


@app.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object of figures.")] = False,
    rate: Annotated[float, typer.Option(min=1, max=100, help="How many times faster than real time.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of all that is left to chance.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder: store, logs and site file.")] = False,
) -> None:
    """Show the whole site at work on simulated hardware, with a broker, three passes and 23 robots."""
    from fleetd_hil.demo.run import run_demo

    raise typer.Exit(run_demo(json_output=as_json, rate=rate, seed=seed, keep=keep))


def main() -> None:
    """Entry point of the script."""
    app(args=join_clock_words(sys.argv[1:]))


if __name__ == "__main__":
    main()
