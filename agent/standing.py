"""How the node stands, in a small file that anybody may read: plugins publish it to a scheduler.

A node is unhealthy where jobs of different users suffer together: half of its jobs or more stall or
contend. The jobs of one user may share a trouble that is no node's, such as a server that is away.
What ails the agent itself makes no node unhealthy.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass

VERSION = 1
INTERVAL_SECONDS = 10.0  # between two writings; who reads takes 60 s for stale
AT_LEAST = 2  # users whose jobs must suffer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """What is known of the node now."""

    jobs: int  # whose cgroups are measured
    stalled: int  # of them without CPU progress
    contended: int  # of them waiting for what others take
    stalled_users: int = 0  # whose those are
    contended_users: int = 0
    spool_failing: bool = False  # the disk takes no message
    sampling_late: bool = False  # most samples were missed
    anomaly_score: float | None = None  # None where no model scores this node

    @property
    def healthy(self) -> bool:
        """Is the node fit for jobs, as far as its jobs show?"""
        return not (self._jobs_stall or self._jobs_contend)

    @property
    def reason(self) -> str:
        """What ails the node or the agent, in words between commas; empty where nothing does."""
        words = {
            "jobs stall": self._jobs_stall,
            "jobs contend": self._jobs_contend,
            "agent: spool not written": self.spool_failing,
            "agent: samples missed": self.sampling_late,
        }
        return ", ".join(word for word, holds in words.items() if holds)

    @property
    def _jobs_stall(self) -> bool:
        return self.stalled_users >= AT_LEAST and 2 * self.stalled >= self.jobs

    @property
    def _jobs_contend(self) -> bool:
        return self.contended_users >= AT_LEAST and 2 * self.contended >= self.jobs


class StandingFile:
    """The file, renewed at once and as a whole."""

    def __init__(self, path: str) -> None:
        """Write to ``path``; empty: nowhere."""
        self._path = path
        self._failing = False

    def write(self, standing: Standing, epoch: float) -> None:
        """Put ``standing`` of the moment ``epoch`` there; a failure is logged once."""
        if not self._path:
            return
        try:
            aside = f"{self._path}.new"
            with open(aside, "w", encoding="ascii", opener=_no_link) as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(render(standing, epoch))
            os.replace(aside, self._path)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.warning("the node's standing cannot be written: %s", error)
            self._failing = True

    def remove(self) -> None:
        """Take the file away: no agent runs any more."""
        if self._path:
            try:
                os.unlink(self._path)
            except OSError:
                return


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def render(standing: Standing, epoch: float) -> str:
    """The file's text: one JSON object; what is not known is left out."""
    told = {
        "jobmend": VERSION,
        "time": round(epoch, 3),
        "healthy": standing.healthy,
        "reason": standing.reason,
        "jobs": standing.jobs,
        "stalled_jobs": standing.stalled,
        "contended_jobs": standing.contended,
        "anomaly_score": standing.anomaly_score,
    }
    return json.dumps({key: value for key, value in told.items() if value is not None}) + "\n"
