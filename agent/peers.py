"""The series of jobs under the names of other exporters, where the configuration asks for them."""

from __future__ import annotations

import pwd
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..exporter.names import Family
from ..exporter.page import Page
from .cgroups import UNIFIED
from .series import Shown

_UID = re.compile(r"/uid_(\d+)/")  # Slurm v1


class PeerSeries:
    """What peers would tell of each job. Loaded only where it is asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        """Speak the names of the peers ``names``; ValueError where they cannot be had together."""
        self.families: Mapping[str, Family] = {}
        self._peers: Any = ()
        if names:
            from ..exporter import compat

            self._compat = compat
            self._peers = compat.choose(names)
            self.families = compat.families(self._peers)
            self._hostname = socket.gethostname()

    def put(self, page: Page, jobs: Iterable[Shown], lock: AbstractContextManager[object]) -> None:
        """Put all jobs on a page that has these families."""
        if not self._peers:
            return
        with lock:
            views = [self._view(job) for job in jobs]
        for peer in self._peers:
            for view in views:
                peer.add(page, view)
            peer.add_count(page, views)

    def _view(self, job: Shown) -> Any:
        user = job.run.facts.user if job.run is not None else ""
        run = job.run.run if job.run is not None else None
        cpuset = job.trace.cpuset
        return self._compat.JobView(
            scheduler=job.path.scheduler,
            job_id=run.job_id if run is not None else job.path.job_id,
            run=run.run if run is not None else job.path.run,
            node=job.path.node,
            slot=job.path.slot,
            cgroup=job.trace.cgroup,
            user=user or _user_name(job.trace.cgroup),
            uid=_uid(job.trace.cgroup, user),
            hostname=self._hostname,
            unified=UNIFIED in job.trace.directories and "memory" not in job.trace.directories,
            cpus=cpuset.effective if cpuset is not None else (),
            values=job.trace.values(),
        )


def _uid(cgroup: str, user: str) -> int | None:
    """The user's number: of the path where it stands there, else of the name."""
    told = _UID.search(f"/{cgroup}")
    if told:
        return int(told[1])
    try:
        return pwd.getpwnam(user).pw_uid if user else None
    except KeyError:
        return None


def _user_name(cgroup: str) -> str:
    uid = _uid(cgroup, "")
    try:
        return pwd.getpwuid(uid).pw_name if uid is not None else ""
    except KeyError:
        return ""
