"""One sample of the node: list the jobs, read each, read the threads, say what came and went."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..jobs.identity import Run
from ..jobs.windows import TraceWindow
from ..plugins.layout import JobPath, Layout
from .cgroups import LAYOUTS, find_jobs, hierarchies
from .config import Config
from .files import Descriptors, Gone
from .threads import Ownership, ThreadTrace, owners
from .trace import JobTrace
from .windows import choose_threads, cut

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """The jobs whose cgroups appeared and vanished since the sample before."""

    appeared: dict[JobPath, JobTrace] = field(default_factory=dict)
    vanished: dict[JobPath, JobTrace] = field(default_factory=dict)


class Sampler:
    """Samples the jobs and threads of one node. Only one thread may call it.

    ``jobs`` and ``owners`` are replaced, never changed, so that other threads may read them.
    """

    def __init__(self, config: Config, layouts: Sequence[Layout] = LAYOUTS) -> None:
        """Sample the jobs of ``layouts`` below the roots of ``config``; nothing is read yet."""
        self.kept = Descriptors()
        self._layouts = layouts
        self.jobs: dict[JobPath, JobTrace] = {}
        self.owners: dict[int, Ownership] = {}
        self._config = config
        self._before: tuple[dict[int, Ownership], int] = ({}, 0)
        self._threads_failed = False
        self._rows = max(int(config.sample.ring_seconds / config.sample.period_seconds), 2) + 1
        thread_rows = config.window.steps + 1
        self.threads = ThreadTrace(config.sample.proc_root, thread_rows, self.kept)

    def sample(self, now: float, epoch: float) -> Changes:
        """Take one sample under the monotonic time ``now``; ``epoch`` is the same moment."""
        self._before = (self.owners, len(self.jobs))
        changes = self._relist(epoch)
        try:
            self.threads.sample(now)
        except (OSError, Gone, ValueError) as error:
            if not self._threads_failed:
                log.warning("the hardware threads cannot be sampled: %s", error)
            self._threads_failed = True
        for job, trace in self.jobs.items():
            try:
                trace.sample(now, epoch, self.threads.surroundings(trace.cpus.value))
            except Exception:  # one job must not cost the others their sample
                log.exception("job %s of %s could not be sampled", job.job_id, job.scheduler)
        self.owners = owners({job: trace.cpus.value for job, trace in self.jobs.items()})
        return changes

    def _relist(self, epoch: float) -> Changes:
        found = find_jobs(hierarchies(self._config.sample.cgroup_root), self._layouts)
        changes = Changes()
        jobs: dict[JobPath, JobTrace] = {}
        for job, trace in self.jobs.items():
            if job in found and not trace.replaced_by(found[job]):
                jobs[job] = trace
            else:
                trace.close()
                changes.vanished[job] = trace
        for job, sighting in found.items():
            if job not in jobs:
                jobs[job] = changes.appeared[job] = JobTrace(self._rows, self.kept, epoch)
            if jobs[job].directories != sighting.directories:
                jobs[job].attach(sighting)
        self.jobs = jobs
        return changes

    def window(self, job: JobPath, trace: JobTrace, run: Run, node: str) -> TraceWindow | None:
        """The newest window of a run on ``node``; None while it has too few samples or no threads.

        A job that vanished in the newest sample still has one: call this before the next.
        """
        ring, threads = self.threads.ring, self.threads.latest
        if ring is None or threads is None:
            return None
        alive = self.jobs.get(job) is trace
        held, jobs_here = (self.owners, len(self.jobs)) if alive else self._before
        chosen = choose_threads(job, run, threads, held, jobs_here)
        return cut(node, trace, ring, threads, chosen, self._config.window.steps)

    def close(self) -> None:
        """Give all descriptors back."""
        for trace in self.jobs.values():
            trace.close()
        self.threads.close()
