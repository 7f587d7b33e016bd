"""`fleetctl device`: one driver over one link, by hand, with no daemon and no site file in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fleetd.cli import screen
from fleetd.cli.options import AsJson, Exit

if TYPE_CHECKING:
    from fleetd.cli.byhand import Act
    from fleetd.devices import DriverSpec
    from fleetd.link.url import LinkUrl
    from fleetd.settings import Settings


class Wish(NamedTuple):
    """What the command line allows beside the verb."""

    wait: bool
    transmit: bool


def device(
    verb: Annotated[
        str,
        typer.Argument(
            metavar="VERB",
            show_default=False,
            help="rotator: where, point, stop; rig: frequency, mode, ptt; switch: switch; sensor: read; "
            "robot: read, stop, do, actions.",
        ),
    ],
    driver: Annotated[str, typer.Option(help="Name of the driver; 'fleetctl drivers' lists them.")],
    link: Annotated[str, typer.Option(help="Link URL, as in serial:///dev/ttyUSB0?baud=9600.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORDS",
            help="What the verb needs: AZ EL in degrees for point, [main|sub HZ] for frequency, main|sub MODE for "
            "mode, [off | on SECONDS] for ptt, [on|off] for switch, ACTION [NAME=VALUE]... for do.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the driver; repeatable.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="With point: follow until the antenna has arrived.")] = False,
    transmit: Annotated[bool, typer.Option("--transmit", help="Let 'ptt on' make the radio transmit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Work one device by hand, over its link alone. No daemon may have the link open at the same time."""
    import asyncio

    from fleetd.cli.byhand import verbs_of
    from fleetd.devices import load_driver

    spec = load_driver(driver)
    url = _url(spec, link)
    verbs = verbs_of(spec.capability)
    if verb not in verbs:
        known = ", ".join(verbs) or "none by hand"
        raise typer.BadParameter(f"the verbs of a {spec.capability} are {known}, not {verb!r}", param_hint="VERB")
    checked = _settings(spec, settings or [])
    answer = asyncio.run(_worked(spec, url, checked, verbs[verb], words or [], Wish(wait, transmit), as_json=as_json))
    if as_json:
        screen.print_json({"driver": driver, "link": link, "verb": verb, **answer})
    if answer.get("outcome", "done") != "done":
        screen.complain(f"{verb}: {answer.get('reason') or answer['outcome']}")
        raise typer.Exit(Exit.REFUSED)


async def _worked(
    spec: DriverSpec, url: LinkUrl, settings: Settings, act: Act, words: Sequence[str], wish: Wish, *, as_json: bool
) -> dict[str, Any]:
    from fleetd.cli.byhand import Hand
    from fleetd.clock import SystemClock
    from fleetd.link.ports import Ports

    clock = SystemClock()
    hand = Hand(clock, tell=(lambda _text: None) if as_json else screen.say, wait=wish.wait, transmit=wish.transmit)
    async with spec.connect(Ports(), url, settings, clock) as driver:
        return await act(driver, words, hand)


def _url(spec: DriverSpec, link: str) -> LinkUrl:
    from fleetd.errors import ConfigError
    from fleetd.link.url import parse_link

    try:
        url = parse_link(link)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--link") from None
    if url.scheme not in spec.schemes:
        takes = ", ".join(f"{scheme}://" for scheme in spec.schemes)
        raise typer.BadParameter(f"the driver {spec.name} takes {takes}, not {url.scheme}://", param_hint="--link")
    return url


def _settings(spec: DriverSpec, pairs: Sequence[str]) -> Settings:
    """The driver's settings from KEY=VALUE words; a value is read as a site file would read it."""
    from fleetd.errors import ConfigError
    from fleetd.strictyaml import parse_strict, validate

    for pair in pairs:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair!r} must be KEY=VALUE, as in unit=1", param_hint="--set")
    text = "".join(f"{key}: {value}\n" for key, _, value in (pair.partition("=") for pair in pairs))
    try:
        data, positions = parse_strict(text, "--set")
        return validate(spec.settings, data or {}, positions)
    except ConfigError as error:
        raise typer.BadParameter("; ".join(error.problems), param_hint="--set") from None
