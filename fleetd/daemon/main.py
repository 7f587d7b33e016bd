"""`fleetd --config SITE.yaml`: read the site, live until told otherwise, leave everything safe.

Exit codes: 0 told to leave, 1 the store or the control socket cannot be had, 2 wrong usage, 78 the site file is wrong
(EX_CONFIG of sysexits(3), which the unit does not restart on); a bug ends the process with a traceback and 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from fleetd import __version__
from fleetd.clock import Clock, join_clock_words, parse_clock
from fleetd.config.elements import element_faults
from fleetd.config.site import Site, load_site
from fleetd.daemon.house import live
from fleetd.daemon.loop import give_memory_back, loop_factory, spare_the_collector
from fleetd.daemon.orders import Order, Orders, Reload
from fleetd.errors import ConfigError, FleetError
from fleetd.log import set_up_logging
from fleetd.notify import Notifier

EX_CONFIG = 78
log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """The script `fleetd`."""
    options = _parser().parse_args(join_clock_words(sys.argv[1:] if arguments is None else arguments))
    try:
        site = read_site(options.config, options.hil)
        clock = parse_clock(options.clock)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EX_CONFIG) from None
    if options.check:
        sys.stdout.write(f"{options.config}: good; site {site.site}, {len(site.devices)} devices\n")
        return
    set_up_logging(site.log.level)
    try:
        spare_the_collector()
        give_memory_back()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run(site, clock, options.config, options.hil))
    except* FleetError as group:
        for failure in _leaves(group):
            log.error("cannot go on", reason=str(failure))
        raise SystemExit(1) from None


def read_site(config: Path, overlay: Path | None) -> Site:
    """The site that the files describe, its element files looked into as well. Raises ConfigError with every fault."""
    site = load_site(config, overlay)
    if faults := element_faults(site):
        raise ConfigError(faults)
    return site


async def run(site: Site, clock: Clock, config: Path, overlay: Path | None = None) -> None:
    """Live as `site` until SIGTERM or SIGINT; on SIGHUP live on as what the files say by then, if that is valid."""
    notifier = Notifier()
    log.info("fleetd starts", version=__version__, site=site.site, clock=str(clock), config=str(config))
    async with Orders.heard() as orders:
        order: Order = Reload(site)
        while isinstance(order, Reload):
            order = await live(order.site, clock, orders.follow(notifier, lambda: read_site(config, overlay)), notifier)
    log.info("fleetd has left", reason=order.reason)


def _leaves(group: BaseExceptionGroup[FleetError]) -> list[FleetError]:
    found: list[FleetError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fleetd",
        description="Satellite-and-robot fleet control daemon: one process per site.",
        epilog="SIGTERM leaves the antenna stopped and the outbox safe; SIGHUP re-reads the site file.",
    )
    parser.add_argument("--config", required=True, type=Path, metavar="SITE.yaml", help="the site to run")
    parser.add_argument("--hil", type=Path, metavar="OVERLAY.yaml", help="other links for some of its devices")
    parser.add_argument(
        "--clock", metavar="SPEC", help="an accelerated time: '2026-11-11T12:00:00Z x20', with '@ANCHOR' to share it"
    )
    parser.add_argument("--check", action="store_true", help="read the configuration, say what is wrong with it, end")
    parser.add_argument("--version", action="version", version=f"fleetd {__version__}")
    return parser
