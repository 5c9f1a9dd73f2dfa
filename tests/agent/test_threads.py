from __future__ import annotations

import math
from pathlib import Path

import pytest

from jobmend.agent.cgroups import Sighting
from jobmend.agent.config import Config, Sample
from jobmend.agent.files import Descriptors
from jobmend.agent.ownership import Claim
from jobmend.agent.sampler import Sampler
from jobmend.agent.sources import TICK
from jobmend.agent.threads import ThreadTrace
from jobmend.agent.trace import JobTrace
from jobmend.agent.windows import choose_threads, cut
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES
from jobmend.plugins.layout import JobPath

A, B = JobPath("slurm", "1"), JobPath("slurm", "2")
RUN = Run("c1", "slurm", "1", "0")


def test_the_threads_of_a_window() -> None:
    held = {
        0: (Claim(A, "exclusive"),),
        1: (Claim(A, "shared"), Claim(B, "shared")),
        2: (Claim(B, "exclusive"),),
    }
    assert choose_threads(A, RUN, (0, 1, 2), held, 2) == {0: RUN.key, 1: None}
    assert choose_threads(A, RUN, (0, 1, 2), {}, 1) == dict.fromkeys((0, 1, 2), RUN.key)
    assert choose_threads(A, RUN, (0, 1, 2), {}, 2) == {}
    seen = {0: (Claim(A, "sampled", 0.9),), 2: (Claim(A, "sampled", 0.1), Claim(B, "sampled"))}
    assert choose_threads(A, RUN, (0, 1, 2), seen, 1) == dict.fromkeys((0, 1, 2), RUN.key)
    assert choose_threads(A, RUN, (0, 1, 2), seen, 2) == {}
    whole = {cpu: (Claim(A, "shared"),) for cpu in (0, 1)}
    assert choose_threads(A, RUN, (0, 1, 2), whole, 1) == {0: RUN.key, 1: RUN.key}


def write_stat(proc: Path, ticks: dict[int, list[int]], blocked: int = 0) -> None:
    lines = ["cpu  0 0 0 0 0 0 0 0 0 0"]
    lines += [f"cpu{cpu} {' '.join(map(str, numbers))} 0 0" for cpu, numbers in ticks.items()]
    (proc / "stat").write_text("\n".join([*lines, "intr 5 0", f"procs_blocked {blocked}"]) + "\n")


@pytest.fixture
def threads(tmp_path: Path) -> ThreadTrace:
    return ThreadTrace(str(tmp_path), 9, 9, Descriptors())


def test_a_thread_that_goes_offline_starts_the_slow_ring_anew(
    tmp_path: Path, threads: ThreadTrace
) -> None:
    assert (threads.online, threads.lines) == ((), b"")
    write_stat(tmp_path, {0: [1] * 8, 1: [1] * 8})
    threads.sample(0.0)
    threads.sample(1.0)
    assert threads.online == (0, 1) and threads.others(1.0, None) is not None
    write_stat(tmp_path, {1: [2] * 8})
    threads.sample(2.0)
    assert [threads.online, threads.lines] == [(1,), b"cpu1 2 2 2 2 2 2 2 2 0 0\n"]
    assert threads.others(1.0, None) is None


def test_the_others_are_what_programs_took_on_a_jobs_threads(
    tmp_path: Path, threads: ThreadTrace
) -> None:
    assert threads.others(0.0, None) is None
    nothing = {0: [0] * 8, 1: [0] * 8}
    write_stat(tmp_path, nothing, blocked=3)
    threads.sample(100.0)
    ticks = {0: [10, 2, 99, 99, 99, 99, 99, 1], 1: [100, 0, 0, 0, 0, 0, 0, 0]}  # user nice … steal
    write_stat(tmp_path, ticks, blocked=3)
    threads.sample(102.0)
    tick = 10.0**TICK
    assert threads.others(2.0, (0,)) == pytest.approx((13 * tick, 6.0))
    assert threads.others(2.0, None) == pytest.approx((113 * tick, 6.0))
    assert threads.others(2.1, None) is None


def test_between_slow_samples_the_lines_alone_are_kept(
    tmp_path: Path, threads: ThreadTrace
) -> None:
    write_stat(tmp_path, {0: [1] * 8})
    threads.sample(0.0)
    write_stat(tmp_path, {0: [5] * 8})
    threads.sample(0.1, slow=False)
    assert threads.lines.startswith(b"cpu0 5 ")
    first, second, third = threads.past((0.0, 0.05, 0.1))
    assert (first and first[1], second, third and third[1]) == (b"1", None, b"5")
    assert threads.others(0.05, None) is None


def test_threads_that_cannot_be_sampled_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    roots = Sample(cgroup_root=str(tmp_path), proc_root=str(tmp_path / "nowhere"))
    sampler = Sampler(Config(sample=roots))
    for second in range(3):
        sampler.sample(float(second), float(second))
    assert [record.message for record in caplog.records if "threads" in record.message] == [
        f"the hardware threads cannot be sampled: [Errno 2] No such file or directory:"
        f" '{tmp_path}/nowhere/stat'"
    ]


def test_a_window_holds_the_shares_of_each_step(tmp_path: Path, threads: ThreadTrace) -> None:
    job = tmp_path / "job"
    job.mkdir()
    trace = JobTrace(9, Descriptors(), 1000.0)
    (job / "cpu.stat").write_text("user_usec 0\nsystem_usec 0\n")
    (job / "cpuset.cpus.effective").write_text("0-1\n")
    for name in ("cpu", "memory"):
        (job / f"{name}.pressure").write_text("some total=0\n")
    trace.attach(Sighting("job", {"unified": str(job)}))
    steps = ([0] * 8, [50, 10, 20, 10, 5, 2, 1, 2], [50, 10, 20, 10, 5, 2, 1, 2])
    for second, ticks in enumerate(steps):
        write_stat(tmp_path, {0: ticks, 1: [100 * second, 0, 0, 0, 0, 0, 0, 0]})
        (job / "cpu.stat").write_text(f"user_usec {second * 1500000}\nsystem_usec 0\n")
        (job / "cpu.pressure").write_text(f"some total={second * 250000}\n")
        trace.sample(float(second), 1000.0 + second)
        threads.sample(float(second))
    chosen = {0: RUN.key, 1: None}
    assert cut("n1", trace, threads, chosen, 3) is None
    window = cut("n1", trace, threads, chosen, 2)
    assert window is not None
    assert (window.shape, window.owners) == ((2, 2, len(FEATURES)), (RUN.key, None))
    assert (window.start, window.step_seconds) == (1000.0, 1.0)
    steps_read = [list(window.values[i : i + 10]) for i in range(0, 40, 10)]
    own = [0.75, 0.25, 0.0]
    assert steps_read[0][:9] == pytest.approx([0.5, 0.1, 0.2, 0.05, 0.03, 0.02, *own])
    assert steps_read[1][6:9] == pytest.approx(own)
    assert all(math.isnan(value) for value in steps_read[1][:6])  # no tick passed
    assert steps_read[2][:6] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert all(math.isnan(value) for value in steps_read[2][6:])  # nobody's thread
    assert math.isnan(steps_read[0][9])  # no io.pressure


def test_steps_whose_threads_were_not_sampled_are_not_measured(
    tmp_path: Path, threads: ThreadTrace
) -> None:
    write_stat(tmp_path, {0: [1] * 8})
    trace = JobTrace(9, Descriptors(), 0.0)
    for second in range(3):
        trace.sample(float(second), float(second))
        if second != 1:
            threads.sample(float(second))
    window = cut("n1", trace, threads, {0: RUN.key}, 2)
    assert window is not None and all(math.isnan(value) for value in window.values)
