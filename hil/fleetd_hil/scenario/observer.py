"""What a site has published, as somebody outside sees it: every message in order, with the time at which it came."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleetd.clock import Clock, parse_utc
from fleetd_hil.scenario.quantities import Condition

AGE = "age_s"
"""How a condition names the age that a reading had when it came."""
_BY_LAST = {kind: kind for kind in ("reading", "result", "event", "contact", "frame")}


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: seconds since the beginning, its kind, its topic, and what it says."""

    after_s: float
    kind: str
    topic: str
    body: dict[str, Any]
    came: datetime | None = None
    """The daemon's civil time at that moment."""

    @property
    def age_s(self) -> float | None:
        """How long before it came it was true, by its own word; None where it does not say."""
        said = self.body.get("at")
        return None if self.came is None or said is None else (self.came - parse_utc(said)).total_seconds()

    @property
    def about(self) -> tuple[Any, ...]:
        """What it speaks of: messages about the same supersede each other."""
        return self.kind, *(self.body.get(key) for key in ("device", "source", "name", "id", "contact"))

    def value(self, path: str) -> Any:
        """A field by its name, or a path with dots; of a reading, its values as well. None where there is none."""
        found: Any = self.body
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found is None and self.kind == "reading":
            found = self.age_s if path == AGE else self.body.get("values", {}).get(path)
        return found

    def fits(self, conditions: list[Condition]) -> bool:
        """Whether all hold of it."""
        return all(condition.holds(self.value(condition.field)) for condition in conditions)


@dataclass
class Observer:
    """Hand `hear` to a broker as a tap."""

    clock: Clock
    heard: list[Heard] = field(default_factory=list)
    numbers: dict[str, set[int]] = field(default_factory=dict)
    wills: dict[str, int] = field(default_factory=dict)
    """By node: the number of the last will that the broker keeps for it."""
    listeners: list[Callable[[Heard], None]] = field(default_factory=list)

    def hear(self, topic: str, payload: bytes, _retain: bool) -> None:
        """One message came in."""
        try:
            body = json.loads(payload)
        except ValueError:
            return  # an alarm that is over empties its topic
        if not isinstance(body, dict) or "seq" not in body:
            return
        self.numbers.setdefault(body["node"], set()).add(body["seq"])
        if not (kind := kind_of(topic)):
            return
        if kind == "node" and body.get("will_seq") is not None:
            self.wills[body["node"]] = body["will_seq"]
        message = Heard(max(0.0, self.clock.monotonic()), kind, topic, body, self.clock.now())
        self.heard.append(message)
        for listener in self.listeners:
            listener(message)

    def missing(self) -> dict[str, set[int]]:
        """By node: the numbers of messages that have not come, below the highest that has."""
        gaps = {node: set(range(1, max(numbers) + 1)) - numbers for node, numbers in self.numbers.items()}
        return {node: gap for node, gap in gaps.items() if gap}

    def missed(self, than: Heard) -> int:
        """How many older messages than this one have not come; the last will, which the broker keeps, is not missed."""
        node, newest = than.body["node"], than.body["seq"]
        older = set(range(1, newest)) - self.numbers[node] - {self.wills.get(node)}
        return len(older)

    def of(self, kind: str) -> Iterator[Heard]:
        """All messages of a kind."""
        return (each for each in self.heard if each.kind == kind)

    def log(self) -> Iterator[str]:
        """A line a message, the same for the same scenario: the random mark of each life is replaced by its number."""
        lives: dict[str, int] = {}
        for each in self.heard:
            life = lives.setdefault(each.body.get("boot", ""), len(lives) + 1)
            body = json.dumps({**each.body, "boot": life}, sort_keys=True)
            yield f"{each.after_s:.6f} {each.topic} {body}"


def kind_of(topic: str) -> str:
    """The kind of message that is published under fleetd/<site>/…; '' for what is none of ours."""
    levels = topic.split("/")
    match levels[2:]:
        case ["status"]:
            return "node"
        case ["alarm", *_]:
            return "alarm"
        case [_, "status"]:
            return "status"
        case [*_, last]:
            return _BY_LAST.get(last, "")
        case _:
            return ""
