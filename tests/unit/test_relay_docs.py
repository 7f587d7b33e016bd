"""What the pages about the relay say can be done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetd.relay.settings import RelaySettings

DOCS = Path(__file__).parents[2] / "docs"


def settings_of(page: str) -> dict[str, Any]:
    block = re.search(r"```yaml\n(.*?)```", (DOCS / "how-to" / page).read_text(), re.DOTALL)
    assert block is not None
    read: dict[str, Any] = yaml.safe_load(block[1])
    return read


def test_the_cluster_page_shows_settings_that_load() -> None:
    settings = RelaySettings.model_validate(settings_of("cluster.md"))
    assert len(settings.brokers) == 3
    assert settings.protocol == "3.1.1"


@pytest.mark.parametrize("page", ["sparkplug.md", "home-assistant.md"])
def test_the_pages_of_codecs_show_settings_that_load(page: str) -> None:
    RelaySettings.model_validate({"brokers": ["mqtt://b"], **settings_of(page)})
