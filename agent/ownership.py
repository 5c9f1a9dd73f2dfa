"""Which jobs have a claim on each hardware thread, and how that is known.

A cpuset is the kernel's word. Affinity is a job's own choice, which it may change at any time. What
was sampled is a fraction of the time since the last look. Nothing is divided by the number of
threads and called measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..plugins.layout import JobPath
from .census import Found

EXCLUSIVE, SHARED, AFFINITY, SAMPLED = "exclusive", "shared", "affinity", "sampled"
METHODS = (EXCLUSIVE, SHARED, AFFINITY, SAMPLED)


@dataclass(frozen=True)
class Cpuset:
    """The threads a job may run on.

    ``own``: its own cgroup names them (v2: ``cpuset.cpus`` is not empty). False where they are
    inherited, so that the whole node is no constraint of the job's; False in v1 likewise, where
    the file cannot tell both apart.
    """

    effective: tuple[int, ...]
    own: bool


@dataclass(frozen=True)
class Claim:
    """One job's claim on one thread.

    ``method`` is one of METHODS. ``share`` is the fraction of the thread's time that the job was
    seen to use where that was sampled, else 1.0: it may use all of it.
    """

    job: JobPath
    method: str
    share: float = 1.0

    @property
    def cpuset(self) -> bool:
        """Is it a cpuset that tells?"""
        return self.method in (EXCLUSIVE, SHARED)


def claims(
    cpusets: Mapping[JobPath, Cpuset | None],
    found: Mapping[JobPath, Found],
    online: tuple[int, ...],
) -> dict[int, tuple[Claim, ...]]:
    """The claims on each thread that is online, in ascending order; unclaimed threads are left out.

    ``cpusets`` holds every job of the node, None for one without a cpuset; ``found`` is what the
    census says of those. A thread is exclusive when one job alone may run there, which can be
    said only while the cpusets of all jobs are known.
    """
    all_told = all(cpuset is not None and cpuset.effective for cpuset in cpusets.values())
    holders: dict[int, list[JobPath]] = {cpu: [] for cpu in sorted(online)}
    confined: set[JobPath] = set()
    extra: dict[int, list[Claim]] = {}
    for job, cpuset in cpusets.items():
        if cpuset is not None and cpuset.effective:
            if cpuset.own or not holders.keys() <= set(cpuset.effective):
                confined.add(job)
            _hold(holders, job, cpuset.effective)
        elif job in found:
            for cpu, share in found[job].cpus.items():
                extra.setdefault(cpu, []).append(Claim(job, found[job].method, share))
    claimed: dict[int, tuple[Claim, ...]] = {}
    for cpu, jobs in holders.items():
        alone = all_told and len(jobs) == 1 and jobs[0] in confined
        held = [Claim(job, EXCLUSIVE if alone else SHARED) for job in jobs]
        held += extra.get(cpu, [])
        if held:
            claimed[cpu] = tuple(held)
    return claimed


def _hold(holders: Mapping[int, list[JobPath]], job: JobPath, cpus: Iterable[int]) -> None:
    for cpu in cpus:
        if cpu in holders:  # v1 may name threads that are offline
            holders[cpu].append(job)
