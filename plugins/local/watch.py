"""Watching a started job: its end, its limits, and what is ordered meanwhile."""

from __future__ import annotations

import math
import os
import signal
import time

from .confinement import Confinement, send_signal
from .job import Ending, JobState

GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL

REASONS = {
    JobState.OUT_OF_MEMORY: "memory limit broken",
    JobState.TIMEOUT: "time limit reached",
    JobState.CANCELLED: "killed by request",
}


class Watch:
    """One job in its place. Call :meth:`look` often; between two calls nothing is enforced."""

    def __init__(self, place: Confinement, main: int, walltime_seconds: float | None) -> None:
        """Watch the job whose first process is ``main``, a child of this process."""
        self._place = place
        self._main = main
        self._limit = math.inf if walltime_seconds is None else walltime_seconds
        self._ran = 0.0  # seconds; standing still does not count
        self._looked = time.monotonic()
        self._frozen = False
        self._verdict: JobState | None = None
        self._kill_at = math.inf

    def look(self, ordered: JobState) -> Ending | None:
        """Carry out what is ordered and due; how the job ended, None while it goes on."""
        status = reap(self._main)
        oom_kills = self._place.oom_kills()
        if status is not None:
            return self._ending(status, oom_kills)
        now = time.monotonic()
        self._ran += 0.0 if self._frozen else now - self._looked
        self._looked = now
        if self._verdict is None:
            self._verdict = self._judge(ordered, oom_kills)
            if self._verdict is not None:
                self._terminate(now)
            else:
                self._follow(ordered)
        elif now >= self._kill_at:
            send_signal(self._place.pids(), signal.SIGKILL)
        return None

    def _judge(self, ordered: JobState, oom_kills: int) -> JobState | None:
        if oom_kills:
            return JobState.OUT_OF_MEMORY
        if ordered is JobState.CANCELLED:
            return JobState.CANCELLED
        return JobState.TIMEOUT if self._ran >= self._limit else None

    def _terminate(self, now: float) -> None:
        """Ask everything in it to end; what is out of memory is not asked."""
        if self._frozen:
            self._place.thaw()
        self._kill_at = now if self._verdict is JobState.OUT_OF_MEMORY else now + GRACE_SECONDS
        number = signal.SIGKILL if self._kill_at <= now else signal.SIGTERM
        send_signal(self._place.pids(), number)

    def _follow(self, ordered: JobState) -> None:
        """Stand still or go on."""
        if (ordered is JobState.HELD) == self._frozen:
            return
        self._frozen = not self._frozen
        if self._frozen:
            self._place.freeze()
        else:
            self._place.thaw()

    def _ending(self, status: int, oom_kills: int) -> Ending:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        state = self._verdict or (JobState.OUT_OF_MEMORY if oom_kills else None)
        if state is None:
            state = JobState.COMPLETED if code == 0 else JobState.FAILED
        return Ending(state, code, number, REASONS.get(state, ""), self._place.peak_bytes())


def reap(main: int) -> int | None:
    """Collect all children that ended, adopted ones too; the wait status of ``main`` if it did."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == main:
            status = ended
