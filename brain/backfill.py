"""Reading the past: a scheduler's history in slices, from now backwards, as far as it is wanted.

Each slice is one order: whoever wants days of the past gives it again until it is done. How far
it is stands in the store after each slice, so an order that was cut off is taken up where it was.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from ..plugins.scheduler import Scheduler
from . import ingest, outages, polling
from .ingest import Receipt
from .schedulers import Schedulers
from .store import Store

SLICE_SECONDS = 6 * 3600.0
DAY = 86400.0
BATCH = 500  # events in one transaction


class UnknownScheduler(LookupError):
    """No such scheduler is configured."""


class TooLongAgo(Exception):
    """The store does not keep what is so old; the message says what to do."""


class Stopped(Exception):
    """The brain ends; the slice is read again next time."""


@dataclass(frozen=True)
class Progress:
    """How far the past of a scheduler is read, and what the last slice brought.

    Whatever ended after ``reached`` (epoch seconds) is in the store, up to ``begun``, from which
    on the history is polled.
    """

    cluster: str
    scheduler: str
    begun: float
    reached: float
    done: bool
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0


class Backfill:
    """Reads the past of the schedulers of one brain."""

    def __init__(
        self,
        store: Store,
        schedulers: Schedulers,
        clock: Callable[[], float],
        max_windows: int,
        keep_days: float,
        counted: Callable[[Receipt], None],
    ) -> None:
        """``keep_days`` are those of the store; ``counted`` is told what became of each batch."""
        self._store = store
        self._schedulers = schedulers
        self._clock = clock
        self._max_windows, self._keep_days = max_windows, keep_days
        self._counted = counted
        self._stop = threading.Event()
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def stop(self) -> None:
        """End what is being read after its present batch."""
        self._stop.set()

    def step(self, key: tuple[str, str], since: float) -> Progress:
        """Read the next slice of what ended after ``since``; nothing where all of it is read.

        UnknownScheduler, TooLongAgo, or what the plugin raises; then the slice is still to be read.
        """
        scheduler = self._schedulers.get(key)
        if scheduler is None:
            raise UnknownScheduler(f"no {key[1]} scheduler of cluster {key[0]} is configured")
        self._check_age(since)
        with self._locks[key]:
            now = self._clock()
            with self._store.read() as db:
                begun, reached = _cursor(db, key, now)
            if reached <= since:
                return Progress(*key, begun, reached, True)
            start = max(since, reached - SLICE_SECONDS)
            receipt = self._read(scheduler, start, reached, now)
            told = scheduler.nodes(since) if start <= since else None
            with self._store.write() as db:
                db.execute(
                    "INSERT OR REPLACE INTO backfills VALUES (?,?,?,?)", (*key, start, begun)
                )
                if told is not None:
                    outages.keep(db, key, told, now)
        counts = receipt.accepted, receipt.duplicates, len(receipt.rejected)
        return Progress(*key, begun, start, start <= since, *counts)

    def _check_age(self, since: float) -> None:
        """TooLongAgo where it would be forgotten again. A day of grace: long orders take hours."""
        if since < self._clock() - self._keep_days * DAY - DAY:
            raise TooLongAgo(
                f"the store keeps {self._keep_days:g} days, what is older would be forgotten again:"
                " ask for fewer days, or raise keep_days in [store] of brain.toml"
            )

    def _read(self, scheduler: Scheduler, start: float, end: float, now: float) -> Receipt:
        """Take what ended between, in batches. What the first poll does not reach is no news."""
        historic = end <= now - polling.FIRST_SECONDS
        accepted = duplicates = 0
        rejected = []
        events = iter(scheduler.history(start, end))
        while batch := list(itertools.islice(events, BATCH)):
            if self._stop.is_set():
                raise Stopped("the brain ends; give the order again to go on")
            receipt = ingest.take_events(
                self._store,
                batch,
                now=self._clock(),
                max_windows=self._max_windows,
                historic=historic,
            )
            self._counted(receipt)
            accepted += receipt.accepted
            duplicates += receipt.duplicates
            rejected += receipt.rejected
        return Receipt(accepted, duplicates, rejected)


def _cursor(db: sqlite3.Connection, key: tuple[str, str], now: float) -> tuple[float, float]:
    row = db.execute(
        "SELECT begun, reached FROM backfills WHERE cluster = ? AND scheduler = ?", key
    ).fetchone()
    return (now, now) if row is None else (row["begun"], row["reached"])
