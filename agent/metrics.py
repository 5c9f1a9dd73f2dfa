"""The agent's page: the state of sampler, registry, spool and uplink as metric families."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from dataclasses import dataclass, field

from ..exporter.names import FAMILIES
from ..exporter.page import Page, labels
from ..jobs.identity import Run
from ..jobs.version import VERSION
from ..plugins.layout import JobPath
from . import parsers
from .sampler import Sampler
from .spool import Spool
from .titles import job_id_from_titles
from .trace import JobTrace
from .tracked import UNTOLD_RUN, Tracked
from .uplink import Uplink

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

log = logging.getLogger(__name__)


@dataclass
class Health:
    """What the agent counts about itself."""

    samples: int = 0
    sample_seconds: float = 0.0
    samples_dropped: int = 0
    sample_errors: int = 0
    duplicate_series: int = 0
    hook_events: Counter[tuple[str, str]] = field(default_factory=Counter)  # (hook, result)


def add_jobs(page: Page, sampler: Sampler, runs: list[Tracked], *, live: bool) -> None:
    """The series of all jobs whose cgroups exist; a job that fails costs only its own.

    ``live`` adds what changes by itself from one look to the next.
    """
    by_trace = {id(tracked.trace): tracked for tracked in runs if tracked.trace is not None}
    for path, trace in sampler.jobs.items():
        try:
            _add_job(page, path, trace, by_trace.get(id(trace)), live)
        except Exception:  # the boundary of one job
            log.exception("job %s of %s is not on the page", path.job_id, path.scheduler)


def _add_job(page: Page, path: JobPath, trace: JobTrace, run: Tracked | None, live: bool) -> None:
    known = _identity(path, run)
    add_info(page, known, trace, run)
    if live:
        page.add("jobmend_job_last_seen_timestamp_seconds", trace.ended_epoch, known)
    if trace.cpu.value is not None:
        page.add("jobmend_job_cpu_user_seconds_total", trace.cpu.value.user, known)
        page.add("jobmend_job_cpu_system_seconds_total", trace.cpu.value.system, known)
        throttled = trace.cpu.value.throttled
        page.add(
            "jobmend_job_cpu_throttled_seconds_total",
            trace.throttled_v1.value if throttled is None else throttled,
            known,
        )
    cpus = trace.cpus.value
    page.add("jobmend_job_cpus", None if cpus is None else len(cpus), known)
    _add_memory(page, trace, known)
    _add_pressure(page, trace, known)
    if trace.io.value is not None:
        for name, value in trace.io.value._asdict().items():
            page.add(f"jobmend_job_io_{name}_total", value, known)


def add_info(page: Page, known: str, trace: JobTrace, run: Tracked | None) -> None:
    """Whose the job is and since when, as far as a hook told."""
    facts = run.start.facts if run is not None and run.start is not None else None
    about = labels(
        user=facts.user if facts else "",
        account=facts.account if facts else "",
        site=facts.site if facts else "",
        cgroup=trace.cgroup,
    )
    page.add("jobmend_job_info", 1, f"{known},{about}")
    if run is not None and run.start is not None:
        page.add("jobmend_job_start_time_seconds", run.start.time, known)


def _identity(path: JobPath, run: Tracked | None) -> str:
    """The labels a job is known by: the hook's words where one spoke, else the path's."""
    if run is None:
        return labels(
            scheduler=path.scheduler, jobid=path.job_id, run=path.run or UNTOLD_RUN, node=path.node
        )
    known = run.run
    return labels(scheduler=known.scheduler, jobid=known.job_id, run=known.run, node=path.node)


def _add_memory(page: Page, trace: JobTrace, known: str) -> None:
    memory = trace.memory
    stat = memory.stat
    for word, value in (
        ("current", memory.current),
        ("anon", stat and stat.anon),
        ("file", stat and stat.file),
        ("shmem", stat and stat.shmem),
        ("inactive_file", stat and stat.inactive_file),
        ("swap", memory.swap),
        ("peak", memory.peak),
        ("limit", memory.limit),
        ("working_set", memory.working_set),
    ):
        page.add(f"jobmend_job_memory_{word}_bytes", value, known)
    if memory.oom is not None:
        page.add("jobmend_job_memory_oom_events_total", memory.oom.events, known)
        page.add("jobmend_job_memory_oom_kills_total", memory.oom.kills, known)


def _add_pressure(page: Page, trace: JobTrace, known: str) -> None:
    for resource, measure in (
        ("cpu", trace.cpu_pressure),
        ("memory", trace.memory_pressure),
        ("io", trace.io_pressure),
    ):
        if measure.value is not None:
            prefix = f"jobmend_job_pressure_{resource}"
            page.add(f"{prefix}_waiting_seconds_total", measure.value.some, known)
            page.add(f"{prefix}_stalled_seconds_total", measure.value.full, known)


def add_features(page: Page, sampler: Sampler) -> None:
    """What the job cgroups of this node offer; nothing is said while there is none."""
    traces = list(sampler.jobs.values())
    if not traces:
        return
    for feature, there in (
        ("psi", any(trace.cpu_pressure.value is not None for trace in traces)),
        ("io", any(trace.io.value is not None for trace in traces)),
        ("peak", any(trace.memory.peak is not None for trace in traces)),
        ("cpuset", any(trace.cpus.value is not None for trace in traces)),
    ):
        page.add("jobmend_feature_supported", int(there), labels(feature=feature))


def add_threads(page: Page, sampler: Sampler, runs: list[Tracked]) -> None:
    """What the hardware threads did, and whose cpusets hold them."""
    threads = sampler.threads.latest
    if threads is not None:
        counters = iter(threads.ticks)
        for cpu in threads.cpus:
            for mode in parsers.MODES:
                page.add(
                    "jobmend_thread_cpu_seconds_total",
                    parsers.seconds(next(counters)),
                    f'cpu="{cpu}",mode="{mode}"',
                )
    by_path = {tracked.path: tracked for tracked in runs if tracked.path is not None}
    for cpu, owner in sampler.owners.items():
        ownership = "exclusive" if owner.exclusive else "shared"
        for path in owner.jobs:
            known = _identity(path, by_path.get(path))
            page.add("jobmend_thread_job_info", 1, f'cpu="{cpu}",{known},ownership="{ownership}"')


def add_exits(page: Page, runs: list[Tracked]) -> None:
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


def add_health(page: Page, health: Health, unkept_reads: int, unnamed: int) -> None:
    """How the agent itself fares."""
    name = "jobmend_agent_sample_duration_seconds"
    page.add_summary(name, health.sample_seconds, health.samples)
    page.add("jobmend_agent_samples_dropped_total", health.samples_dropped)
    page.add("jobmend_agent_sample_errors_total", health.sample_errors)
    page.add("jobmend_agent_unkept_files_total", unkept_reads)
    for (hook, result), count in sorted(health.hook_events.items()):
        page.add("jobmend_agent_hook_events_total", count, labels(hook=hook, result=result))
    health.duplicate_series += page.duplicates
    for reason, count in (("unnamed", unnamed), ("duplicate", health.duplicate_series)):
        page.add("jobmend_agent_attribution_errors_total", count, labels(reason=reason))
    page.add("jobmend_build_info", 1, labels(version=VERSION))
    page.add("process_cpu_seconds_total", time.process_time())
    page.add("process_resident_memory_bytes", _resident_bytes())


def add_shipping(page: Page, spool: Spool, uplink: Uplink) -> None:
    """What waits for the brain, and what became of what was sent."""
    for kind, depth in spool.depth().items():
        page.add("jobmend_agent_spool_messages", depth, labels(kind=kind))
        page.add("jobmend_agent_spool_dropped_total", spool.dropped[kind], labels(kind=kind))
    page.add("jobmend_agent_spool_errors_total", spool.errors)
    for name, words, counts in (
        ("jobmend_agent_uplink_requests_total", ("ok", "failed"), uplink.requests),
        (
            "jobmend_agent_uplink_messages_total",
            ("accepted", "duplicate", "rejected"),
            uplink.messages,
        ),
    ):
        for word in words:
            page.add(name, counts[word], labels(result=word))


def _resident_bytes() -> int | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None


def page_of_the_moment(sampler: Sampler, proc_root: str) -> bytes:
    """The page of one look, without hooks and without the agent's own state: for ``--once``."""
    page = Page(FAMILIES)
    runs = []
    for path, trace in sampler.jobs.items():
        job_id = path.job_id or job_id_from_titles(trace.directories, proc_root)
        run = Run("", path.scheduler, job_id, path.run or UNTOLD_RUN)
        runs.append(Tracked(run, path.node, since=0.0, path=path, trace=trace))
    add_jobs(page, sampler, runs, live=False)
    add_threads(page, sampler, runs)
    add_features(page, sampler)
    return page.render()
