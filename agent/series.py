"""The series of jobs and of hardware threads, as templates that the kernel's own digits fill.

A template is made anew when a job comes, goes, or tells something else than before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from ..exporter.page import Columns, Page, labels
from ..plugins.layout import JobPath
from .ownership import Claim
from .parsers import MODES, STAT_WORDS, stat_words
from .sources import TICK
from .trace import Cells, JobTrace
from .tracked import UNTOLD_RUN, Tracked

LAST_SEEN = "jobmend_job_last_seen_timestamp_seconds"
THREAD_SECONDS = "jobmend_thread_cpu_seconds_total"
THREAD_JOB = "jobmend_thread_job_info"

log = logging.getLogger(__name__)


class Shown(NamedTuple):
    """One job on the page: its cgroup, what was measured there, and its run where it is known."""

    path: JobPath
    trace: JobTrace
    run: Tracked | None

    @property
    def has_job_id(self) -> bool:
        """Does its path or a run tell the job's id?"""
        return bool(self.path.job_id if self.run is None else self.run.run.job_id)

    @property
    def identity(self) -> str:
        """The labels it is known by: the hook's words where one spoke, else the path's."""
        if self.run is None:
            return labels(
                scheduler=self.path.scheduler,
                jobid=self.path.job_id,
                run=self.path.run or UNTOLD_RUN,
                node=self.path.node,
                slot="" if self.has_job_id else self.path.slot,
            )
        run = self.run.run
        return labels(
            scheduler=run.scheduler,
            jobid=run.job_id,
            run=run.run,
            node=self.path.node,
            slot="" if self.has_job_id else self.path.slot,
        )


class _Group(NamedTuple):
    """Jobs of one shape: the places of their rows, and the templates they fill."""

    places: list[int]
    columns: Columns


class JobSeries:
    """What is told of each job. Only one thread at a time may use it."""

    def __init__(self, *, live: bool) -> None:
        """Start without a template; ``live`` adds what changes from one look to the next."""
        self._live = live
        self._key: list[object] = []
        self._groups: list[_Group] = []
        self._told: dict[str, bytes] = {}  # lines that stay while the key does, by family
        self.identities: dict[JobPath, str] = {}  # of the jobs on the last page
        self.duplicates = 0  # jobs left out because another has the same labels

    def put(self, page: Page, jobs: Iterable[Shown], lock: AbstractContextManager[object]) -> None:
        """Put all jobs on a page, the first of those with the same labels.

        ``lock`` keeps traces from changing while their numbers are taken.
        """
        shown: list[Shown] = []
        rows: list[list[bytes]] = []
        key: list[object] = []
        with lock:
            for job in jobs:
                try:
                    rows.append(self._row(job.trace))
                    shown.append(job)
                    told = job.run and (job.run.run, job.run.start)
                    key.append((job.trace, id(job.trace.cells), told))
                except Exception:  # the boundary of one job
                    log.exception("job %s is not on the page", job.path.job_id or job.path.run)
            if key != self._key:
                self._build(shown)
                self._key = key
        for name, lines in self._told.items():
            page.put(name, lines)
        for group in self._groups:
            group.columns.put(page, [rows[place] for place in group.places])

    def _row(self, trace: JobTrace) -> list[bytes]:
        row = trace.words()
        if self._live:
            row.append(b"%.3f" % trace.ended_epoch)
        return row

    def _build(self, shown: Sequence[Shown]) -> None:
        identities: dict[str, int] = {}
        for place, job in enumerate(shown):
            first = identities.setdefault(job.identity, place)
            # One that ended and is followed by another of the same labels makes way for it.
            self.duplicates += first != place and (job.run is None or job.run.ended is None)
        self.identities = {shown[place].path: text for text, place in identities.items()}
        shapes: dict[Cells, list[tuple[int, str]]] = {}
        for text, place in identities.items():
            shapes.setdefault(shown[place].trace.cells, []).append((place, text))
        self._groups = [
            _Group(
                [place for place, _ in jobs],
                Columns(
                    (*cells, (LAST_SEEN, 0)) if self._live else cells, [text for _, text in jobs]
                ),
            )
            for cells, jobs in shapes.items()
        ]
        info, started = [], []
        for text, place in identities.items():
            job = shown[place]
            info.append(f"jobmend_job_info{{{text},{_about(job)}}} 1\n")
            if job.run is not None and job.run.start is not None:
                time = job.run.start.time
                started.append(f"jobmend_job_start_time_seconds{{{text}}} {time:.3f}\n")
        self._told = {
            "jobmend_job_info": "".join(info).encode(),
            "jobmend_job_start_time_seconds": "".join(started).encode(),
        }


def _about(job: Shown) -> str:
    """What a hook told about a job, and where it lies."""
    facts = job.run.facts if job.run is not None else None
    return labels(
        user=facts.user if facts else "",
        account=facts.account if facts else "",
        site=facts.site if facts else "",
        slot=job.path.slot if job.has_job_id else "",  # else it stands in the identity
        cgroup=job.trace.cgroup,
    )


class ThreadSeries:
    """What each hardware thread did, and who has a claim on it. One thread at a time may use it."""

    def __init__(self) -> None:
        """Start without a template."""
        self._names: list[bytes] = []
        self._template = b""
        self._claimed: tuple[object, object] = (None, None)
        self._owners = b""

    def put(
        self,
        page: Page,
        lines: bytes,
        claims: Mapping[int, tuple[Claim, ...]],
        identities: Mapping[JobPath, str],
    ) -> None:
        """Put the threads on a page: ``lines`` of /proc/stat, claims, and the jobs' labels."""
        words = stat_words(lines)
        if words[::STAT_WORDS] != self._names:
            self._names = words[::STAT_WORDS]
            self._template = b"".join(map(_thread_template, self._names))
        page.put(THREAD_SECONDS, self._template % tuple(words))
        if self._claimed != (claims, identities):
            self._claimed = (claims, identities)
            self._owners = _owners(claims, identities)
        page.put(THREAD_JOB, self._owners)


def _thread_template(name: bytes) -> bytes:
    """A template that a line of /proc/stat fills; %.0b takes a word and shows nothing of it."""
    modes = [
        b'%b{cpu="%b",mode="%b"} %%be%d\n'
        % (THREAD_SECONDS.encode(), name[len(b"cpu") :], mode.encode(), TICK)
        for mode in MODES
    ]
    return b"".join([b"%.0b", *modes, b"%.0b" * (STAT_WORDS - 1 - len(MODES))])


def _owners(claims: Mapping[int, tuple[Claim, ...]], identities: Mapping[JobPath, str]) -> bytes:
    return "".join(
        f'{THREAD_JOB}{{cpu="{cpu}",{identities[claim.job]},ownership="{claim.method}"}} '
        f"{claim.share:.4g}\n"
        for cpu, here in claims.items()
        for claim in here
        if claim.job in identities
    ).encode()
