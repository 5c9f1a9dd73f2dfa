"""The brain's round: ask the schedulers, judge sites and workflows, verify, archive, forget."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..jobs.events import JobEvent
from ..plugins.scheduler import Scheduler
from . import advising, ingest, outages, polling, recommendations, site_spells, verifying, workflows
from .archiving import Archiving
from .config import BrainConfig
from .metrics.page import BrainMetrics
from .models.shelf import ModelShelf
from .retention import Retention
from .schedulers import Schedulers
from .store import Store

log = logging.getLogger(__name__)

BATCH = 500


@dataclass(frozen=True)
class Poll:
    """How the last poll of a scheduler went; ``error`` is empty where it went well."""

    time: float
    error: str = ""


class Watcher:
    """Goes its round every ``poll_seconds`` in a thread of its own.

    A failure of one scheduler or one workflow is logged and counted, and stops none of the others.
    """

    def __init__(
        self,
        store: Store,
        schedulers: Schedulers,
        shelf: ModelShelf,
        metrics: BrainMetrics,
        archiving: Archiving,
        retention: Retention,
        config: BrainConfig,
        clock: Callable[[], float],
    ) -> None:
        """Keep what the round needs; :meth:`start` starts it."""
        self._store = store
        self._schedulers = schedulers
        self._shelf = shelf
        self._metrics = metrics
        self._archiving, self._retention = archiving, retention
        self._config = config
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="watcher", daemon=True)
        self._polls: dict[tuple[str, str], Poll] = {}
        self._nodes_due = self._sites_due = -math.inf
        for key in schedulers:
            metrics.watches(*key)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread after the step it is at; wait up to ``timeout`` seconds for it."""
        self._stop.set()
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Is the thread running?"""
        return self._thread.is_alive()

    def last_polls(self) -> dict[tuple[str, str], Poll | None]:
        """The last poll of each scheduler; None before the first."""
        return {key: self._polls.get(key) for key in self._schedulers}

    def _loop(self) -> None:
        while not self._stop.is_set():
            self.round()
            self._stop.wait(self._config.advice.poll_seconds)

    def round(self) -> None:
        """Go once round."""
        self._look_at_nodes()
        for key, scheduler in self._schedulers.items():
            self._poll(key, scheduler)
        self._guarded("sites", self._note_sites)
        self._guarded("judge", self._judge)
        self._guarded("expire", self._expire)
        self._guarded("verify", self._verify)
        self._guarded("archive", self._archiving.round)
        self._guarded("forget", self._retention.round)

    def _guarded(self, stage: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            log.exception("%s failed; it is tried again in the next round", stage)
            self._metrics.round_failed(stage)

    def _look_at_nodes(self) -> None:
        """Ask for the states of the nodes where that is due, before the runs that ended there."""
        now = self._clock()
        if now < self._nodes_due:
            return
        self._nodes_due = now + self._config.advice.nodes_seconds
        for key, scheduler in self._schedulers.items():
            try:
                with self._store.read() as db:
                    since = outages.since(db, key, now)
                told = scheduler.nodes(since)
                with self._store.write() as db:
                    outages.keep(db, key, told, now)
            except Exception as error:
                log.warning("%s %s: the nodes' states could not be read: %s", *key, error)
                self._metrics.node_poll_failed(*key)

    def _note_sites(self) -> None:
        now = self._clock()
        if now < self._sites_due:
            return
        self._sites_due = now + self._config.advice.nodes_seconds
        site_spells.note(self._store, now, self._config.advice.site_window_seconds)

    def _poll(self, key: tuple[str, str], scheduler: Scheduler) -> None:
        now = self._clock()
        try:
            with self._store.read() as db:
                since = polling.since(db, key, now)
            events = iter(scheduler.history(since))
            while batch := list(itertools.islice(events, BATCH)):
                self._take(key, batch)
            with self._store.write() as db:
                polling.advance(db, key, now)
            self._polls[key] = Poll(now)
        except Exception as error:
            log.warning("%s %s: the history could not be read: %s", *key, error)
            self._metrics.poll_failed(*key)
            self._polls[key] = Poll(now, str(error) or type(error).__name__)

    def _take(self, key: tuple[str, str], events: Sequence[JobEvent]) -> None:
        receipt = ingest.take_events(
            self._store,
            events,
            now=self._clock(),
            max_windows=self._config.store.max_windows,
        )
        for rejection in receipt.rejected:
            log.warning("%s %s: an event of the history: %s", *key, rejection.error)
        self._metrics.ingested(receipt)

    def _judge(self) -> None:
        now, advice = self._clock(), self._config.advice
        with self._store.read() as db:
            due = workflows.due(db, now, advice.settle_seconds, advice.queue_seconds)
        if not due:
            return
        models = self._shelf.current()
        for workflow in due:
            if self._stop.is_set():
                return
            try:
                advising.judge(
                    self._store, workflow, models, advice, now, self._metrics.windows_refused
                )
            except Exception:
                log.exception("workflow %r could not be judged", workflow.key)
                self._metrics.round_failed("judge")
                with self._store.write() as db:  # not again before its facts change
                    workflows.mark_judged(db, workflow, now)

    def _expire(self) -> None:
        with self._store.write() as db:
            recommendations.expire(db, self._clock(), self._config.advice.expire_seconds)

    def _verify(self) -> None:
        verifying.verify(self._store, self._config.advice, self._clock())
