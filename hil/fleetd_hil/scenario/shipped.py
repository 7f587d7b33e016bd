"""The scenarios that come with fleetd: by name, and as a folder to begin one's own from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from fleetd.errors import ConfigError
from fleetd.strictyaml import load_strict

FOLDER = Path(__file__).parents[1] / "scenarios"


def scenario_file(named: Path) -> Path:
    """The file that was named; a bare name that is none here is that of a shipped scenario. Raises ConfigError."""
    if named.exists():
        return named
    shipped = FOLDER / f"{named}.yaml"
    if len(named.parts) == 1 and shipped.is_file():
        return shipped
    raise ConfigError(f"{named}: no such file, and no scenario that comes with fleetd; see `fleethil scenarios`")


def purposes() -> Iterator[tuple[str, str]]:
    """Name and purpose of each shipped scenario."""
    for file in sorted(FOLDER.glob("*.yaml")):
        data, _ = load_strict(file)
        yield data["scenario"], data["purpose"]


def copy_to(folder: Path) -> None:
    """All of them with their sites and elements, in a folder of one's own. Raises ConfigError where there is one."""
    try:
        shutil.copytree(FOLDER, folder)
    except FileExistsError:
        raise ConfigError(f"{folder} is there already; name a folder that is not") from None
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror or error}") from None
