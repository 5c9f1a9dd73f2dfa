from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobmend.agent.cgroups import Finder, Sighting, hierarchies
from jobmend.agent.config import Watch
from jobmend.agent.files import Descriptors
from jobmend.agent.sources import CPU_FAMILIES, CPU_USER, LIMIT, OOM
from jobmend.agent.summary import summarize
from jobmend.agent.threads import Others, ThreadTrace
from jobmend.agent.trace import JobTrace
from jobmend.agent.watch import warnings
from jobmend.jobs.events import EventKind, TraceSummary

WATCH = Watch(stall_seconds=10, stall_busy_share=0.5, contention_share=0.3, contention_seconds=10)
EPOCH = 1_800_000_000.0


class Around(ThreadTrace):
    """Threads on which others do what a test says, between any two moments."""

    def __init__(self, told: Others | None) -> None:
        self.told = told

    def others(self, seconds: float, cpus: object) -> Others | None:
        return self.told


ALONE = Around(Others(0.0, 0.0))


class Job:
    """A v2 job directory of the test's own, and the trace that measures it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.write("cgroup.procs", "1\n")
        self.trace = JobTrace(64, Descriptors(), EPOCH)
        self.set()
        self.trace.attach(Sighting("job", {"unified": str(directory)}))

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def set(self, cpu: float = 0.0, cpu_waiting: float = 0.0, io_waiting: float = 0.0) -> None:
        self.write("cpu.stat", f"user_usec {cpu * 1e6:.0f}\nsystem_usec 0\n")
        for name, seconds in (("cpu", cpu_waiting), ("memory", 0.0), ("io", io_waiting)):
            self.write(f"{name}.pressure", f"some avg10=0.00 total={seconds * 1e6:.0f}\n")

    def sample(self, second: float, **values: float) -> None:
        self.set(**values)
        self.trace.sample(second, EPOCH + second)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "job")


def test_a_summary_of_a_slurm_v1_job(copy_tree: Callable[[str], Path]) -> None:
    jobs = Finder().find(hierarchies(str(copy_tree("slurm_v1") / "cgroup")))
    sighting = next(one for path, one in jobs.items() if path.job_id == "1001")
    trace = JobTrace(8, Descriptors(), EPOCH)
    trace.attach(sighting)
    trace.sample(100.0, EPOCH)
    trace.sample(101.0, EPOCH + 1)
    assert summarize(trace, EPOCH - 3, EPOCH + 1) == TraceSummary(
        duration_seconds=4.0,
        samples=2,
        cpu_user_seconds=12.5,
        cpu_system_seconds=1.25,
        cpu_idle_tail_seconds=1.0,
        memory_peak_bytes=209715200,
        memory_limit_bytes=209715200,
        oom_kills=1,
    )


def test_without_memory_peak_the_highest_sample_serves(copy_tree: Callable[[str], Path]) -> None:
    root = copy_tree("slurm_v2_sluid") / "cgroup"
    ((_, sighting),) = Finder().find(hierarchies(str(root))).items()
    trace = JobTrace(8, Descriptors(), EPOCH)
    trace.attach(sighting)
    current = Path(sighting.directories["unified"]) / "memory.current"
    for second, used in enumerate((1000, 5000, 3000)):
        current.write_text(f"{used}\n")
        trace.sample(float(second), EPOCH + second)
    summary = summarize(trace, EPOCH, EPOCH + 2)
    assert (summary.memory_peak_bytes, summary.cpu_waiting_seconds) == (5000, None)


def test_oom_kills_of_v1_survive_the_cgroup_they_happened_in(
    copy_tree: Callable[[str], Path],
) -> None:
    jobs = Finder().find(hierarchies(str(copy_tree("slurm_v1") / "cgroup")))
    sighting = next(one for path, one in jobs.items() if path.job_id == "1001")
    trace = JobTrace(8, Descriptors(), EPOCH)
    trace.attach(sighting)
    trace.sample(0.0, EPOCH)
    shutil.rmtree(Path(sighting.directories["memory"]) / "step_batch")
    trace.sample(1.0, EPOCH)
    assert trace.values()[OOM[1]] == 1


def test_a_cgroup_that_goes_leaves_the_last_good_values(job: Job) -> None:
    job.sample(0.0, cpu=1.5)
    shutil.rmtree(job.directory)
    job.trace.close()
    job.trace.sample(1.0, EPOCH)
    assert [job.trace.values()[family] for family in CPU_FAMILIES] == [1.5, 0.0]


def test_controllers_that_come_one_by_one_are_taken_up(copy_tree: Callable[[str], Path]) -> None:
    root = copy_tree("local_hybrid") / "cgroup"
    ((_, sighting),) = Finder().find(hierarchies(str(root))).items()
    trace = JobTrace(8, Descriptors(), EPOCH)
    trace.attach(Sighting("x", {"memory": sighting.directories["memory"]}))
    trace.sample(0.0, EPOCH)
    assert CPU_FAMILIES[0] not in trace.values() and trace.idle_seconds is None
    trace.sample(0.5, EPOCH)
    assert math.isnan(trace.ring.rows(1)[0][CPU_USER])
    trace.attach(sighting)
    trace.sample(1.0, EPOCH)
    assert [trace.values()[family] for family in CPU_FAMILIES] == [2.026077, 0.011966]


def test_the_idle_tail_begins_with_the_last_progress(job: Job) -> None:
    for second, cpu in enumerate((0.0, 1.0, 2.0, 2.004, 2.008, 2.010)):
        job.sample(float(second), cpu=cpu)
    assert job.trace.idle_seconds == 3.0


def stall(job: Job, busy: float, seconds: int) -> list[EventKind]:
    for second in range(7):
        job.sample(float(second), cpu=busy * second)
    job.sample(6.0 + seconds, cpu=busy * 6)
    return warnings(job.trace, ALONE, WATCH, 1.0)


def test_a_busy_job_that_falls_silent_stalls(job: Job) -> None:
    assert stall(job, busy=0.6, seconds=10) == [EventKind.STALL]


def test_a_job_that_was_never_busy_does_not(job: Job) -> None:
    assert stall(job, busy=0.4, seconds=100) == []


def test_nor_one_that_is_silent_for_less(job: Job) -> None:
    assert stall(job, busy=0.6, seconds=9) == []


def test_nor_an_allocation_without_processes(job: Job) -> None:
    job.write("cgroup.procs", "")
    assert stall(job, busy=0.6, seconds=100) == []


@pytest.mark.parametrize(
    ("resource", "others"),
    [("cpu_waiting", Others(14.0, 0.0)), ("io_waiting", Others(0.0, 7.0))],
)
def test_a_job_that_waits_for_what_others_take_suffers(
    job: Job, resource: str, others: Others
) -> None:
    told = []
    for second in range(13):
        job.sample(float(second), cpu=float(second), **{resource: 0.35 * max(second - 2, 0)})
        told.append(warnings(job.trace, Around(others), WATCH, 1.0))
    assert told[10] == []  # 2.8 of the last 10 s
    assert told[11] == [EventKind.CONTENTION]  # 3.15 of them


@pytest.mark.parametrize("resource", ["cpu_waiting", "io_waiting"])
@pytest.mark.parametrize("others", [Others(10.0, 9.0), None])
def test_a_job_that_waits_alone_does_not(job: Job, resource: str, others: Others | None) -> None:
    for second in range(13):
        job.sample(float(second), cpu=float(second), **{resource: 0.9 * second})
    assert warnings(job.trace, Around(others), WATCH, 1.0) == []


def test_many_tasks_of_the_job_itself_are_no_others(job: Job) -> None:
    job.write("cgroup.procs", "1\n2\n3\n4\n")
    for second in range(13):
        job.sample(float(second), io_waiting=0.9 * second)
    assert warnings(job.trace, Around(Others(0.0, 35.0)), WATCH, 1.0) == []
    assert warnings(job.trace, Around(Others(0.0, 45.0)), WATCH, 1.0) == [EventKind.CONTENTION]


def test_memory_pressure_and_missing_pressure_are_no_contention(job: Job) -> None:
    for name in ("cpu", "io"):
        (job.directory / f"{name}.pressure").unlink()
    trace = JobTrace(64, Descriptors(), EPOCH)
    trace.attach(Sighting("job", {"unified": str(job.directory)}))
    for second in range(20):
        job.write("memory.pressure", f"some avg10=0.00 total={second * 10**6}\n")
        trace.sample(float(second), EPOCH)
    assert warnings(trace, Around(Others(99.0, 99.0)), WATCH, 1.0) == []


def test_processes_of_v1_are_found_below_the_job(copy_tree: Callable[[str], Path]) -> None:
    jobs = Finder().find(hierarchies(str(copy_tree("slurm_v1") / "cgroup")))
    sighting = next(one for path, one in jobs.items() if path.job_id == "1002")
    trace = JobTrace(8, Descriptors(), EPOCH)
    trace.attach(sighting)
    assert trace.has_processes()
    for directory in sighting.directories.values():
        for procs in Path(directory).rglob("cgroup.procs"):
            procs.write_text("")
    assert not trace.has_processes()


def shape(trace: JobTrace) -> set[str]:
    assert len(trace.cells) == len(trace.words())
    return {family for family, _ in trace.cells}


def test_a_limit_comes_and_goes_with_its_series(job: Job) -> None:
    job.write("memory.max", "max\n")
    job.write("memory.current", "5\n")
    job.trace.attach(Sighting("job", dict(job.trace.directories)))
    job.sample(0.0)
    assert LIMIT not in shape(job.trace)
    job.write("memory.max", "1000\n")
    job.sample(1.0)
    assert LIMIT in shape(job.trace) and job.trace.values()[LIMIT] == 1000
    job.write("memory.max", "max\n")
    job.sample(2.0)
    assert LIMIT not in shape(job.trace)


def test_files_that_came_late_are_found_once_more(job: Job) -> None:
    job.sample(0.0)
    job.write("memory.current", "5\n")
    job.trace.attach_more()
    assert "jobmend_job_memory_current_bytes" in shape(job.trace)


def test_a_last_reading_counts_and_leaves_the_ring_as_it_is(job: Job) -> None:
    job.sample(0.0, cpu=1.0)
    job.sample(1.0, cpu=1.5)
    job.set(cpu=1.9)
    job.trace.flush(1.4, EPOCH + 1.4)
    assert job.trace.values()[CPU_FAMILIES[0]] == 1.9
    assert (len(job.trace.ring), job.trace.ended_epoch) == (1, EPOCH + 1.4)
    assert job.trace.idle_seconds == 0.0
    job.sample(2.0, cpu=2.0)
    assert job.trace.ring.rows(1)[0][CPU_USER] == 0.5  # since the sample before


def test_a_next_job_in_the_same_cgroup_counts_from_a_baseline(job: Job) -> None:
    job.sample(0.0, cpu=30.0, io_waiting=2.0)
    anew = JobTrace(64, Descriptors(), EPOCH, job.trace.counters())
    anew.attach(Sighting("job", dict(job.trace.directories)))
    job.set(cpu=31.5, io_waiting=2.25)
    anew.sample(1.0, EPOCH + 1)
    assert anew.values()[CPU_FAMILIES[0]] == 1.5
    assert anew.values()["jobmend_job_pressure_io_waiting_seconds_total"] == 0.25
    assert summarize(anew, EPOCH, EPOCH + 1).cpu_seconds == 1.5
