"""Which records the publisher has in hand, and which are being given up for want of room: never both.

The publisher lives in the event loop, what makes room in the writer's thread; this is where they agree, record by
record, so that a record announced as dropped has not arrived, and one that may have arrived is not dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Claims:
    """Numbers of records, each in one hand at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active = False
        self._taken: set[int] = set()
        self._given_up: set[int] = set()

    @property
    def active(self) -> bool:
        """Whether the publisher has copies of records."""
        with self._lock:
            return self._active

    def take(self, seq: int) -> bool:
        """The publisher is about to send a record; False if it is being dropped."""
        with self._lock:
            if seq in self._given_up:
                return False
            self._taken.add(seq)
            return True

    def release(self, seqs: Iterable[int]) -> None:
        """The publisher is done with records: acknowledged and deleted, refused, or of unknown fate."""
        with self._lock:
            self._taken.difference_update(seqs)

    def give_up(self, seqs: Iterable[int]) -> list[int]:
        """Those of the records that may be dropped now."""
        with self._lock:
            free = [seq for seq in seqs if seq not in self._taken]
            if self._active:
                self._given_up.update(free)
            return free

    def given_up(self) -> frozenset[int]:
        """What was given up and is not forgotten yet."""
        with self._lock:
            return frozenset(self._given_up)

    def forget(self, seqs: frozenset[int]) -> None:
        """No copy of these can come up any more."""
        with self._lock:
            self._given_up -= seqs

    def begin(self) -> None:
        """From now on the publisher has copies of records."""
        with self._lock:
            self._active = True

    def end(self, seqs: Iterable[int]) -> None:
        """The publisher has no copies any more but of these, which were acknowledged and are still to be deleted."""
        with self._lock:
            self._active = False
            self._given_up.clear()
            self._taken = set(seqs)
