"""What the brain tells Prometheus of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily

from ...jobs.identity import Site
from .. import outages, recommendations, runs, site_spells
from ..ingest import Receipt
from ..retention import WHATS
from ..sources.archive import Archive
from ..store import Size, Store
from . import learning as learning_metrics
from .archive import ArchiveGauges
from .runs import RunGauges

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGES = ("sites", "judge", "expire", "verify", "archive", "forget")  # of the watcher's round


class BrainMetrics:
    """Counters in a registry of their own; gauges are read from the store at each scrape."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """Register all metrics, so that each is there from the start; ``clock`` tells the epoch."""
        disable_created_metrics()  # a second series for each counter, which nobody reads
        self._registry = CollectorRegistry()
        self._registry.register(_StoreGauges(store, clock))
        self._messages = Counter(
            "jobmend_brain_messages",
            "Messages that were ingested, by what became of them.",
            ["result"],
            registry=self._registry,
        )
        for result in ("accepted", "duplicate", "rejected"):
            self._messages.labels(result)
        self._poll_errors = Counter(
            "jobmend_brain_poll_errors",
            "Polls of a scheduler's history that failed.",
            ["cluster", "scheduler"],
            registry=self._registry,
        )
        self._node_poll_errors = Counter(
            "jobmend_brain_node_poll_errors",
            "Polls of the states of a scheduler's nodes that failed.",
            ["cluster", "scheduler"],
            registry=self._registry,
        )
        self._round_errors = Counter(
            "jobmend_brain_round_errors",
            "Failures while judging sites and workflows, expiring, verifying, archiving or"
            " forgetting.",
            ["stage"],
            registry=self._registry,
        )
        for stage in STAGES:
            self._round_errors.labels(stage)
        self._archived = Counter(
            "jobmend_brain_archive_windows",
            "Trace windows that were archived.",
            registry=self._registry,
        )
        self._refused = Counter(
            "jobmend_brain_refused_windows",
            "Trace windows of ailing runs that were not scored: of another length or other "
            "features than the model reads.",
            registry=self._registry,
        )

        self._gone = Counter(
            "jobmend_brain_store_forgotten",
            "What went out of the store by its age.",
            ["what"],
            registry=self._registry,
        )
        for what in WHATS:
            self._gone.labels(what)

    def windows_refused(self, windows: int) -> None:
        """Count windows that the trace model in use does not read."""
        self._refused.inc(windows)

    def keeps(self, archive: Archive) -> None:
        """Tell of this archive too."""
        self._registry.register(ArchiveGauges(archive))

    def archived(self, windows: int) -> None:
        """Count windows that were archived."""
        self._archived.inc(windows)

    def forgotten(self, what: str, number: int) -> None:
        """Count what went out of the store, a word of ``retention.WHATS``."""
        self._gone.labels(what).inc(number)

    def watches(self, cluster: str, scheduler: str) -> None:
        """Have the counters of this scheduler from the start: a rate needs the 0 before the 1."""
        self._poll_errors.labels(cluster, scheduler)
        self._node_poll_errors.labels(cluster, scheduler)

    def ingested(self, receipt: Receipt) -> None:
        """Count a batch."""
        self._messages.labels("accepted").inc(receipt.accepted)
        self._messages.labels("duplicate").inc(receipt.duplicates)
        self._messages.labels("rejected").inc(len(receipt.rejected))

    def poll_failed(self, cluster: str, scheduler: str) -> None:
        """Count a poll that failed."""
        self._poll_errors.labels(cluster, scheduler).inc()

    def node_poll_failed(self, cluster: str, scheduler: str) -> None:
        """Count a poll of the nodes that failed."""
        self._node_poll_errors.labels(cluster, scheduler).inc()

    def round_failed(self, stage: str) -> None:
        """Count a failure in one stage of the watcher's round."""
        self._round_errors.labels(stage).inc()

    def page(self) -> bytes:
        """The metrics in Prometheus text format."""
        return bytes(generate_latest(self._registry))


class _StoreGauges:
    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._runs = RunGauges()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._store.read() as db:
            by_state, by_verdict = recommendations.counts(db), runs.counts(db)
            bad, out = site_spells.now_bad(db), outages.now_out(db)
            of_runs = list(self._runs.families(db, self._clock()))
            of_learning = list(learning_metrics.families(db))
        yield from _of_size(self._store.size())
        states = GaugeMetricFamily(
            "jobmend_brain_recommendations", "Recommendations by state.", labels=["state"]
        )
        for state, number in by_state.items():
            states.add_metric([state.value], number)
        yield states
        verdicts = GaugeMetricFamily(
            "jobmend_brain_runs", "Runs by how they ended, or active.", labels=["verdict"]
        )
        for verdict, number in sorted(by_verdict.items()):
            verdicts.add_metric([verdict], number)
        yield verdicts
        yield from _of_sites(bad, out)
        yield from of_runs
        yield from of_learning


def _of_size(size: Size) -> Iterable[GaugeMetricFamily]:
    yield GaugeMetricFamily(
        "jobmend_brain_store_bytes",
        "Bytes of the store's file and its write-ahead log.",
        value=size.bytes,
    )
    yield GaugeMetricFamily(
        "jobmend_brain_store_free_bytes",
        "Bytes in the store's file that hold nothing and are used again.",
        value=size.free_bytes,
    )


def _of_sites(
    bad: Mapping[Site, bool], out: Mapping[Site, tuple[int, int]]
) -> Iterable[GaugeMetricFamily]:
    labels = ["cluster", "site"]
    is_bad = GaugeMetricFamily(
        "jobmend_brain_site_bad", "Is the site bad (1) or good (0).", labels=labels
    )
    for site, value in bad.items():
        is_bad.add_metric([site.cluster, site.name], value)
    yield is_bad
    nodes = GaugeMetricFamily("jobmend_brain_site_nodes", "Nodes of the site.", labels=labels)
    nodes_out = GaugeMetricFamily(
        "jobmend_brain_site_nodes_out", "Nodes of the site that are out.", labels=labels
    )
    for site, (all_of_them, some) in out.items():
        nodes.add_metric([site.cluster, site.name], all_of_them)
        nodes_out.add_metric([site.cluster, site.name], some)
    yield nodes
    yield nodes_out
