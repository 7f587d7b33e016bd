"""Real programs for the system tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Mosquitto, mosquitto_in


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto that lets everybody in. Mark the test with `peer("mosquitto", "mosquitto_sub")`."""
    with mosquitto_in(tmp_path / "mosquitto") as broker:
        yield broker
