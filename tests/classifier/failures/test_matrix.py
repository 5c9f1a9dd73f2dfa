"""The failure matrix: what each column holds, and what a record becomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.causes.tally import tally, top_failures
from jobmend.classifier.failures.features import COUNTED, FEATURES, features
from jobmend.classifier.failures.history.records import task_of
from jobmend.classifier.failures.matrix import OTHER, Unseen, Vocabulary, encode
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs.events import Request
from jobmend.jobs.identity import SiteStatus
from jobmend.jobs.records import RunRecord, WorkflowRecord

GOOD, BAD = SiteStatus.GOOD, SiteStatus.BAD
MakeRun = Callable[..., RunRecord]
MakeRecord = Callable[..., WorkflowRecord]
TASK = FailedTask("/w/t", {Cell("85", "T2_A", GOOD): 3, Cell("-1", "T2_B", BAD): 1})


def named(task: FailedTask, vocabulary: Vocabulary) -> dict[str, float]:
    """The counts of a task by what they count."""
    row = encode([task], vocabulary)
    return {
        vocabulary.column(int(index)).describe(): float(value)
        for index, value in zip(row.indices, row.data, strict=True)
        if index < vocabulary.blocks["summary"].start
    }


def summary(task: FailedTask) -> Mapping[str, float]:
    return dict(zip(FEATURES, features(task), strict=True))


def test_failures_are_counted_by_cell_by_code_and_by_site() -> None:
    assert named(TASK, Vocabulary.learn([TASK, TASK])) == {
        "85 at T2_A (good)": 3.0,
        "-1 at T2_B (bad)": 1.0,
        "85 at any site (good)": 3.0,
        "-1 at any site (bad)": 1.0,
        "any code at T2_A (good)": 3.0,
        "any code at T2_B (bad)": 1.0,
    }


def test_what_is_unseen_is_counted_as_other_and_told() -> None:
    vocabulary = Vocabulary.learn([TASK, TASK])
    strange = FailedTask("s", {Cell("99", "T2_A", GOOD): 2, Cell("85", "T2_Z", GOOD): 5})
    assert named(strange, vocabulary) == {
        "other at T2_A (good)": 2.0,
        "85 at other (good)": 5.0,
        "other at any site (good)": 2.0,
        "85 at any site (good)": 5.0,
        "any code at T2_A (good)": 2.0,
        "any code at other (good)": 5.0,
    }
    assert vocabulary.unseen(strange) == Unseen(codes=2, sites=5)
    assert vocabulary.unseen(TASK) == Unseen(0, 0)


cells = st.dictionaries(
    st.builds(Cell, st.text(max_size=8), st.text(max_size=8), st.sampled_from(SiteStatus)),
    st.integers(1, 10**6),
    max_size=6,
)


@given(st.lists(cells, max_size=6))
def test_no_failure_is_lost_whatever_it_is_called(tables: list[dict[Cell, int]]) -> None:
    tasks = [FailedTask(str(number), table) for number, table in enumerate(tables)]
    vocabulary = Vocabulary.learn(tasks)
    matrix = encode(tasks, vocabulary)
    assert matrix.shape == (len(tasks), vocabulary.width)
    for block in ("cells", "codes", "sites"):
        counted = matrix[:, vocabulary.blocks[block]].sum(axis=1).A1 if len(tasks) else []
        assert list(counted) == pytest.approx([float(task.failures) for task in tasks])


def test_every_column_has_one_meaning() -> None:
    vocabulary = Vocabulary.learn([TASK, TASK])
    columns = [vocabulary.column(index) for index in range(vocabulary.width)]
    assert len(set(columns)) == vocabulary.width == 27 + 9 + 9 + len(FEATURES)
    assert sum(column.site == OTHER for column in columns) == 9 + 3


def test_the_vocabulary_survives_json_and_refuses_damage() -> None:
    vocabulary = Vocabulary.learn([TASK, TASK])
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    for damaged in (b"{", b"[]", b'{"format": 1, "codes": [], "sites": []}'):
        with pytest.raises(ArtifactError, match="vocabulary"):
            Vocabulary.from_json(damaged)


def test_what_the_counts_say_as_a_whole() -> None:
    told = summary(TASK)
    assert told["log_failures"] == pytest.approx(math.log(5))
    assert (told["codes"], told["sites"], told["dominant_code_share"]) == (2.0, 2.0, 0.75)
    assert (told["failed_at_bad_status_share"], told["bad_sites_share"]) == (0.25, 0.5)
    even = FailedTask("e", {Cell("1", "A", GOOD): 1, Cell("2", "A", GOOD): 1})
    assert summary(even)["code_entropy"] == pytest.approx(math.log(2))
    assert summary(even)["site_entropy"] == 0.0
    empty = summary(FailedTask("n", {}))
    assert all(math.isnan(empty[name]) for name in COUNTED)


def test_a_workflow_s_record_becomes_a_task(make_run: MakeRun, make_record: MakeRecord) -> None:
    failed = make_run(
        "exit:66",
        "siteB",
        status=BAD,
        attempt=1,
        request=Request(memory_bytes=1024, walltime_seconds=64),
        anomaly_p=0.01,
        cpu_user_seconds=13.0,
        cpu_system_seconds=13.0,
        cpu_idle_tail_seconds=26.0,
        memory_peak_bytes=512,
        memory_limit_bytes=1024,
    )
    ends = [make_run("ok"), make_run("ok"), make_run("ok"), make_run("running")]
    task = task_of(make_record(failed, *ends), time=7.0)
    assert (task.name, task.time) == ("c/wf", 7.0)
    assert task.cells == {Cell("exit:66", "c/siteB", BAD): 1}
    told = summary(task)
    wanted = {
        "runs": 5.0,
        "failed_share": 0.25,
        "dominant_code_share": 1.0,
        "sites_all_fail_share": 0.5,
        "attempts": 1.0,
        "log2_memory_request": 10.0,
        "log2_walltime_request": 6.0,
        "memory_peak_share": 0.5,
        "cpu_busy_share": 0.5,
        "idle_tail_share": 0.5,
        "anomaly_p": 0.01,
    }
    assert {name: told[name] for name in wanted} == wanted
    assert math.isnan(told["cpu_waiting_share"])
    assert math.isnan(told["hours_lost"])


def test_not_measured_is_absent_and_a_measured_zero_is_not(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    unmeasured = task_of(make_record(make_run("exit:1")))
    measured = task_of(make_record(make_run("exit:1", cpu_waiting_seconds=0.0)))
    vocabulary = Vocabulary.learn([unmeasured, measured])
    column = vocabulary.blocks["summary"].start + FEATURES.index("cpu_waiting_share")
    assert encode([unmeasured, measured], vocabulary)[:, column].toarray().tolist() == [[0], [1]]


def test_the_tally_and_its_largest_cells(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:66", "siteB") for _ in range(3)]
    record = make_record(*runs, make_run("exit:1"), make_run("ok"), make_run("cancelled"))
    assert [(site.name, site.failed, site.ended) for site in tally(record)] == [
        ("siteA", 1, 2),
        ("siteB", 3, 3),
    ]
    assert top_failures(record) == ["exit:66 at siteB: 3 of 3", "exit:1 at siteA: 1 of 2"]
