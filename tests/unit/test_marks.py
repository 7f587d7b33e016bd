"""Marks: drawn from the machine's own chance, or from one that a world brings with it."""

from __future__ import annotations

import asyncio
import random
from contextvars import copy_context

from fleetd.marks import draw_marks_from, fresh_mark


def test_no_mark_comes_twice() -> None:
    marks = {fresh_mark(8) for _ in range(1_000)}
    assert len(marks) == 1_000
    assert {len(mark) for mark in marks} == {16}


def test_a_world_with_a_chance_of_its_own_repeats_itself_and_nobody_else_notices() -> None:
    async def drawn_in_a_task() -> str:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(asyncio.to_thread(fresh_mark, 8))
        return task.result()

    def world() -> list[str]:
        draw_marks_from(random.Random(11).randbytes)
        return [fresh_mark(8), asyncio.run(drawn_in_a_task())]

    one, other = copy_context().run(world), copy_context().run(world)
    assert one == other
    assert len({*one, fresh_mark(8)}) == 3
