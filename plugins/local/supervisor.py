"""The supervisor: one process per job that waits for slots, starts it and sees it to its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sqlite3
import time

from ...jobs.events import EventKind
from ..hook import tell
from .confine import confine
from .confinement import Confinement, Limits
from .events import event_of, hook_body
from .exits import LAUNCH_FAILED
from .job import Ending, Job, JobState
from .launch import adopt_orphans
from .mend import mend
from .process import identify
from .queue import Queue
from .settings import Settings
from .slots import Allotment, Slots
from .start import LaunchError, Output, job_environment, open_output, output_paths, start_process
from .watch import REASONS, Watch

POLL_SECONDS = 0.2  # of a running job: orders and limits
WAIT_SECONDS = 0.1  # of a waiting job: orders and slots
MEND_SECONDS = 1.0
LAST_LOOK_SECONDS = 0.1  # for the agent to read the cgroup's last values

_END_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_HEARD = {signal.SIGCHLD, *_END_SIGNALS}

_log = logging.getLogger(__name__)


class Supervisor:
    """Sees one run through. SIGTERM, SIGINT and SIGHUP to this process kill the job."""

    def __init__(self, queue: Queue, settings: Settings, run: str) -> None:
        """Supervise ``run`` of ``queue``."""
        self._queue = queue
        self._settings = settings
        self._run = run

    def supervise(self, terminal: Output | None = None) -> None:
        """See the run through, unless another supervisor has it; it writes to ``terminal``."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        me = identify(os.getpid())
        if me is None or not self._queue.claim(self._run, me):
            return
        adopt_orphans()
        allotment = self._wait_for_slots()
        if allotment is not None:
            try:
                self._carry_out(self._queue.get(self._run), terminal)
            finally:
                allotment.release()

    def _wait_for_slots(self) -> Allotment | None:
        """Slots in the order of submission; None when the run ended while it waited."""
        slots = Slots(self._settings.slots_dir, self._settings.slots)
        wanted = self._queue.get(self._run).spec.cpus
        if wanted > len(slots):
            words = f"{LAUNCH_FAILED}: it wants {wanted} CPUs, there are {len(slots)}"
            self._queue.finish(self._run, Ending(JobState.FAILED, reason=words))
        mended = time.monotonic()
        while self._queue.get(self._run).ended is None:
            if self._queue.is_next(self._run):
                allotment = slots.acquire(wanted)
                if allotment and self._queue.start(self._run, allotment.cpus):
                    return allotment
                if allotment:
                    allotment.release()
            elif time.monotonic() - mended > MEND_SECONDS:  # the next in line may be dead
                mend(self._queue, self._settings)
                mended = time.monotonic()
            self._listen(WAIT_SECONDS)
        return None

    def _carry_out(self, job: Job, terminal: Output | None) -> None:
        limits = Limits(job.spec.memory_bytes, job.cpus)
        place = confine(self._settings, job.job_id, job.run, limits)
        try:
            self._tell(EventKind.START, job, job.started or time.time())
            ending = self._run_in(place, job, terminal)
            ended = Job(**{**vars(job), "ending": ending})
            if self._tell(EventKind.END, ended, time.time()):
                time.sleep(LAST_LOOK_SECONDS)
        finally:
            place.remove()
        self._queue.finish(self._run, ending)

    def _run_in(self, place: Confinement, job: Job, terminal: Output | None) -> Ending:
        """Start the job, watch it, and kill what it leaves behind."""
        try:
            output = terminal or self._open_output(job)
            env = job_environment(job, job.cpus)
            main = start_process(job.spec, env, output, place, job.cpus)
        except LaunchError as error:
            if self._interrupted():  # the terminal's signal met the launcher as well
                return Ending(
                    JobState.CANCELLED, signal=signal.SIGTERM, reason=REASONS[JobState.CANCELLED]
                )
            return Ending(JobState.FAILED, reason=f"{LAUNCH_FAILED}: {error}")
        watch = Watch(place, main, job.spec.walltime_seconds)
        ordered = JobState.RUNNING
        while True:
            ending = watch.look(ordered)
            if ending is not None:
                return ending
            ordered = self._ordered(ordered)
            self._listen(POLL_SECONDS)

    def _open_output(self, job: Job) -> Output:
        self._settings.output_dir.mkdir(mode=0o700, exist_ok=True)
        return open_output(output_paths(job.spec, job.job_id, self._settings.output_dir))

    def _ordered(self, before: JobState) -> JobState:
        """What the queue orders; what it ordered before while nobody can read it."""
        try:
            return self._queue.state(self._run)
        except sqlite3.OperationalError as error:
            _log.warning("run %s: the queue cannot be read: %s", self._run, error)
            return before

    def _listen(self, seconds: float) -> None:
        """Sleep until a signal or the end of a child, ``seconds`` at most."""
        heard = signal.sigtimedwait(_HEARD, seconds)
        if heard is not None and heard.si_signo in _END_SIGNALS:
            self._queue.cancel(self._run)

    def _interrupted(self) -> bool:
        """Has a signal come that kills the job, and that nobody has listened to yet?"""
        if not signal.sigpending() & _END_SIGNALS:
            return False
        self._queue.cancel(self._run)
        return True

    def _tell(self, kind: EventKind, job: Job, when: float) -> bool:
        event = event_of(kind, job, self._settings.cluster, when, socket.gethostname())
        return tell(hook_body(event))
