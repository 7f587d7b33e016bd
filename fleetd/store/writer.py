"""The one thread that owns the store's SQLite connection.

Whatever wants to read or write hands it an act. All acts that wait while a transaction is being committed share the
next one (group commit), at most `GROUP_WEIGHT` records of them; nobody hears of success before the commit is on disk.
Nothing waits for company: an idle store commits at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fleetd.errors import StoreError
from fleetd.store.damage import is_damage
from fleetd.store.reserve import Reserve, is_full

GROUP_WEIGHT = 500  # records in one transaction; at 200 bytes and 6 µs each a commit stays far below 50 ms

T = TypeVar("T")
Act = Callable[[sqlite3.Connection], T]


class Follower(Protocol):
    """Keeps facts beside the database that must change with it."""

    def settle(self, committed: bool) -> None:
        """Called in the writer's thread after each transaction: keep what the acts changed, or go back."""
        ...

    def announce(self) -> None:
        """Called in the event loop after each commit."""
        ...


Heal = Callable[[sqlite3.Connection, sqlite3.Error], sqlite3.Connection]
"""Takes a connection to a damaged database; returns one to what could be saved of it, or raises if nothing can be."""


@dataclass(frozen=True, slots=True)
class _Job:
    act: Act[Any]
    weight: int
    yields: bool
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    job: _Job
    result: Any = None
    error: Exception | None = None


class Writer:
    """Runs acts one after the other, each in a transaction, in a thread of its own."""

    def __init__(
        self, connection: sqlite3.Connection, place: str, heal: Heal | None = None, reserve: Reserve | None = None
    ) -> None:
        self._connection = connection
        self._place = place
        self._heal = heal
        self._reserve = reserve
        self._waiting: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(1, "store writer")
        self._working: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._follower: Follower | None = None
        self._closed = False

    @classmethod
    @contextlib.asynccontextmanager
    async def over(
        cls, connection: sqlite3.Connection, place: str, heal: Heal | None = None, reserve: Reserve | None = None
    ) -> AsyncIterator[Writer]:
        """A running writer; leaving waits until all that was handed in is committed, then closes the connection."""
        writer = cls(connection, place, heal, reserve)
        try:
            yield writer
        finally:
            writer._closed = True
            await writer._close()

    def follow(self, follower: Follower) -> None:
        """Let `follower` hear of each transaction."""
        self._follower = follower

    def run(self, act: Act[T], *, weight: int = 1, yields: bool = False) -> asyncio.Future[T]:
        """Hand in an act; the future is done once its transaction is on disk, or failed with StoreError.

        One that `yields` gives way when the disk is full: the reserve is not for it.

        An act may be run a second time after a rollback, so it must change nothing but the database. Whoever stops
        waiting does not stop the act.
        """
        if self._closed:
            raise StoreError(f"the store {self._place} is closed")
        done: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Job(act, weight, yields, done))
        self._go_on()
        return done

    def _go_on(self, _rested: asyncio.Future[None] | None = None) -> None:
        """Let the thread work as long as anything waits."""
        if self._working is not None and self._working.done():
            self._working = None
        if self._waiting and self._working is None:
            self._working = self._loop.run_in_executor(self._thread, self._work)
            self._working.add_done_callback(self._go_on)

    async def _close(self) -> None:
        while self._working is not None:
            await asyncio.wait({self._working})
            self._go_on()
        await self._loop.run_in_executor(self._thread, self._hang_up)
        self._thread.shutdown(wait=False)

    # In the writer's thread

    def _work(self) -> None:
        while self._waiting:
            outcomes = self._commit(self._gather())
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody is left to be told
                self._loop.call_soon_threadsafe(self._tell, outcomes)

    def _hang_up(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _gather(self) -> list[_Job]:
        group, weight = [], 0
        while self._waiting and weight < GROUP_WEIGHT:
            group.append(self._waiting.popleft())
            weight += group[-1].weight
        return group

    def _commit(self, group: list[_Job]) -> list[_Outcome]:
        if self._reserve is not None and not self._reserve.hold():
            yielding = [job for job in group if job.yields]
            if yielding:
                refused = [_Outcome(job, error=self._full()) for job in yielding]
                return [*refused, *self._commit([job for job in group if not job.yields])]
        try:
            return self._transact(group) if group else []
        except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to whoever waits, not to this thread
            healed = self._healed(error)
            if len(group) == 1:
                again = healed or self._room_made(group[0], error)
                return self._once_more(group[0]) if again else [_Outcome(group[0], error=self._translated(error))]
        # One act spoils the transaction of all: each gets one of its own.
        return [outcome for job in group for outcome in self._commit([job])]

    def _transact(self, group: list[_Job]) -> list[_Outcome]:
        committed = False
        try:
            self._connection.execute("BEGIN")
            outcomes = [_Outcome(job, result=job.act(self._connection)) for job in group]
            self._connection.execute("COMMIT")
            committed = True
        finally:
            if not committed:
                with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself
                    self._connection.execute("ROLLBACK")
            if self._follower is not None:
                self._follower.settle(committed)
        return outcomes

    def _once_more(self, job: _Job) -> list[_Outcome]:
        try:
            return self._transact([job])
        except Exception as error:  # noqa: BLE001  # as above
            return [_Outcome(job, error=self._translated(error))]

    def _healed(self, error: Exception) -> bool:
        """Whether the database was damaged and has been replaced by what could be saved of it."""
        if self._heal is None or not isinstance(error, sqlite3.Error) or not is_damage(error):
            return False
        try:
            self._connection = self._heal(self._connection, error)
        except (sqlite3.Error, OSError, StoreError):
            return False  # the disk is full or worse: the error at hand is told, and this is tried again
        return True

    def _room_made(self, job: _Job, error: Exception) -> bool:
        """Whether the disk was full and the reserve has been given up for an act that does not yield."""
        if self._reserve is None or job.yields or not is_full(error) or not self._reserve.give():
            return False
        with contextlib.suppress(
            sqlite3.Error
        ):  # what the log holds goes to its place, so that the log has room as well
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        return True

    def _full(self) -> StoreError:
        return StoreError(
            f"the store {self._place} does not take writes: its disk is full, and the room that is left is kept for "
            "commands, alarms and the audit chain; make room on the disk"
        )

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error | OSError):
            failure = StoreError(f"the store {self._place} does not take writes or reads: {error}; look at its disk")
            failure.__cause__ = error
            return failure
        return error

    # In the event loop

    def _tell(self, outcomes: list[_Outcome]) -> None:
        for outcome in outcomes:
            if outcome.job.done.done():
                continue
            if outcome.error is None:
                outcome.job.done.set_result(outcome.result)
            else:
                outcome.job.done.set_exception(outcome.error)
        if self._follower is not None:
            self._follower.announce()
