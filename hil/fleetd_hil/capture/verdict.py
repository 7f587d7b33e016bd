"""What `fleethil replay` says of captures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fleetd_hil.capture.replay import Exchange, replay


def judge_captures(
    files: Sequence[Path], sim: str | None, options: Sequence[str], within: float | None, say: Callable[[str], None]
) -> int:
    """Judge them all, say how each went, and return the exit code. Raises ConfigError."""
    off = 0
    for file in files:
        exchanges = replay(file, sim, options, within)
        unlike = [each for each in exchanges if each.differs]
        off += bool(unlike) or not exchanges
        say(f"{file}: {len(exchanges) - len(unlike)} of {len(exchanges)} replies alike")
        for each in unlike:
            say(f"  {_told(each)}")
    return 1 if off else 0


def _told(each: Exchange) -> str:
    said = f"to {each.question!r} the device said {each.theirs!r}, the sim {each.ours!r}"
    return f"at {each.at_s:.3f} s, {said}: {each.differs}"
