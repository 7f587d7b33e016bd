"""What the pages about the relay say can be done."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fleetd.relay.settings import RelaySettings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_cluster_page_shows_settings_that_load() -> None:
    page = (DOCS / "how-to" / "cluster.md").read_text()
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    settings = RelaySettings.model_validate(yaml.safe_load(block[1]))
    assert len(settings.brokers) == 3
    assert settings.protocol == "3.1.1"
