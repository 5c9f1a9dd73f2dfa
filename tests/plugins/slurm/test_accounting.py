"""sacct: the command line, and reading its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.plugins.slurm import accounting
from jobmend.plugins.slurm.accounting import (
    AccountingError,
    Row,
    batch_steps,
    command,
    memory_per_node,
    parse,
    rows,
)

DELIMITER = "<5f0c>"
CELLS = {
    "JobIDRaw": "10",
    "JobID": "4_2",
    "JobName": "reco",
    "User": "tester",
    "Account": "acct",
    "Partition": "main",
    "State": "CANCELLED by 20001",
    "ExitCode": "0:15",
    "Submit": "1795246882",
    "Start": "1795246890",
    "End": "Unknown",
    "ReqMem": "400M",
    "ReqCPUS": "4",
    "NNodes": "2",
    "TimelimitRaw": "60",
    "Comment": "campaign",
    "WCKey": "*",
}


def answer(*rows: dict[str, str]) -> str:
    return "".join(
        "".join(row[name] + DELIMITER for name in accounting.FIELDS) + "\n" for row in rows
    )


def test_a_row_is_read() -> None:
    (row,) = parse(answer(CELLS), DELIMITER)
    assert row == Row(
        job_id="10",
        address="4_2",
        name="reco",
        user="tester",
        account="acct",
        partition="main",
        state="CANCELLED by 20001",
        code=0,
        signal=15,
        submitted=1795246882,
        started=1795246890,
        ended=None,
        memory_bytes=200 * 2**20,
        walltime_seconds=3600.0,
        cpus=4,
        comment="campaign",
        wckey="*",
    )
    assert row.array_id == "4" and row.whole


def test_no_rows_are_no_rows() -> None:
    assert parse("", DELIMITER) == []


@given(st.lists(st.text(), min_size=3, max_size=3))
def test_no_text_of_a_user_can_move_a_cell(words: list[str]) -> None:
    hostile = dict(zip(("JobName", "Comment", "WCKey"), words))
    first, second = parse(answer({**CELLS, **hostile}, CELLS), DELIMITER)
    assert [first.name, first.comment, first.wckey] == words
    assert second.name == "reco" and first.state == second.state


@given(st.integers(1, 40), st.text(alphabet="<5f0c>\n|", max_size=20))
def test_an_answer_may_come_in_pieces_of_any_size(size: int, name: str) -> None:
    text = answer({**CELLS, "JobName": name.replace(DELIMITER, "")}, CELLS, CELLS)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(rows(pieces, DELIMITER)) == parse(text, DELIMITER)


def test_a_cell_without_an_end_is_not_kept() -> None:
    endless = iter(lambda: "x" * 100_000, None)
    with pytest.raises(AccountingError, match="a cell of more than 1048576 characters"):
        list(rows(endless, DELIMITER))


def test_the_batch_step_belongs_to_the_run_before_it() -> None:
    rows_told = [
        ("10", "1000", "REQUEUED", "1060"),
        ("10.batch", "1000", "COMPLETED", "1030"),
        ("10.0", "1000", "FAILED", "1020"),
        ("10", "1061", "REQUEUED", "1100"),
        ("10.batch", "1061", "CANCELLED", "Unknown"),
        ("11", "1000", "REQUEUED", "1100"),  # it never got as far as a step
        ("12.batch", "1000", "COMPLETED", "1100"),
    ]
    text = "".join("".join(cell + DELIMITER for cell in row) + "\n" for row in rows_told)
    assert batch_steps([text], DELIMITER) == {
        ("10", 1000.0): ("COMPLETED", 1030),
        ("10", 1061.0): ("CANCELLED", None),
    }


def test_a_sluid_is_read_where_sacct_has_it() -> None:
    fields = (*accounting.FIELDS, accounting.SLUID)
    text = answer(CELLS).replace("\n", f"s5K1KKYAYG5D00{DELIMITER}\n")
    (row,) = parse(text, DELIMITER, fields)
    assert row.sluid == "s5K1KKYAYG5D00"


def test_a_half_written_row_says_so() -> None:
    (row,) = parse(
        answer({**CELLS, "Partition": "", "ReqMem": "16E", "TimelimitRaw": "Partition_Limit"}),
        DELIMITER,
    )
    assert not row.whole and row.memory_bytes is None and row.walltime_seconds is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("slurm is down", "0 cells"),
        (answer(CELLS)[:-20], "cells, which are no rows of 17"),
        (answer({**CELLS, "JobIDRaw": "10.batch"}), "job id '10.batch'"),
        (answer({**CELLS, "Submit": "2026-11-21T07:00:00"}), "numbers are wanted"),
    ],
)
def test_what_is_no_answer_is_refused(text: str, problem: str) -> None:
    with pytest.raises(AccountingError, match=problem):
        parse(text, DELIMITER)


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("400M", 200),  # the job's: on 2 nodes
        ("4G", 2048),
        ("2048K", 1),
        ("100Mc", 200),  # before 21.08: for each of 4 CPUs
        ("100Mn", 100),  # and for each node
        ("0", None),
        ("", None),
        ("?", None),
        ("18446744073709551614M", None),
    ],
)
def test_memory_is_per_node(text: str, mib: int | None) -> None:
    assert memory_per_node(text, 4, 2) == (None if mib is None else mib * 2**20)


def test_the_command_asks_for_jobs_or_for_a_time() -> None:
    assert command(("JobID", "State"), "|", jobs=["1", "2"])[-2:] == [
        "--format=JobID,State",
        "--jobs=1,2",
    ]
    assert command(("JobID",), "|", since=1795246882.7)[-1] == "--starttime=2026-11-21T07:41:22"
    assert command(("JobID",), "|", since=-60.0)[-1] == "--starttime=1970-01-02T00:00:00"
    assert command(("JobID",), "|", since=0.0, until=1795246882.5)[-2:] == [
        "--starttime=1970-01-02T00:00:00",
        "--endtime=2026-11-21T07:41:23",
    ]
    asked = command(
        ("JobID",), "|", since=0.0, until=1795246882.5, states=("CANCELLED", "DEADLINE")
    )
    assert asked[-1] == "--state=CANCELLED,DEADLINE"
