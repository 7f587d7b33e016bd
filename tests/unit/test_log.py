"""Logs: what a bug leaves in them is where it happened, and never what the variables there held."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from fleetd.log import set_up_logging

CANARY = "c4n4ry-in-a-local"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Logging is configured for the whole process."""
    yield
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def fails() -> None:
    password = CANARY  # by another name, for a traceback shows the source
    raise ValueError(f"no room for {len(password)} characters")


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
@pytest.mark.parametrize("library", [True, False], ids=["standard library", "structlog"])
def test_row_38_a_traceback_shows_no_variables(
    capsys: pytest.CaptureFixture[str], *, as_json: bool, library: bool
) -> None:
    set_up_logging("info", json=as_json)
    try:
        fails()
    except ValueError:
        if library:
            logging.getLogger("asyncio").exception("bug")
        else:
            structlog.get_logger("fleetd").exception("bug")
    said = capsys.readouterr().err
    assert "no room for 17 characters" in said
    assert "fails" in said
    assert CANARY not in said
    if as_json:
        assert json.loads(said.splitlines()[-1])["event"] == "bug"
