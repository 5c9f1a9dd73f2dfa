"""The parts of one brain, made from its configuration and wired together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from . import schedulers, tokens
from .acting import Acting
from .archiving import Archiving, Bounds
from .backfill import Backfill
from .config import BrainConfig
from .learning.registry.following import Following
from .metrics.page import BrainMetrics
from .models.shelf import ModelShelf
from .retention import Kept, Retention
from .schedulers import Schedulers
from .sources.archive import Archive
from .store import Store
from .tokens import Tokens
from .watcher import Watcher


@dataclass(frozen=True)
class Brain:
    """One brain at work; ``clock`` gives seconds since the epoch."""

    config: BrainConfig
    store: Store
    tokens: Tokens
    acting: Acting
    backfill: Backfill
    metrics: BrainMetrics
    shelf: ModelShelf
    following: Following
    watcher: Watcher
    clock: Callable[[], float]

    def start(self) -> None:
        """Finish what was interrupted, then begin the rounds."""
        self.acting.resume()
        self.watcher.start()

    def stop(self) -> None:
        """End the rounds and close the store."""
        self.backfill.stop()
        self.watcher.stop()
        self.store.close()


def assemble(
    config: BrainConfig,
    watched: Schedulers | None = None,
    clock: Callable[[], float] = time.time,
) -> Brain:
    """Make a brain; StoreError or TokenError where its files cannot be used.

    ``watched`` takes the place of the schedulers of the configuration.
    """
    found = schedulers.build(config.schedulers) if watched is None else watched
    secrets = tokens.ensure(config.store.tokens)
    store = Store(config.store.path)
    metrics, shelf = BrainMetrics(store, clock), ModelShelf(config.store.models)
    archive = Archive(config.store.archive)
    metrics.keeps(archive)
    bounds = Bounds(config.learning.archive_days, config.learning.archive_bytes)
    archiving = Archiving(store, archive, bounds, clock, metrics.archived)
    kept = Kept(config.keep_days, max(config.keep_days, config.store.keep_audit_days))
    window = config.advice.site_window_seconds
    retention = Retention(store, kept, window, clock, metrics.forgotten)
    return Brain(
        config=config,
        store=store,
        tokens=secrets,
        acting=Acting(store, found, clock, external=config.advice.executor == "external"),
        backfill=Backfill(
            store, found, clock, config.store.max_windows, config.keep_days, metrics.ingested
        ),
        metrics=metrics,
        shelf=shelf,
        following=Following(store, config),
        watcher=Watcher(store, found, shelf, metrics, archiving, retention, config, clock),
        clock=clock,
    )
