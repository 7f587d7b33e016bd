"""Row 35: two hundred broken site files at a reload; the old site stays, and file, line and reason are named."""

from __future__ import annotations

import random
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from fleetd.config.site import Site, load_site
from fleetd.daemon.orders import Leave, Orders
from fleetd.errors import ConfigError
from fleetd.notify import Notifier

CONFIGS = Path(__file__).parents[2] / "configs"
WHOLE = "".join(
    line
    for line in (CONFIGS / "demo.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    if not re.search(r"robot-(0[2-9]|1\d|2[0-3])", line)
)
"""The demo's site with one robot."""

WRONG = ["{", "]", ": :", "null", "-1", "'", "1e999", "nan", "&a", "*a", "!!python/none", "\t", "true", "[[", "''"]


def broken(text: str, chance: random.Random) -> str:
    """The same with one thing wrong with it, perhaps."""
    lines = text.splitlines(keepends=True)
    number = chance.choice([index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")])
    match chance.randrange(6):
        case 0:
            del lines[number]
        case 1:
            lines.insert(number, lines[number])
        case 2:
            lines[number] = re.sub(r"(\w+)(:)", r"\1x\2", lines[number], count=1)
        case 3:
            at = chance.randrange(len(lines[number]))
            lines[number] = lines[number][:at] + chance.choice(WRONG) + lines[number][at:]
        case 4:
            lines[number] = "  " * chance.randrange(1, 4) + lines[number]
        case _:
            return text[: chance.randrange(len(text))]
    return "".join(lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The demo's configuration, to be broken."""
    shutil.copytree(CONFIGS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "site.yaml").write_text(WHOLE, encoding="utf-8")
    return tmp_path


def broken_files(folder: Path, count: int) -> Iterator[None]:
    """Break the file in a new way each time; what happens to be right all the same is passed over."""
    chance = random.Random(35)
    while count:
        (folder / "site.yaml").write_text(broken(WHOLE, chance), encoding="utf-8")
        try:
            assert isinstance(load_site(folder / "site.yaml"), Site)  # whole, or not at all
        except ConfigError:
            count -= 1
            yield


async def reloads(folder: Path, count: int) -> None:
    file, orders = folder / "site.yaml", Orders()
    whole = load_site(file)
    next_order = orders.follow(Notifier({}), lambda: load_site(file))
    told = 0
    for _ in broken_files(folder, count):
        orders._queue.put_nowait(signal.SIGHUP)
        orders._queue.put_nowait(signal.SIGTERM)
        with structlog.testing.capture_logs() as logs:
            assert isinstance(await next_order(), Leave)  # and no Reload
        reasons = [line["reason"] for line in logs if line["event"].startswith("reload refused")]
        assert reasons
        for reason in reasons:
            assert re.match(rf"{re.escape(str(file))}:\d+:\d+: \S", reason), reason
        told += 1
    assert told == count
    file.write_text(WHOLE, encoding="utf-8")
    assert load_site(file) == whole


async def test_row_35_broken_files_change_nothing_and_are_named(folder: Path) -> None:
    await reloads(folder, 40)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_row_35_two_hundred_broken_files_change_nothing_and_are_named(folder: Path) -> None:
    await reloads(folder, 200)
