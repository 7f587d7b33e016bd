"""`fleetctl relay`: is anything stuck, since when and why; and whether all that was said arrives at a broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.broker import Access, BrokerUrl, CaFile, PasswordFile, Protocol, Username, heard_within, listening
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Exit, Socket

if TYPE_CHECKING:
    from fleetd.relay.continuity import NodeReport

app = typer.Typer(help="See the relay to the broker, and whether all arrives there.", rich_markup_mode=None)

_SETTLE_S = 5.0  # what is missing at the end may still be on its way: so long it is waited for, at most
_BEGINNING_S = 1.0  # below the highest number that is heard in it, what is missing may have come before
_GAPS_SHOWN = 5
_COLUMNS = ("node", "boots", "first", "last", "messages", "missing", "dropped", "twice", "reordered", "gaps")


@app.callback(invoke_without_command=True)
def relay(context: typer.Context, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Show how the relay stands, when no command follows."""
    if context.invoked_subcommand is None:
        status(socket, as_json)


@app.command()
def status(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Show what waits for the broker, and whether anything is stuck, since when and why."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("relay")
    if as_json:
        screen.print_json(answer)
        return
    stuck = answer.pop("stuck", [])
    screen.say("nothing is stuck" if not stuck else f"stuck: {', '.join(each['what'] for each in stuck)}")
    screen.say("")
    if stuck:
        screen.print_records({"stuck": "what", "since": "since", "why": "why"}, stuck)
        screen.say("")
    screen.print_answer(answer)


@app.command()
def verify(
    broker: BrokerUrl,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400 * 7, help="How long to listen.")] = 60.0,
    protocol: Protocol = "5",
    username: Username = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    as_json: AsJson = False,
) -> None:
    """Listen at a broker and tell gaps, duplicates and reordering of each node; ends with 1 if anything is missing.

    What is missing below the highest number of the first second may have come before, and is not counted. Records that
    a node itself announces as dropped are counted apart. A duplicate is harmless: consumers know it by node, boot and
    seq.
    """
    access = Access(broker, protocol, username, password_file, ca_file)
    reports, unheard = asyncio.run(_verified(access, seconds))
    if as_json:
        import msgspec

        screen.print_json({"nodes": msgspec.to_builtins(reports), "unheard": unheard, "seconds": seconds})
    else:
        screen.print_table(_COLUMNS, [_row(report) for report in reports], empty="nothing was heard")
        if unheard:
            screen.complain(f"{unheard} messages came faster than they could be taken; what is missing may be these")
    if not reports or not all(report.whole for report in reports):
        raise typer.Exit(Exit.REFUSED)


async def _verified(access: Access, seconds: float) -> tuple[list[NodeReport], int]:
    from fleetd.relay.continuity import Continuity
    from fleetd.relay.failures import UplinkLost

    continuity = Continuity()
    try:
        async with listening(access, "fleetd/#") as uplink:
            beginning_s = min(_BEGINNING_S, seconds / 10)
            async for incoming in heard_within(uplink, beginning_s):
                continuity.take(incoming.topic, incoming.payload, retained=incoming.retained)
            continuity.settle()
            async for incoming in heard_within(uplink, seconds - beginning_s):
                continuity.take(incoming.topic, incoming.payload, retained=incoming.retained)
            settle_s = min(_SETTLE_S, seconds) if _lacks(continuity.reports()) else 0.0
            async for incoming in heard_within(uplink, settle_s):
                continuity.take(incoming.topic, incoming.payload, retained=incoming.retained)
                if not _lacks(continuity.reports()):
                    break
            return continuity.reports(), uplink.refused
    except* UplinkLost as group:
        raise group.exceptions[0] from None


def _lacks(reports: list[NodeReport]) -> bool:
    return any(report.missing for report in reports)


def _row(report: NodeReport) -> list[Any]:
    gaps = [str(first) if first == last else f"{first}-{last}" for first, last in report.gaps]
    shown = ", ".join(gaps[:_GAPS_SHOWN]) + (" …" if len(gaps) > _GAPS_SHOWN else "")
    return [
        report.node,
        len(report.boots),
        report.first,
        report.last,
        report.messages,
        report.missing + report.conflicts,
        report.announced,
        report.duplicates,
        report.reordered,
        shown,
    ]
