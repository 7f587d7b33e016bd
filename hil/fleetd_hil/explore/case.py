"""One case: a site, its elements and a story, as plain data that a scenario file is written from. Values only."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Plain = dict[str, Any]

SITE_FILE, SCENARIO_FILE = "site.yaml", "scenario.yaml"


@dataclass(slots=True)
class Case:
    """What is composed, played, made smaller and written down. Seconds are the story's."""

    name: str
    site: Plain
    elements: dict[str, Any]
    """By the name of the file beside the scenario: JSON values, or a text as it is."""
    start: str
    seed: int
    timeline: list[Plain]
    """Steps in the scenario's own words, but for `at`, which is a number of seconds."""
    calm_s: float
    """From then on nothing befalls the site any more."""
    lasts_s: float
    simulate: Plain = field(default_factory=dict)
    purpose: str = "Composed at random; the site must come through it and be whole again at the end."

    def copy(self) -> Case:
        """One that may be changed freely."""
        return copy.deepcopy(self)

    def scenario(self, expect: list[Plain]) -> Plain:
        """The scenario file's content."""
        steps = sorted(self.timeline, key=lambda step: float(step["at"]))
        story: Plain = {
            "scenario": self.name,
            "purpose": self.purpose,
            "site": SITE_FILE,
            "start": self.start,
            "lasts": in_words(self.lasts_s),
            "seed": self.seed,
        }
        if self.simulate:
            story["simulate"] = self.simulate
        return story | {"timeline": [_written(step) for step in steps], "expect": expect}

    def write(self, folder: Path, expect: list[Plain]) -> Path:
        """Put the scenario and all that it needs into a folder of its own; returns the scenario file."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.elements.items():
            text = content if isinstance(content, str) else json.dumps(content, indent=2)
            (folder / name).write_text(text, encoding="utf-8")
        (folder / SITE_FILE).write_text(_yaml(self.site), encoding="utf-8")
        file = folder / SCENARIO_FILE
        file.write_text(_yaml(self.scenario(expect)), encoding="utf-8")
        return file


def _written(step: Plain) -> Plain:
    """What is asked of the control API by chance may well be refused."""
    control = {"control": step["control"] | {"either": True}} if "control" in step else {}
    return step | control | {"at": in_words(step["at"])}


def in_words(seconds: float) -> str:
    """A duration as scenario files have it."""
    return f"{round(seconds, 3):g} s" if seconds < 1e6 else f"{round(seconds)} s"


def _yaml(data: Plain) -> str:
    return yaml.dump(data, Dumper=_Plainly, sort_keys=False, width=120, default_flow_style=None)


class _Plainly(yaml.SafeDumper):
    """Without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
