from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from jobmend.agent.cgroups import Sighting
from jobmend.agent.files import Descriptors
from jobmend.agent.registry import Registry, Rules
from jobmend.agent.trace import JobTrace
from jobmend.plugins.layout import Identity, JobPath, Unidentified


class Told:
    """The answers of processes, as a test sets them."""

    def __init__(self) -> None:
        self.identity: Identity | None = None
        self.problem: Unidentified | None = None
        self.users: dict[str, frozenset[int]] = {}  # by cgroup
        self.paths: dict[int, JobPath] = {}
        self.owners: dict[int, int] = {}  # of processes
        self.running: frozenset[str] = frozenset()

    def identify(self, path: JobPath, directories: Mapping[str, str]) -> Identity | None:
        if self.problem is not None:
            raise self.problem
        return self.identity

    def path_of(self, pid: int, scheduler: str) -> JobPath | None:
        return self.paths.get(pid)

    def user_of(self, pid: int) -> int | None:
        return self.owners.get(pid)

    def users_of(self, directories: Mapping[str, str]) -> frozenset[int]:
        return self.users.get(directories["unified"], frozenset())

    def steps(self, scheduler: str) -> frozenset[str]:
        return self.running


@pytest.fixture
def processes() -> Told:
    return Told()


@pytest.fixture
def registry(processes: Told) -> Registry:
    return Registry(Rules("c1", "n1", grace_seconds=5.0, exit_ttl_seconds=600.0), processes)


@pytest.fixture
def seen() -> Callable[..., JobTrace]:
    """Makes the trace of a cgroup that was first seen, and sampled once, at an epoch second."""

    def make(cgroup: str = "cgroup", epoch: float = 1000.0) -> JobTrace:
        made = JobTrace(4, Descriptors(), epoch)
        made.attach(Sighting(cgroup, {"unified": cgroup}))
        made.sample(0.0, epoch)
        return made

    return make
