from __future__ import annotations

import pytest

from jobmend.agent import parsers
from jobmend.agent.parsers import Lines

PSI = (
    b"some avg10=0.36 avg60=0.06 avg300=0.01 total=46783\n"
    b"full avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
)
CPU = Lines(b"user_usec", b"system_usec", optional=(b"throttled_usec",))


def test_the_numbers_of_lines_are_the_kernels_own_digits() -> None:
    plain = b"usage_usec 2038043\nuser_usec 2026077\nsystem_usec 11966\nnice_usec 0\n"
    assert CPU(plain) == (b"2026077", b"11966")
    limited = plain + b"nr_periods 9\nnr_throttled 4\nthrottled_usec 250000\n"
    assert CPU(limited) == (b"2026077", b"11966", b"250000")


def test_lines_that_move_are_found_again() -> None:
    parse = Lines(b"anon", b"file")
    assert parse(b"anon 100\nfile 50\nshmem 20\n") == (b"100", b"50")
    assert parse(b"anon 101\nkernel 7\nfile 51\n") == (b"101", b"51")
    assert parse(b"file 52\n\nanon 102\n") == (b"102", b"52")
    with pytest.raises(ValueError, match="no line file"):
        parse(b"anon 103\n")
    assert parse(b"anon 104\nfile 54\n") == (b"104", b"54")


def test_a_name_that_stands_where_a_number_should_is_no_name() -> None:
    parse = Lines(b"oom")
    with pytest.raises(ValueError, match="no line oom"):
        parse(b"low oom\nhigh 3\n")


def test_pressure() -> None:
    assert parsers.pressure(PSI) == (b"46783", b"1500000")
    assert parsers.pressure(PSI.splitlines()[0]) == (b"46783",)  # cpu before Linux 5.13


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"max\n", ()),
        (b"9223372036854771712\n", ()),  # v1 with pages of 4 KiB
        (b"9223372036854710272\n", ()),  # v1 with pages of 64 KiB
        (b"209715200\n", (b"209715200",)),
        (b"0\n", (b"0",)),
    ],
)
def test_limits(data: bytes, words: tuple[bytes, ...]) -> None:
    assert parsers.limit(data) == words


def test_io_stat_is_summed_over_devices() -> None:
    data = b"8:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=9 dios=9\n"
    data += b"8:16 rbytes=1 wbytes=2 rios=1 wios=1\n"
    assert parsers.io_stat(data) == (b"101", b"22", b"4", b"5")
    assert parsers.io_stat(b"") == (b"0",) * 4


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


STAT = (
    b"cpu  9 9 9 9 9 9 9 9 9 9\n"
    b"cpu0 1 2 3 4 5 6 7 8 0 0\n"
    b"cpu2 10 20 30 40 50 60 70 80 1 1\n"
    b"intr 141313 0 0\nctxt 5\nprocs_running 3\nprocs_blocked 4\nsoftirq 9 1\n"
)


def test_proc_stat_with_a_thread_offline() -> None:
    stat = parsers.proc_stat(STAT)
    assert stat.blocked == 4
    words = parsers.stat_words(stat.lines)
    assert parsers.stat_cpus(words) == (0, 2)
    assert words[parsers.STAT_WORDS :] == b"cpu2 10 20 30 40 50 60 70 80 1 1".split()
    assert parsers.proc_stat(STAT.replace(b"procs_blocked 4\n", b"")).blocked == 0


@pytest.mark.parametrize("line", [b"cpu0 1 2 3 4 5 6 7 8", b"cpu0 1 2 3 4 5 6 7 8 0 0 12 13"])
def test_thread_lines_of_other_kernels_are_cut_to_the_same_words(line: bytes) -> None:
    assert parsers.stat_words(line + b"\n") == b"cpu0 1 2 3 4 5 6 7 8 0 0".split()


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (CPU, b""),
        (CPU, b"user_usec 1\n"),
        (CPU, b"user_usec one\nsystem_usec 2\n"),
        (CPU, b"user_usec 1\nsystem_usec -2\n"),
        (parsers.pressure, b""),
        (parsers.pressure, b"some avg10=0.00\n"),
        (parsers.pressure, b"some avg10=0.00 total=1\nfull avg10=0.00\n"),
        (parsers.number, b""),
        (parsers.number, b"12 13\n"),
        (parsers.limit, b""),
        (parsers.cpu_list, b"0-x"),
        (parsers.proc_stat, b"intr 5\n"),
        (parsers.proc_stat, b"cpu0 1 2 3\n"),
        (parsers.stat_words, b"cpu0 1 2 3\n"),
    ],
)
def test_what_does_not_look_as_documented_is_a_value_error(parse, data: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        parse(data)
