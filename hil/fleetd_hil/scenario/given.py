"""What was ordered and until when, against what was done: nothing twice, nothing late, nothing that nobody ordered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a robot or satellite was made to do, and when."""

    at_s: float
    device: str
    action: str


@dataclass(frozen=True, slots=True)
class Order:
    """One command as it was given; seconds of running time."""

    device: str
    action: str
    at_s: float
    until_s: float


@dataclass
class Orders:
    """All that were given, by id and device: the same again is the same order."""

    grace_s: float = 0.5
    """What was written in time may come to its device so much later."""
    _given: dict[tuple[str, str], Order] = field(default_factory=dict)

    def give(self, command_id: str, order: Order) -> None:
        """Note one."""
        self._given.setdefault((command_id, order.device), order)

    def void(self, command_id: str, device: str) -> None:
        """One was refused, and stands no more: what comes under its id is an order of its own."""
        self._given.pop((command_id, device), None)

    def learn(self, command_id: str, device: str, action: str) -> None:
        """Of one nobody knows more than that it was taken: neither since when it stands, nor until when."""
        self.give(command_id, Order(device, action, -math.inf, math.inf))

    def unfounded(self, acts: Iterable[Act]) -> Iterator[tuple[Act, str]]:
        """Acts without an order of their own, each with whether it came 'twice' or 'late'.

        An act takes the oldest order of its kind that could still be carried out then.
        """
        left = sorted(self._given.values(), key=lambda order: order.until_s)
        for act in sorted(acts, key=lambda act: act.at_s):
            fitting = [each for each in left if (each.device, each.action) == (act.device, act.action)]
            given = [each for each in fitting if each.at_s <= act.at_s]
            in_time = next((each for each in given if act.at_s <= each.until_s + self.grace_s), None)
            if in_time is not None:
                left.remove(in_time)
            elif given:
                left.remove(given[-1])
                yield act, "late"
            else:
                yield act, "twice"
