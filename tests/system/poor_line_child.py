"""A relay and its broker at the two ends of a poor line: made to be run in a network namespace of its own.

    poor_line_child.py FOLDER LOSS DELAY_S PARTITIONS LONGEST_S

Cuts the line again and again, for up to LONGEST_S each time, and prints what came of it, as one object in JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog
from fake_broker import FakeBroker, fake_broker
from poor_line import HERE, THERE, PoorLine, poor_line
from relays import Site, reading, site

from fleetd.clock import SystemClock

IN_A_TURN = 20
BYTES_PER_S = 125_000.0  # a megabit a second


async def one_partition(
    one: Site, line: PoorLine, turn: int, longest_s: float, chance: random.Random
) -> tuple[float, float]:
    """Say something, cut the line in the midst of it, say more; returns how long after its return the broker
    acknowledged again, and how long until nothing waited any more.
    """
    first = 2 * IN_A_TURN * turn
    say(one, first)
    await asyncio.sleep(chance.uniform(0.0, 0.5))
    line.cut = True
    say(one, first + IN_A_TURN)
    await asyncio.sleep(longest_s * (1 - turn % 4 / 4) * chance.uniform(0.8, 1.0))  # each fourth is a long one
    line.cut = False
    back_s, before = asyncio.get_running_loop().time(), one.relay.status()
    await one.until(lambda: one.relay.status().acked > before.acked)
    healthy_s = asyncio.get_running_loop().time() - back_s
    await one.acked()
    return healthy_s, asyncio.get_running_loop().time() - back_s


def say(one: Site, first: int) -> None:
    for number in range(first, first + IN_A_TURN):
        one.hub.publish(reading(number))


def found(broker: FakeBroker, made: int) -> dict[str, int]:
    """What a consumer makes of it."""
    numbers: dict[str, list[int]] = {}
    for body in broker.bodies:
        if "values" in body:
            numbers.setdefault(body["device"], []).append(body["values"]["number"])
    heard = {number for each in numbers.values() for number in each}
    firsts = [list(dict.fromkeys(each)) for each in numbers.values()]
    reordered = sum(later < earlier for each in firsts for earlier, later in pairwise(each))
    return {"records": made, "lost": made - len(heard), "reordered": reordered}


async def main(folder: Path, loss: float, delay_s: float, partitions: int, longest_s: float) -> dict[str, Any]:
    chance, times_s = random.Random(8), []
    with poor_line() as line:
        line.loss, line.delay_s, line.bytes_per_s = loss, delay_s, BYTES_PER_S
        async with fake_broker(host=HERE) as broker:
            url = f"mqtt://{THERE}:{broker.port}"
            async with site(folder, url, clock=SystemClock()) as one:
                await one.acked()
                for turn in range(partitions):
                    times_s.append(await one_partition(one, line, turn, longest_s, chance))
                    sys.stderr.write("{}: healthy after {:.1f} s, drained after {:.1f} s\n".format(turn, *times_s[-1]))
                line.loss = 0.0
            counted = found(broker, 2 * IN_A_TURN * partitions)
        healthy_s, drained_s = zip(*times_s, strict=True)
        return {
            **counted,
            "partitions": partitions,
            "packets": line.sent,
            "packets_lost": line.lost,
            "healthy_within_10_s": sum(each <= 10.0 for each in healthy_s),
            "longest_until_healthy_s": round(max(healthy_s), 1),
            "longest_until_drained_s": round(max(drained_s), 1),
        }


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    where, loss, delay_s, partitions, longest_s = sys.argv[1:]
    came_of_it = main(Path(where), float(loss), float(delay_s), int(partitions), float(longest_s))
    sys.stdout.write(json.dumps(asyncio.run(came_of_it)))
