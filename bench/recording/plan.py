"""What is recorded: types of jobs, the faults put on top of each, and the order of the runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

HEALTHY = "none"
NEIGHBOURS = {
    "cpu_hog": ("cpu_hog.py", "--threads", "4"),
    "io_hog": ("io_hog.py", "--writers", "2"),
}
LAUNCHED = ("memory_leak", "hang", "throttled")  # by faulty.py; the others are the plan's own
FAULTS = (*NEIGHBOURS, *LAUNCHED, "oversubscribed")
HANG_AFTER_SECONDS = 8.0
QUOTA = 0.2  # of each CPU that a throttled job asked for


@dataclass(frozen=True)
class Task:
    """One job: its type, its workload and what it asks the scheduler for."""

    job_type: str
    script: str
    arguments: tuple[str, ...] = ()
    cpus: int = 1
    memory_mb: int = 1500


@dataclass(frozen=True)
class Slot:
    """Jobs that run at one time on the node, all with the same fault, and their neighbour."""

    tasks: tuple[Task, ...]
    fault: str = HEALTHY
    repeat: int = 0

    @property
    def name(self) -> str:
        """The slot's name: the same plan makes the same names."""
        types = "+".join(task.job_type for task in self.tasks)
        return f"{self.repeat:03d}-{types}-{self.fault}"

    @property
    def neighbour(self) -> tuple[str, ...]:
        """Script and arguments of what disturbs the jobs, empty for nothing."""
        return NEIGHBOURS.get(self.fault, ())


FIT = Task("fit", "fit.py", ("--threads", "2", "--events", "40000"), cpus=2)
MPI2 = Task("mpi2", "mpi.py", ("--ranks", "2"), cpus=2)
MPI16 = Task("mpi16", "mpi.py", ("--ranks", "16"), cpus=2)
GOOD_IO = Task("good_io", "good_io.py")
BAD_IO = Task("bad_io", "bad_io.py")
IDLE = Task("idle", "idle.py")

# Programs that use several threads have the node for themselves; the others run two at a time, so
# that nodes of several jobs and windows of one thread are there too.
APPLIED: tuple[tuple[tuple[Task, ...], tuple[str, ...]], ...] = (
    ((FIT,), (HEALTHY, "cpu_hog", "memory_leak", "hang", "throttled", "oversubscribed")),
    ((MPI2,), (HEALTHY, "cpu_hog", "hang", "throttled", "oversubscribed")),
    ((MPI16,), (HEALTHY, "cpu_hog", "throttled")),
    (
        (GOOD_IO, BAD_IO),
        (HEALTHY, "cpu_hog", "io_hog", "memory_leak", "hang", "throttled"),
    ),
    ((IDLE, IDLE), (HEALTHY, "memory_leak")),
)
MORE_THREADS = {"fit": ("--threads", "16"), "mpi2": ("--ranks", "8")}


def oversubscribed(task: Task) -> Task:
    """The task with many more threads or ranks than it has CPUs; the last option counts."""
    return replace(task, arguments=(*task.arguments, *MORE_THREADS[task.job_type]))


def plan(repeats: int, seed: int, healthy_extra: int = 0) -> list[Slot]:
    """All slots, one repeat after the other and shuffled within: who stops early has some of each.

    ``healthy_extra`` further repeats hold healthy slots alone.
    """
    slots: list[Slot] = []
    for repeat in range(repeats + healthy_extra):
        faults = None if repeat < repeats else (HEALTHY,)
        once = [slot_of(tasks, fault, repeat) for tasks, fault in combinations(faults)]
        random.Random(f"{seed}/{repeat}").shuffle(once)
        slots += once
    return slots


def combinations(faults: Sequence[str] | None = None) -> list[tuple[tuple[Task, ...], str]]:
    """Each group of tasks with each of its faults, or of ``faults`` alone."""
    return [
        (tasks, fault)
        for tasks, applied in APPLIED
        for fault in applied
        if faults is None or fault in faults
    ]


def slot_of(tasks: tuple[Task, ...], fault: str, repeat: int) -> Slot:
    """One slot; too many threads are a change of the tasks themselves."""
    if fault == "oversubscribed":
        tasks = tuple(map(oversubscribed, tasks))
    return Slot(tasks, fault, repeat)
