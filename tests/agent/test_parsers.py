from __future__ import annotations

import pytest

from jobmend.agent import parsers
from jobmend.agent.parsers import Cpu, Io, MemoryStat, Oom, Pressure

PSI = (
    b"some avg10=0.36 avg60=0.06 avg300=0.01 total=46783\n"
    b"full avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
)


def test_cpu_stat_of_v2_with_and_without_a_cpu_controller() -> None:
    plain = b"usage_usec 2038043\nuser_usec 2026077\nsystem_usec 11966\nnice_usec 0\n"
    assert parsers.cpu_stat(plain) == Cpu(2.026077, 0.011966, None)
    limited = plain + b"nr_periods 9\nnr_throttled 4\nthrottled_usec 250000\n"
    assert parsers.cpu_stat(limited).throttled == 0.25


def test_cpuacct_of_v1() -> None:
    assert parsers.cpuacct_usage(b"1500000000\n", b"250000000\n") == Cpu(1.5, 0.25)
    assert parsers.cpuacct_stat(b"user 9589\nsystem 4441\n") == Cpu(95.89, 44.41)
    assert parsers.throttled_v1(b"nr_periods 1\nnr_throttled 1\nthrottled_time 5000000\n") == 0.005


def test_pressure() -> None:
    assert parsers.pressure(PSI) == Pressure(0.046783, 1.5)
    assert parsers.pressure(PSI.splitlines()[0]) == Pressure(0.046783, None)  # cpu before 5.13


def test_memory_stat_of_v1_reads_the_totals() -> None:
    data = b"cache 1\nrss 2\ntotal_cache 380\ntotal_rss 17\ntotal_shmem 9\ntotal_swap 3\n"
    data += b"total_inactive_file 268\n"
    assert parsers.memory_stat_v1(data) == MemoryStat(17, 380, 9, 268, 3)


def test_memory_stat_of_v2() -> None:
    data = b"anon 100\nfile 50\nkernel 7\nshmem 20\ninactive_file 10\n"
    assert parsers.memory_stat(data) == MemoryStat(100, 50, 20, 10, None)


def test_oom() -> None:
    assert parsers.oom_events(b"low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\n") == Oom(2, 1)
    assert parsers.oom_kills_v1(b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n") == 3


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"max\n", None),
        (b"9223372036854771712\n", None),  # v1 with pages of 4 KiB
        (b"9223372036854710272\n", None),  # v1 with pages of 64 KiB
        (b"209715200\n", 209715200),
        (b"0\n", 0),
    ],
)
def test_limits(data: bytes, value: int | None) -> None:
    assert parsers.limit(data) == value


def test_io_stat_is_summed_over_devices() -> None:
    data = b"8:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=9 dios=9\n"
    data += b"8:16 rbytes=1 wbytes=2 rios=1 wios=1\n"
    assert parsers.io_stat(data) == Io(101, 22, 4, 5)
    assert parsers.io_stat(b"") == Io(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "cpus"),
    [
        (b"0-3,7\n", (0, 1, 2, 3, 7)),
        (b"1,41\n", (1, 41)),
        (b"5\n", (5,)),
        (b"\n", ()),
        (b"", ()),
    ],
)
def test_cpu_lists(data: bytes, cpus: tuple[int, ...]) -> None:
    assert parsers.cpu_list(data) == cpus


def test_proc_stat_with_a_thread_offline_and_old_kernels_columns() -> None:
    data = b"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu2 10 20 30 40 50 60 70 80\n"
    threads = parsers.proc_stat(data + b"intr 141313 0\ncpux nonsense\n")
    assert threads.cpus == (0, 2)
    assert threads.ticks == [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80]
    assert threads.blocked == 0
    assert parsers.proc_stat(data + b"procs_running 3\nprocs_blocked 4\n").blocked == 4


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (parsers.cpu_stat, b""),
        (parsers.cpu_stat, b"user_usec 1\n"),
        (parsers.cpu_stat, b"user_usec one\nsystem_usec 2\n"),
        (parsers.pressure, b""),
        (parsers.pressure, b"some avg10=0.00\n"),
        (parsers.memory_stat, b"anon 1\n"),
        (parsers.limit, b""),
        (parsers.cpu_list, b"0-x"),
        (parsers.proc_stat, b"intr 5\n"),
        (parsers.proc_stat, b"cpu0 1 2 3\n"),
        (parsers.key_values, b"lonely\n"),
    ],
)
def test_what_does_not_look_as_documented_is_a_value_error(parse, data: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        parse(data)
