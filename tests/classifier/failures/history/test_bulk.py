"""Runs in bulk: the database and the plain code agree, and what a file says stays data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmend.classifier.failures.history import bulk_htcondor, bulk_slurm
from jobmend.classifier.failures.history.bulk import Limits
from jobmend.classifier.failures.history.bulk_htcondor import read_condor_history
from jobmend.classifier.failures.history.bulk_slurm import read_sacct
from jobmend.classifier.failures.history.bulk_tables import JobRecord, count_plainly, read_table
from jobmend.classifier.failures.history.cms import HistoryError
from jobmend.classifier.failures.history.job_records import Counted, verdict
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs import exit_slurm
from jobmend.jobs.identity import SiteStatus
from jobmend.plugins.htcondor import ads, ends
from jobmend.plugins.slurm.accounting import Row
from jobmend.plugins.slurm.history import outcome

UNKNOWN = SiteStatus.UNKNOWN
HOSTILE = ["w", "it's", '"; DROP TABLE x; --', "a,b", "é\u202e", "$1 ? {0}", "x" * 257, ""]


def write_csv(path: Path, records: list[JobRecord]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(JobRecord._fields)
        writer.writerows(["" if v is None else v for v in record] for record in records)
    return path


def write_parquet(path: Path, records: list[JobRecord]) -> Path:
    columns = list(zip(*records, strict=True)) or [()] * len(JobRecord._fields)
    kinds = [pa.string()] * 6 + [pa.float64()] * 2
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    pq.write_table(pa.table(dict(zip(JobRecord._fields, arrays, strict=True))), path)
    return path


times = st.none() | st.floats(0, 2e9)
records = st.builds(
    JobRecord,
    st.sampled_from(["c1", "c2", ""]),
    st.sampled_from(HOSTILE),
    st.sampled_from(HOSTILE),
    st.sampled_from(["50660", "-1", "exit:1", "0", "", "9" * 65]),
    st.sampled_from(["good", "BAD", "", "odd"]),
    st.sampled_from(["", "failed", "Success", "other", "odd"]),
    times,
    times,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, max_size=30))
def test_the_database_counts_as_the_plain_code_does(tmp_path: Path, rows: list[JobRecord]) -> None:
    plain = count_plainly(rows)
    assert read_table(write_csv(tmp_path / "r.csv", rows)) == plain
    assert read_table(write_parquet(tmp_path / "r.parquet", rows)) == plain


def test_a_workflow_is_counted_by_code_site_and_status(tmp_path: Path) -> None:
    rows = [
        JobRecord("c", "w", "a", "50660", "good", ended=200.0, started=100.0),
        JobRecord("c", "w", "a", "50660", "good", ended=300.0, started=260.5),
        JobRecord("c", "w", "a", "0", "good", ended=900.0, started=0.0),
        JobRecord("c", "w", "b", "92", "bad"),
        JobRecord("c", "w", "b", "15", "bad", "other"),
        JobRecord("c", "fine", "b", "exit:0"),
    ]
    (task,) = read_table(write_csv(tmp_path / "r.csv", rows)).tasks
    assert task == FailedTask(
        "c/w",
        {Cell("50660", "c/a", SiteStatus.GOOD): 2, Cell("92", "c/b", SiteStatus.BAD): 1},
        {
            "runs": 5.0,
            "failed_share": 0.75,
            "sites_all_fail_share": 0.5,
            "sites_some_fail_share": 0.5,
            "hours_lost": 139.5 / 3600,
        },
        300.0,
    )


def test_columns_may_come_in_any_order_and_times_as_text(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("ended,Code,x,site,workflow\n2020-09-13T14:26:40+02:00,1,,s,w\n")
    (task,) = read_table(path).tasks
    assert (task.name, task.cells, task.time) == ("/w", {Cell("1", "/s", UNKNOWN): 1}, 1.6e9)


def test_a_file_that_is_a_pattern_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("workflow,site,code\nx,s,1\n")
    path = tmp_path / "*[a].csv"
    path.write_text("workflow,site,code\nw,s,1\nw,s,1,too many\nw\n\xff,s\n")
    found = read_table(path)
    assert ([task.name for task in found.tasks], found.runs, found.skipped) == (["/w"], 1, 3)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("r.csv", b"workflow,site\nw,s\n", "column code is missing"),
        ("r.csv", b"", "column workflow is missing"),
        ("r.parquet", b"PAR1 no", "cannot be read: "),
        ("none.csv", None, "there is no such file"),
    ],
)
def test_an_error_names_the_file(tmp_path: Path, name: str, data: bytes | None, words: str) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(HistoryError) as caught:
        read_table(path, Limits("200MB", 1))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


# ---- sacct -------------------------------------------------------------------------------------

HEADER = "JobIDRaw|User|Partition|State|ExitCode|Start|End|JobName|Comment"


def sacct(path: Path, *rows: str, delimiter: str = "|") -> Counted:
    text = "\n".join((HEADER.replace("|", delimiter), *rows)) + "\n"
    path.write_bytes(text.encode(errors="surrogateescape"))
    return read_sacct(path, "c", delimiter=delimiter)


def test_sacct_is_read_as_the_brain_reads_it(tmp_path: Path) -> None:
    found = sacct(
        tmp_path / "sacct.txt",
        "1|ann|p1|FAILED|3:0|1000|1010|reco_1|reco",
        "1.batch|||FAILED|3:0|1000|1010|batch|",
        "2|ann|p1|TIMEOUT|0:0|1000|2000|reco_2|reco",
        "3|ann|p2|COMPLETED|0:0|1000|2000|reco_3|reco",
        "4|ann|p2|CANCELLED by 1001|0:15|1000|2000|reco_4|reco",
        "5|ann|p2|OUT_OF_MEMORY|0:125|Unknown|1970-01-01T00:50:00|reco_5|reco",
        "6|bob|p2|FAILED||1|2|x|",
        "7|bob|p2|REQUEUED|0:0|1|2|x|",
        "8|bob|p2|RUNNING|0:0|1|Unknown|x|",
    )
    assert [(task.name, dict(task.cells), task.time) for task in found.tasks] == [
        ("c/bob/x", {Cell("exit:?", "c/p2", UNKNOWN): 1}, 2.0),
        (
            "c/ann/reco",
            {
                Cell("exit:3", "c/p1", UNKNOWN): 1,
                Cell("timeout", "c/p1", UNKNOWN): 1,
                Cell("out_of_memory", "c/p2", UNKNOWN): 1,
            },
            3000.0,
        ),
    ]
    assert (found.runs, found.skipped) == (7, 0)
    assert found.tasks[1].features["failed_share"] == 0.75


@given(
    st.sampled_from([*exit_slurm.STATE_KINDS, "FAILED", "COMPLETED", "REQUEUED", "odd", ""]),
    st.none() | st.integers(0, 300),
    st.none() | st.integers(0, 130),
)
def test_an_end_reads_as_in_the_brain(state: str, code: int | None, signal: int | None) -> None:
    row = Row("1", "1", "", "", "", "", state, code, signal, 0, 0, 1, None, None, None, "", "")
    text = ":".join("" if part is None else str(part) for part in (code, signal))
    exit = outcome(row)
    assert bulk_slurm._read((state, text, None, None)) == (exit.key, verdict(exit))


@given(
    st.sampled_from([3, 4, 5]),
    st.none() | st.integers(-1, 300),
    st.none() | st.integers(0, 64),
    st.none() | st.integers(0, 50),
)
def test_an_ad_ends_as_in_the_brain(
    status: int, code: int | None, signal: int | None, hold: int | None
) -> None:
    by_signal = signal is not None
    told = ad(1, JobStatus=status, ExitBySignal=by_signal, ExitCode=code, ExitSignal=signal)
    known = ads.read({**told, "HoldReasonCode": hold})
    assert known is not None
    exit = ends.of_job(known)
    ending = tuple(
        None if part is None else str(part)
        for part in (status, None if by_signal else code, signal, hold)
    )
    assert bulk_htcondor._read(ending) == (exit.key, verdict(exit))  # type: ignore[arg-type]


def test_a_name_cannot_make_up_a_row(tmp_path: Path) -> None:
    found = sacct(
        tmp_path / "sacct.txt",
        "1/~eve/~p/~FAILED/~1:0/~1/~2/~a|b'\"/~",
        "2/~eve/~p/~FAILED/~1:0/~1/~2/~evil",
        "3|root|p|NODE_FAIL|1:0|1|2|made up|/~",
        "4/~eve/~p/~FAILED/~1:0/~1/~2/~evil\x00\udcff/~",
        "x/~eve/~p/~FAILED/~1:0/~1/~2/~no job/~",
        delimiter="/~",
    )
    assert [task.name for task in found.tasks] == ["c/eve/a|b'\""]
    assert (found.runs, found.skipped) == (1, 4)


def test_sacct_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sacct.txt"
    path.write_text("JobIDRaw|User|Partition|State|ExitCode|End\n")
    with pytest.raises(HistoryError, match="no column names the workflow"):
        read_sacct(path, "c")
    with pytest.raises(HistoryError, match="column JobIDRaw is missing"):
        read_sacct(path, "c", delimiter="\t")
    for delimiter in ("", "12345"):
        with pytest.raises(ValueError, match="delimiter: 1 to 4 bytes"):
            read_sacct(path, "c", delimiter=delimiter)
    with pytest.raises(ValueError, match="workflow_from: some of comment"):
        read_sacct(path, "c", workflow_from=["user"])


# ---- condor_history ----------------------------------------------------------------------------


def ad(number: int, **changes: object) -> dict[str, object]:
    return {
        "ClusterId": number,
        "ProcId": 0,
        "GlobalJobId": f"schedd1#{number}.0#1600000000",
        "Owner": "ann",
        "JobBatchName": "reco",
        "JobStatus": 4,
        "ExitBySignal": False,
        "ExitCode": 0,
        "LastRemoteHost": "slot1_1@node1",
        "JobCurrentStartDate": 1000,
        "CompletionDate": 2000,
        "EnteredCurrentStatus": 2001,
        **changes,
    }


def condor(path: Path, *ads: object) -> Counted:
    path.write_text(json.dumps(list(ads)))
    return read_condor_history(path, "pool")


def test_ads_are_read_as_the_brain_reads_them(tmp_path: Path) -> None:
    found = condor(
        tmp_path / "h.json",
        ad(1, ExitCode=66),
        ad(2, ExitBySignal=True, ExitSignal=11, ExitCode=3),
        ad(3, JobStatus=5, HoldReasonCode=34, CompletionDate=0, ExitCode=None),
        ad(4, JobStatus=3, CompletionDate=0),
        ad(5),
        ad(6, JobStatus=2),
        ad(7, JobBatchName="", ExitCode=1, MATCH_GLIDEIN_Site="T2", CompletionDate=1500.5),
    )
    assert [(task.name, dict(task.cells), task.time) for task in found.tasks] == [
        ("pool/ann/7@schedd1", {Cell("exit:1", "pool/T2", UNKNOWN): 1}, 1500.5),
        (
            "pool/ann/reco",
            {
                Cell("exit:66", "pool/node1", UNKNOWN): 1,
                Cell("signal:11", "pool/node1", UNKNOWN): 1,
                Cell("out_of_memory", "pool/node1", UNKNOWN): 1,
            },
            2001.0,
        ),
    ]
    assert (found.runs, found.skipped) == (6, 0)


def test_what_users_write_into_their_ads_is_data(tmp_path: Path) -> None:
    found = condor(
        tmp_path / "h.json",
        ad(1, ExitCode="66", JobBatchName="'; DROP TABLE x; --", LastRemoteHost=["x"]),
        ad(2, ExitCode=10**30, JobBatchName={"a": 1}, JobCurrentStartDate="soon"),
        ad(3, ExitCode=1, Owner=7),
        ad(4, ExitCode=1, JobBatchName="x" * 300),
    )
    assert [task.name for task in found.tasks] == []
    assert (found.runs, found.skipped) == (2, 2)


@pytest.mark.parametrize("data", [b"[{", b"{]", b"not json", b"[1]"])
def test_what_is_no_json_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "h.json"
    path.write_bytes(data)
    with pytest.raises(HistoryError, match="cannot be read: "):
        read_condor_history(path, "pool")


def test_only_names_of_attributes_reach_the_database(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no name of an attribute"):
        read_condor_history(tmp_path / "h.json", "pool", site_from=['x": 1'])
