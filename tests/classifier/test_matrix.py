"""The failure matrix and the features beside it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.features import FEATURES, encode, features
from jobmend.classifier.failures.matrix import Vocabulary, count
from jobmend.classifier.failures.model import FailureModel
from jobmend.classifier.failures.synthetic import LabelledWorkflow
from jobmend.classifier.failures.tally import tally, top_failures
from jobmend.jobs.events import Request
from jobmend.jobs.identity import SiteStatus
from jobmend.jobs.records import RunRecord, WorkflowRecord

MakeRun = Callable[..., RunRecord]
MakeRecord = Callable[..., WorkflowRecord]


def named(record: WorkflowRecord, vocabulary: Vocabulary) -> dict[str, float]:
    """The cells of a record by what they count."""
    row = count([record], vocabulary)
    return {
        vocabulary.column(int(index)).describe(): float(value)
        for index, value in zip(row.indices, row.data, strict=True)
    }


def test_cells_count_code_site_and_status_and_sum_over_sites(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    runs = [make_run("exit:66", "siteB", status=SiteStatus.BAD) for _ in range(2)]
    record = make_record(*runs, make_run("ok"), make_run("running"))
    assert named(record, Vocabulary.learn([record, record])) == {
        "exit:66 at siteB (bad)": 2.0,
        "exit:66 at any site (bad)": 2.0,
        "exit:0 at siteA": 1.0,
        "exit:0 at any site": 1.0,
    }


def test_what_is_unseen_is_counted_as_other(make_run: MakeRun, make_record: MakeRecord) -> None:
    known = make_record(make_run("exit:1", "siteA"))
    vocabulary = Vocabulary.learn([known, known])
    assert (vocabulary.codes, vocabulary.sites) == (("exit:1",), ("c/siteA",))
    strange = make_record(make_run("exit:99", "siteZ"), make_run("exit:1", "siteZ"))
    assert named(strange, vocabulary) == {
        "other at other": 1.0,
        "other at any site": 1.0,
        "exit:1 at other": 1.0,
        "exit:1 at any site": 1.0,
    }


def test_every_column_is_used_by_exactly_one_meaning(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    record = make_record(make_run("exit:1", "siteA"), make_run("exit:2", "siteB"))
    vocabulary = Vocabulary.learn([record, record])
    columns = [vocabulary.column(index) for index in range(vocabulary.width)]
    assert len(set(columns)) == vocabulary.width == 3 * 4 * 3


def test_the_vocabulary_survives_json_and_refuses_damage(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    record = make_record(make_run("exit:1"))
    vocabulary = Vocabulary.learn([record, record])
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    for damaged in (b"{", b"[]", b'{"format": 2, "codes": [], "sites": []}'):
        with pytest.raises(ArtifactError, match="vocabulary"):
            Vocabulary.from_json(damaged)


def test_dense_and_sparse_predict_the_same(
    fitted: FailureModel, history: list[LabelledWorkflow]
) -> None:
    sparse = fitted.matrix([example.record for example in history[:200]])
    dense = sparse.toarray()
    assert (dense == 0).mean() > 0.5
    np.testing.assert_array_equal(fitted.probabilities(sparse), fitted.probabilities(dense))


def test_a_stored_zero_is_an_absent_cell(
    fitted: FailureModel, history: list[LabelledWorkflow]
) -> None:
    sparse = fitted.matrix([history[0].record])
    empty = next(i for i in range(sparse.shape[1]) if i not in set(sparse.indices))
    parts = (np.append(sparse.data, 0.0), (np.zeros(sparse.nnz + 1), [*sparse.indices, empty]))
    stored = csr_matrix(parts, shape=sparse.shape, dtype=np.float32)
    assert stored.nnz == sparse.nnz + 1
    np.testing.assert_array_equal(fitted.probabilities(sparse), fitted.probabilities(stored))


def test_features_of_a_workflow(make_run: MakeRun, make_record: MakeRecord) -> None:
    failed = make_run(
        "exit:66",
        "siteB",
        attempt=1,
        request=Request(memory_bytes=1024, walltime_seconds=64),
        anomaly_p=0.01,
        cpu_user_seconds=13.0,
        cpu_system_seconds=13.0,
        cpu_idle_tail_seconds=26.0,
        memory_peak_bytes=512,
        memory_limit_bytes=1024,
    )
    told = features(make_record(failed, make_run("ok"), make_run("ok"), make_run("ok")))
    assert list(sorted(told)) == sorted(FEATURES)
    wanted = {
        "runs": 4.0,
        "failed_share": 0.25,
        "dominant_code_share": 1.0,
        "sites": 2.0,
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


def test_not_measured_is_absent_and_a_measured_zero_is_not(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    unmeasured = encode([make_record(make_run("exit:1"))]).toarray()[0]
    measured = encode([make_record(make_run("exit:1", cpu_waiting_seconds=0.0))]).toarray()[0]
    column = FEATURES.index("cpu_waiting_share")
    assert (unmeasured[column], measured[column]) == (0.0, 1.0)


def test_an_empty_workflow_has_features_too(make_record: MakeRecord) -> None:
    assert encode([make_record()]).shape == (1, len(FEATURES))


def test_the_tally_and_its_largest_cells(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:66", "siteB") for _ in range(3)]
    record = make_record(*runs, make_run("exit:1"), make_run("ok"), make_run("cancelled"))
    assert [(site.name, site.failed, site.ended) for site in tally(record)] == [
        ("siteA", 1, 2),
        ("siteB", 3, 3),
    ]
    assert top_failures(record) == ["exit:66 at siteB: 3 of 3", "exit:1 at siteA: 1 of 2"]
