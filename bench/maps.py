"""The register map of the benchmarks: forty registers like those of a delivery robot, read in one request."""

from __future__ import annotations

from functools import cache

from fleetd.registers.loader import load_map
from fleetd.registers.model import RegisterMap, Sample, ValueSpec

FIRST, REGISTERS = 2, 40
IDENTITY = 19524


@cache
def bench_map() -> RegisterMap:
    """The reference robot's thirty polled registers and ten scaled readings more."""
    robot = load_map("little-donkey")
    shown = [cell for run in sorted(robot.samples[0].input) for cell in robot.samples[0].input[run]]
    more = tuple(
        ValueSpec(
            name=f"motor_{index}_temperature_c",
            table="input",
            address=FIRST + len(shown) + index,
            type="i16",
            scale=0.1,
            minimum=-40.0,
            maximum=200.0,
            absent={"32767": "no sensor"},
        )
        for index in range(REGISTERS - len(shown))
    )
    cells = (*shown, *(300 + index for index in range(len(more))))
    sample = Sample(about="driving", input={FIRST: tuple(cells)})
    return robot.model_copy(update={"values": (*robot.values, *more), "samples": (sample,)})
