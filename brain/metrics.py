"""What the brain tells Prometheus of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily

from ..jobs.identity import Site
from . import outages, recommendations, runs, site_spells
from .ingest import Receipt
from .store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class BrainMetrics:
    """Counters in a registry of their own; gauges are read from the store at each scrape."""

    def __init__(self, store: Store) -> None:
        """Register all metrics, so that each is there from the start."""
        disable_created_metrics()  # a second series for each counter, which nobody reads
        self._registry = CollectorRegistry()
        self._registry.register(_StoreGauges(store))
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
            "Failures while judging sites and workflows, expiring or verifying.",
            ["stage"],
            registry=self._registry,
        )

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
    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._store.read() as db:
            by_state, by_verdict = recommendations.counts(db), runs.counts(db)
            bad, out = site_spells.now_bad(db), outages.now_out(db)
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
