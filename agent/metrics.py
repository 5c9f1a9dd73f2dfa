"""The agent's page: the state of sampler, registry, spool and uplink as metric families."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..exporter.names import FAMILIES
from ..exporter.page import Page, labels
from ..jobs.identity import Run
from ..jobs.version import VERSION
from ..plugins.layout import JobPath, Unidentified
from .health import Health
from .peers import PeerSeries
from .registry import Registry
from .resolver import Resolver
from .sampler import Sampler
from .series import JobSeries, Shown, ThreadSeries
from .spool import Spool
from .trace import JobTrace
from .tracked import UNTOLD_RUN, Tracked

if TYPE_CHECKING:
    from .delivery import Delivery
    from .scoring import Scoring
    from .uplink import Uplink

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

log = logging.getLogger(__name__)


class Metrics:
    """Makes the page. Any thread may ask; one is answered at a time."""

    def __init__(
        self,
        sampler: Sampler,
        registry: Registry,
        health: Health,
        spool: Spool,
        uplink: Uplink | None,
        *,
        totals_ttl_seconds: float,
        peers: Sequence[str] = (),
        scoring: Scoring | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        """Tell the state of the agent's parts, in the names of ``peers`` as well.

        The numbers of an ended job stay on the page for ``totals_ttl_seconds``.
        """
        self._sampler, self._registry, self._health = sampler, registry, health
        self._spool, self._uplink = spool, uplink
        self._scoring, self._delivery = scoring, delivery
        self._totals_ttl = totals_ttl_seconds
        self._jobs, self._threads = JobSeries(live=True), ThreadSeries()
        self._peers = PeerSeries(peers)
        self._families = {**FAMILIES, **self._peers.families}
        self._failed: set[str] = set()
        self._lock = threading.Lock()
        self._pages_duplicates = 0

    def page(self, openmetrics: bool = False) -> bytes:
        """The page now, as OpenMetrics or as Prometheus' own text."""
        with self._lock:
            page = Page(self._families)
            runs = self._registry.runs()
            live, ended = _shown(self._sampler, runs, time.monotonic() - self._totals_ttl)
            shown = live + ended
            for name, collect in (
                ("jobs", lambda: self._jobs.put(page, shown, self._sampler.lock)),
                ("threads", lambda: self._put_threads(page)),
                ("peers", lambda: self._peers.put(page, live, self._sampler.lock)),
                ("allocations", lambda: add_allocations(page, runs)),
                ("features", lambda: add_features(page, live)),
                ("exits", lambda: add_exits(page, runs)),
                ("spool", lambda: add_spool(page, self._spool)),
                ("uplink", lambda: add_uplink(page, self._uplink)),
                ("scorer", lambda: self._add_scorer(page, live + ended)),
                ("agent", lambda: self._add_agent(page)),
            ):
                self._collect(page, name, collect)
            self._pages_duplicates += page.duplicates
            return page.render(openmetrics)

    def _add_scorer(self, page: Page, shown: Sequence[Shown]) -> None:
        if self._scoring is not None:
            from .scorer_metrics import add_anomalies, add_scorer

            add_anomalies(page, shown)
            add_scorer(page, self._scoring, self._delivery)

    def _put_threads(self, page: Page) -> None:
        lines = self._sampler.threads.lines
        if lines:
            self._threads.put(page, lines, self._sampler.claims, self._jobs.identities)

    def _collect(self, page: Page, name: str, collect: Callable[[], None]) -> None:
        """One part of the page: where it fails, the others are served all the same."""
        began = time.perf_counter()
        try:
            collect()
            self._failed.discard(name)
        except Exception:  # the boundary of one collector
            if name not in self._failed:
                log.exception("the %s are missing on the page", name)
            self._failed.add(name)
        text = f'collector="{name}"'
        page.add("jobmend_agent_collector_success", int(name not in self._failed), text)
        seconds = time.perf_counter() - began
        page.add("jobmend_agent_collector_duration_seconds", round(seconds, 6), text)

    def _add_agent(self, page: Page) -> None:
        errors: Counter[str] = Counter(self._registry.errors)
        errors["duplicate"] += self._jobs.duplicates + self._pages_duplicates
        add_health(page, self._health, errors)
        page.add("jobmend_agent_unkept_files_total", self._sampler.kept.unkept_reads)
        page.add("jobmend_agent_kept_files", self._sampler.kept.open)


def _shown(
    sampler: Sampler, runs: Iterable[Tracked], oldest: float
) -> tuple[list[Shown], list[Shown]]:
    """The jobs whose cgroups are there, and those that ended after the time ``oldest``."""
    by_trace = {id(run.trace): run for run in runs if run.trace is not None}
    jobs = sampler.jobs
    live = [Shown(path, trace, by_trace.pop(id(trace), None)) for path, trace in jobs.items()]
    ended = []
    for run in by_trace.values():
        gone = run.ended if run.vanished is None else run.vanished
        if run.path is not None and run.trace is not None and (gone is None or gone > oldest):
            ended.append(Shown(run.path, run.trace, run))
    return live, ended


def add_allocations(page: Page, runs: Iterable[Tracked]) -> None:
    """Runs that started and have no cgroup: a held allocation in which no step runs."""
    waiting = {
        run.run: run for run in runs if run.start and run.trace is None and run.ended is None
    }
    for known, run in waiting.items():
        assert run.start is not None
        facts = run.start.facts
        who = labels(scheduler=known.scheduler, jobid=known.job_id, run=known.run)
        about = labels(user=facts.user, account=facts.account, site=facts.site, slot=run.slot)
        page.add("jobmend_job_info", 1, f"{who},{about}" if about else who)
        page.add("jobmend_job_start_time_seconds", round(run.start.time, 3), who)


def add_features(page: Page, shown: Sequence[Shown]) -> None:
    """What the job cgroups of this node offer; nothing is said while there is none."""
    if not shown:
        return
    told = {family for cells in {job.trace.cells for job in shown} for family, _ in cells}
    for feature, family in (
        ("psi", "jobmend_job_pressure_cpu_waiting_seconds_total"),
        ("io", "jobmend_job_io_read_bytes_total"),
        ("peak", "jobmend_job_memory_peak_bytes"),
        ("cpuset", "jobmend_job_cpus"),
    ):
        page.add("jobmend_feature_supported", int(family in told), f'feature="{feature}"')


def add_exits(page: Page, runs: Iterable[Tracked]) -> None:
    """How runs ended, while the page remembers them."""
    for tracked in runs:
        if tracked.ended is None or tracked.exit is None:
            continue
        end = tracked.exit
        about = labels(
            scheduler=tracked.run.scheduler,
            jobid=tracked.run.job_id,
            run=tracked.run.run,
            node=tracked.path.node if tracked.path else "",
            kind=end.kind.value,
            code="" if end.code is None else str(end.code),
            signal="" if end.signal is None else str(end.signal),
            reason=end.reason,
        )
        page.add("jobmend_job_exit_info", 1, about)


def add_health(page: Page, health: Health, errors: Counter[str]) -> None:
    """How the agent itself fares; ``errors`` of attribution by reason."""
    for name, total in (
        ("jobmend_agent_sample_duration_seconds", health.sample_seconds),
        ("jobmend_agent_sample_jitter_seconds", health.late_seconds),
    ):
        page.add_summary(name, round(total, 6), health.samples)
    page.add("jobmend_agent_samples_dropped_total", health.samples_dropped)
    page.add("jobmend_agent_sample_errors_total", health.sample_errors)
    for (hook, result), count in sorted(health.hook_events.items()):
        page.add("jobmend_agent_hook_events_total", count, f'hook="{hook}",result="{result}"')
    for reason, count in sorted(errors.items()):
        page.add("jobmend_agent_attribution_errors_total", count, f'reason="{reason}"')
    page.add("jobmend_build_info", 1, labels(version=VERSION))
    page.add("process_cpu_seconds_total", round(time.process_time(), 6))
    page.add("process_resident_memory_bytes", _resident_bytes())
    page.add("process_start_time_seconds", round(health.started, 3))
    page.add("process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def add_spool(page: Page, spool: Spool) -> None:
    """What waits for the brain."""
    for kind, depth in spool.depth().items():
        page.add("jobmend_agent_spool_messages", depth, f'kind="{kind}"')
        page.add("jobmend_agent_spool_dropped_total", spool.dropped[kind], f'kind="{kind}"')
    page.add("jobmend_agent_spool_oldest_seconds", round(spool.age(time.time()), 3))
    page.add("jobmend_agent_spool_errors_total", spool.errors)


def add_uplink(page: Page, uplink: Uplink | None) -> None:
    """What became of what was sent; nothing where no brain is configured."""
    if uplink is None:
        return
    for name, words, counts in (
        ("jobmend_agent_uplink_requests_total", ("ok", "failed"), uplink.requests),
        (
            "jobmend_agent_uplink_messages_total",
            ("accepted", "duplicate", "rejected"),
            uplink.messages,
        ),
    ):
        for word in words:
            page.add(name, counts[word], f'result="{word}"')


def _resident_bytes() -> int | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None


def page_of_the_moment(
    sampler: Sampler, proc_root: str, *, openmetrics: bool = False, peers: Sequence[str] = ()
) -> bytes:
    """The page of one look, without hooks and without the agent's own state: for ``--once``."""
    series, processes = PeerSeries(peers), Resolver(proc_root)
    page = Page({**FAMILIES, **series.families})
    shown = []
    for path, trace in sampler.jobs.items():
        job_id, run_id = _identify(path, trace, processes)
        run = Run("", path.scheduler, job_id, run_id or UNTOLD_RUN)
        shown.append(Shown(path, trace, Tracked(run, path.node, since=0.0, path=path, trace=trace)))
    jobs, threads = JobSeries(live=False), ThreadSeries()
    jobs.put(page, shown, sampler.lock)
    if sampler.threads.lines:
        threads.put(page, sampler.threads.lines, sampler.claims, jobs.identities)
    series.put(page, shown, sampler.lock)
    add_features(page, shown)
    return page.render(openmetrics)


def _identify(path: JobPath, trace: JobTrace, processes: Resolver) -> tuple[str, str]:
    """Job id and run: by the path, else as the processes there tell."""
    if not path.job_id:
        with contextlib.suppress(Unidentified):
            told = processes.identify(path, trace.directories)
            if told is not None:
                return told.job_id, path.run or told.run
    return path.job_id, path.run
