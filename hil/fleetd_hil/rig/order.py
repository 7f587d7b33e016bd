"""Which rig a test wants, from its marks, the command line and the ini file, in this order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleetd.config.site import Site, load_site
from fleetd.errors import ConfigError
from fleetd.orbit.elements import read_elements
from fleetd.orbit.settings import is_url

RATE = 10.0
_NO_SATELLITES = datetime(2026, 1, 1, tzinfo=UTC)
_KEYS = ("site", "start", "seed", "simulate", "real", "elements", "processes", "rate")


@dataclass(frozen=True, slots=True)
class Order:
    """One rig. A `rate` asks for real processes that much faster than life, None for virtual time."""

    site_file: Path
    site: Site
    start: datetime
    seed: int = 0
    simulate: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    real: Collection[str] = ()
    elements: Mapping[str, list[str]] = field(default_factory=dict)
    """Other element files than the site's, by satellite."""
    rate: float | None = None


def order_of(request: pytest.FixtureRequest) -> Order:
    """What the test's marks `fleetd`, the nearest first, the command line and the ini file say. Raises ConfigError."""
    config, said = request.config, marked(request.node)
    site_file = _site_file(request, said)
    site = load_site(site_file)
    elements = {name: [str(request.path.parent / file)] for name, file in (said.get("elements") or {}).items()}
    seed = said.get("seed", config.getoption("--fleetd-seed"))
    processes = said.get("processes", config.getoption("--fleetd-processes"))
    rate = said.get("rate") or config.getoption("--fleetd-rate") or RATE
    if said.get("real") and not processes:
        raise ConfigError("real devices cannot be hurried: say processes=True and rate=1, too")
    return Order(
        site_file,
        site,
        _start(said.get("start") or config.getini("fleetd_start"), site, elements),
        int(config.getini("fleetd_seed")) if seed is None else int(seed),
        said.get("simulate") or {},
        said.get("real") or (),
        elements,
        float(rate) if processes else None,
    )


def marked(node: pytest.Item) -> dict[str, Any]:
    """What the marks say, a nearer one over a farther one. Raises ConfigError for a word that no mark knows."""
    said: dict[str, Any] = {}
    for mark in node.iter_markers("fleetd"):
        if mark.args or not set(mark.kwargs) <= set(_KEYS):
            raise ConfigError(f"@pytest.mark.fleetd takes {', '.join(_KEYS)} by name, and nothing else")
        said = {**mark.kwargs, **said}
    return said


def _site_file(request: pytest.FixtureRequest, said: Mapping[str, Any]) -> Path:
    beside = Path(request.path).parent
    if "site" in said:
        return beside / str(said["site"])
    if named := request.config.getini("fleetd_site"):
        return Path(request.config.inipath or request.config.rootpath / "pytest.ini").parent / str(named)
    if (usual := beside / "site.yaml").is_file():
        return usual
    raise ConfigError(
        f"which site? Put site.yaml beside {request.path.name}, or say fleetd_site in the ini file "
        "or @pytest.mark.fleetd(site=...)"
    )


def _start(text: Any, site: Site, elements: Mapping[str, list[str]]) -> datetime:
    """The instant that was named; else the first full hour after the youngest elements."""
    if text:
        try:
            start = text if isinstance(text, datetime) else datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"start {text!r}: write it as 2026-11-11T03:00:00Z") from None
        if start.tzinfo is None:
            raise ConfigError(f"start {text!r}: say the zone, as in 2026-11-11T03:00:00Z")
        return start
    sources = [source for each in site.satellites for source in elements.get(each.name, each.elements)]
    files = [Path(source) for source in sources if not is_url(source) and Path(source).is_file()]
    epochs = [found.epoch for file in files for found in read_elements(file)]
    newest = max(epochs, default=_NO_SATELLITES)
    return newest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
