"""The last reading of a job: when its processes left and its counters can still be read.

Under cgroup v2 the kernel tells when the last process left a cgroup, before the scheduler removes
it. Slurm's own step daemon stays until the directory goes, so the cgroups of the users' processes
(``Layout.user_cgroups``) are watched too: they empty tens of milliseconds earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..plugins.layout import JobPath, Layout
from .cgroups import UNIFIED, expand
from .notices import Notice, Notices
from .trace import JobTrace

MAX_CGROUPS = 32  # watched for one job
_LOOKS = 3  # after a step began: the cgroups below it follow within milliseconds


class Endings:
    """Knows which traces to read when cgroups empty."""

    def __init__(self, notices: Notices, layouts: Sequence[Layout]) -> None:
        """Hear of cgroups through ``notices``."""
        self._notices = notices
        self._patterns = {layout.scheduler: layout.user_cgroups for layout in layouts}
        self._jobs: dict[JobTrace, tuple[str, ...]] = {}  # the patterns of each job followed
        self._watched: dict[JobTrace, set[str]] = {}
        self._traces: dict[str, JobTrace] = {}  # by cgroup
        self._to_look: dict[JobTrace, int] = {}  # how often still

    @property
    def directories(self) -> set[str]:
        """The directories in which steps come and go: changes there are to be heard."""
        steps = (trace.directories.get(UNIFIED) for trace, below in self._jobs.items() if below)
        return {directory for directory in steps if directory is not None}

    def follow(self, job: JobPath, trace: JobTrace) -> None:
        """Watch the processes of a job."""
        if UNIFIED in trace.directories:
            self._jobs[trace] = self._patterns.get(job.scheduler, ())
            self._look_into(trace)
            self._to_look[trace] = _LOOKS

    def hear(self, notice: Notice) -> list[JobTrace]:
        """The traces to read once more because of ``notice``, each once."""
        for directory in notice.changed:
            trace = self._traces.get(directory)
            if trace is not None:
                self._look_into(trace)
                self._to_look[trace] = _LOOKS
        traces = (self._traces.get(cgroup) for cgroup in notice.emptied)
        return list(dict.fromkeys(trace for trace in traces if trace is not None))

    def look(self) -> None:
        """Watch what came since the last call, where something may have come."""
        for trace, looks in list(self._to_look.items()):
            self._look_into(trace)
            if looks > 1 and self._notices.hears_directories:
                self._to_look[trace] = looks - 1
            elif self._notices.hears_directories:
                del self._to_look[trace]

    def _look_into(self, trace: JobTrace) -> None:
        watched = self._watched.setdefault(trace, set())
        for cgroup in self._cgroups(trace):
            known = cgroup in watched or len(watched) >= MAX_CGROUPS
            if not known and self._notices.watch_processes(cgroup):
                watched.add(cgroup)
                self._traces[cgroup] = trace

    def _cgroups(self, trace: JobTrace) -> Iterator[str]:
        directory = trace.directories.get(UNIFIED)
        if directory is None:  # it went before those of other hierarchies
            return
        yield directory
        patterns = self._jobs[trace]
        for path in expand(directory, patterns) if patterns else ():
            yield f"{directory}/{path}"

    def forget(self, trace: JobTrace) -> None:
        """Watch a job no more."""
        self._jobs.pop(trace, None)
        self._to_look.pop(trace, None)
        for cgroup in self._watched.pop(trace, ()):
            self._notices.forget(cgroup)
            self._traces.pop(cgroup, None)
