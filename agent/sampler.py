"""The jobs and threads of a node, sampled: who came, who went, and what each did in between."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..jobs.identity import Run
from ..jobs.windows import TraceWindow
from ..plugins.layout import JobPath, Layout
from .census import Census, Found
from .cgroups import LAYOUTS, Sighting
from .config import Config
from .discovery import Discovery
from .endings import Endings
from .files import Descriptors, Gone
from .notices import Notice, Notices
from .ownership import Claim, claims
from .threads import ThreadTrace
from .trace import JobTrace
from .windows import choose_threads, cut

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """The jobs whose cgroups appeared and vanished since the sample before."""

    appeared: dict[JobPath, JobTrace] = field(default_factory=dict)
    vanished: dict[JobPath, JobTrace] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Did any?"""
        return bool(self.appeared or self.vanished)


class Sampler:
    """Samples the jobs and threads of one node. Only one thread may call what it offers, but
    any :meth:`refresh`.

    ``jobs`` and ``claims`` are replaced, never changed, so that other threads may read them; who
    reads traces from another thread holds ``lock``.
    """

    def __init__(self, config: Config, layouts: Sequence[Layout] = LAYOUTS) -> None:
        """Sample the jobs of ``layouts`` below the roots of ``config``; nothing is read yet."""
        sample = config.sample
        self.lock = threading.Lock()
        self.kept = Descriptors()
        self.notices = Notices()
        self.jobs: dict[JobPath, JobTrace] = {}
        self.claims: dict[int, tuple[Claim, ...]] = {}
        self._config = config
        self._discovery = Discovery(sample.cgroup_root, layouts, self.notices)
        self._endings = Endings(self.notices, layouts)
        self._census = Census(sample.proc_root)
        self._to_count: deque[JobPath] = deque()
        self._found: dict[JobPath, Found] = {}
        self.slow_at = -math.inf
        self._claimed: object = None  # what the claims were worked out of
        self._before: tuple[dict[int, tuple[Claim, ...]], int] = ({}, 0)
        self._threads_failed = False
        self._rows = max(int(sample.ring_seconds / sample.period_seconds), 2) + 1
        slow_rows = int(config.watch.contention_seconds / sample.slow_seconds) + 2
        self.threads = ThreadTrace(sample.proc_root, config.window.steps + 1, slow_rows, self.kept)

    # ---- sampling -------------------------------------------------------------------------------

    def sample(self, now: float, epoch: float) -> Changes:
        """Take one sample under the monotonic time ``now``; ``epoch`` is the same moment."""
        with self.lock:
            self._heed(self.notices.wait(0.0), now, epoch)
            self._before = (self.claims, len(self.jobs))
            slow = now - self.slow_at >= 0.9 * self._config.sample.slow_seconds
            changes = self._relist(epoch, now) if self._discovery.is_due(now) else Changes()
            self._sample_threads(now, slow)
            for job, trace in self.jobs.items():
                self._sample_job(job, trace, now, epoch, slow)
                if trace.lost:
                    self._discovery.doubt()
            if slow:
                self.slow_at = now
                self._count_some(now)
                self._endings.look()
            if slow or changes:
                self._claim()
            return changes

    def _sample_threads(self, now: float, slow: bool) -> None:
        try:
            self.threads.sample(now, slow=slow)
            self._threads_failed = False
        except (OSError, Gone, ValueError) as error:
            if not self._threads_failed:
                log.warning("the hardware threads cannot be sampled: %s", error)
            self._threads_failed = True

    def _sample_job(
        self, job: JobPath, trace: JobTrace, now: float, epoch: float, slow: bool
    ) -> None:
        try:
            trace.sample(now, epoch, slow=slow or not trace.samples)
        except Exception:  # one job must not cost the others their sample
            log.exception("job %s of %s could not be sampled", job.job_id, job.scheduler)

    def attend(self, notice: Notice, now: float, epoch: float) -> Changes:
        """Do what a notice asks for between two samples: last readings, and looking for jobs."""
        with self.lock:
            self._heed(notice, now, epoch)
            if self._discovery.due_in(now) != 0.0:
                return Changes()
            self._before = (self.claims, len(self.jobs))
            changes = self._relist(epoch, now)
            for job, trace in changes.appeared.items():
                self._sample_job(job, trace, now, epoch, slow=True)
            return changes

    def due_in(self, now: float) -> float | None:
        """Seconds until it wants to look for jobs; None: not before the next sample."""
        return self._discovery.due_in(now)

    def _heed(self, notice: Notice, now: float, epoch: float) -> None:
        for trace in self._endings.hear(notice):
            trace.flush(now, epoch)
        self._discovery.hear(notice)

    def refresh(self, trace: JobTrace) -> None:
        """Read a job once more whose end was just told; any thread may call this."""
        with self.lock:
            trace.flush(time.monotonic(), time.time())

    # ---- who is there ---------------------------------------------------------------------------

    def _relist(self, epoch: float, now: float) -> Changes:
        found = self._discovery.look(now, self._endings.directories)
        changes = Changes()
        jobs: dict[JobPath, JobTrace] = {}
        for job, trace in self.jobs.items():
            if job in found and not trace.replaced_by(found[job]):
                jobs[job] = trace
                trace.lost = False
            else:
                self._leave(job, trace)
                changes.vanished[job] = trace
        for job, sighting in found.items():
            if job not in jobs:
                jobs[job] = changes.appeared[job] = JobTrace(self._rows, self.kept, epoch)
            if jobs[job].directories != sighting.directories:
                self._attach(job, jobs[job], sighting)
        self.jobs = jobs
        for job in changes.appeared:
            self._count(job, now)
        return changes

    def renew(self, trace: JobTrace, now: float, epoch: float) -> Changes:
        """Measure a next job in the cgroup that ``trace`` measured: from what is counted now."""
        with self.lock:
            job = next((job for job, known in self.jobs.items() if known is trace), None)
            if job is None:
                return Changes()
            trace.flush(now, epoch)
            anew = JobTrace(self._rows, self.kept, epoch, trace.counters())
            sighting = Sighting(trace.cgroup, dict(trace.directories))
            self._leave(job, trace)
            self._attach(job, anew, sighting)
            self.jobs = {**self.jobs, job: anew}
            self._sample_job(job, anew, now, epoch, slow=True)
            return Changes({job: anew}, {job: trace})

    def _attach(self, job: JobPath, trace: JobTrace, sighting: Sighting) -> None:
        trace.attach(sighting)
        self._endings.follow(job, trace)

    def _leave(self, job: JobPath, trace: JobTrace) -> None:
        trace.close()
        self._endings.forget(trace)
        self._census.forget(job)
        self._found.pop(job, None)

    # ---- who owns what --------------------------------------------------------------------------

    def _count_some(self, now: float) -> None:
        """Look into the processes of some jobs: into those of all once a census_seconds."""
        sample = self._config.sample
        if not self._to_count:
            self._to_count.extend(self.jobs)
        share = sample.slow_seconds / sample.census_seconds
        for _ in range(min(math.ceil(len(self.jobs) * share), len(self._to_count))):
            self._count(self._to_count.popleft(), now)

    def _count(self, job: JobPath, now: float) -> None:
        trace = self.jobs.get(job)
        if trace is None:
            return
        if trace.samples:
            trace.attach_more()
        found = self._census.take(job, trace.directories, now, trace.cpuset is None)
        self._found[job] = found
        trace.count(found.processes, found.threads)

    def _claim(self) -> None:
        """Who may run on which thread, worked out again where something of it changed."""
        cpusets = {job: trace.cpuset for job, trace in self.jobs.items()}
        told = (cpusets, dict(self._found), self.threads.online)
        if told != self._claimed:
            self._claimed = told
            self.claims = claims(*told)

    # ---- windows --------------------------------------------------------------------------------

    def window(self, job: JobPath, trace: JobTrace, run: Run, node: str) -> TraceWindow | None:
        """The newest window of a run on ``node``; None while it has too few samples or no threads.

        A job that vanished in the newest sample still has one: call this before the next.
        """
        alive = self.jobs.get(job) is trace
        held, jobs_here = (self.claims, len(self.jobs)) if alive else self._before
        chosen = choose_threads(job, run, self.threads.online, held, jobs_here)
        return cut(node, trace, self.threads, chosen, self._config.window.steps)

    def close(self) -> None:
        """Give all descriptors back."""
        for trace in self.jobs.values():
            trace.close()
        self.threads.close()
        self.notices.close()
