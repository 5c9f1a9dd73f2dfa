"""The run model: what it learns from, what it must not see, what it says; synthetic tables."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from jobmend.classifier import artifact
from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.traces.runs import grouping, healthy
from jobmend.classifier.traces.runs import table as tables
from jobmend.classifier.traces.runs.arms import deep, quadratic
from jobmend.classifier.traces.runs.calibration import Calibration
from jobmend.classifier.traces.runs.evaluation import evaluate
from jobmend.classifier.traces.runs.grouping import LARGEST, GroupScaling
from jobmend.classifier.traces.runs.model import MAX_LEARNED, RunModel
from jobmend.classifier.traces.runs.scoring import score_file
from jobmend.classifier.traces.runs.splitting import parts
from jobmend.classifier.traces.runs.table import Ask, Table, read
from tests.classifier.traces.runs.conftest import MakeColumns, WriteTable

ASK = Ask("task", "flow", "fault")
QUICK = ("robust", "mahalanobis", "pca_by_group")


@pytest.fixture
def table(make_columns: MakeColumns, write_table: WriteTable) -> Table:
    return read(write_table(make_columns()), ASK)


def changed(table: Table, **columns: object) -> Table:
    return replace(table, columns={**table.columns, **columns})  # type: ignore[dict-item]


def test_slow_runs_are_found(table: Table) -> None:
    model = RunModel().fit(table, ASK)
    assert table.faulty is not None
    assert model.learned_from_ == "rows of runs without any fault"
    assert roc_auc_score(table.faulty, model.score_samples(table)) > 0.9
    assert set(model.arm_scores(table)) == {"combined", *model.arms}


def test_labels_never_become_features(table: Table) -> None:
    assert table.faulty is not None
    model = RunModel(arms=QUICK).fit(table, ASK)
    assert not {"fault", "flow", "task", "begun", "ended"} & set(model.plan_.names)
    unlabelled = replace(table, faulty=None, splits=None)
    assert np.array_equal(model.score_samples(table), model.score_samples(unlabelled))


def test_tested_runs_are_not_learned_from(table: Table) -> None:
    assert table.splits is not None
    seen: list[set[str]] = []
    for learned, tested in parts(table.splits, 5, 0):
        assert not set(table.splits[learned]) & set(table.splits[tested])
        seen.append(set(table.splits[tested]))
    assert len(set().union(*seen)) == sum(map(len, seen)) == 30


def test_figures_do_not_depend_on_labels_of_tested_rows(table: Table) -> None:
    assert table.splits is not None and table.faulty is not None
    learned, tested = next(parts(table.splits, 5, 0))
    flipped = table.faulty.copy()
    flipped[tested] = ~flipped[tested]
    one, other = (
        RunModel(arms=QUICK).fit(replace(table, faulty=faulty).take(learned), ASK)
        for faulty in (table.faulty, flipped)
    )
    part = table.take(tested)
    assert np.array_equal(one.score_samples(part), other.score_samples(part))


def test_figures_of_noise_are_those_of_chance(table: Table) -> None:
    rng = np.random.default_rng(0)
    noise = {name: rng.lognormal(size=len(table)) for name in ("a", "b", "c")}
    figures = evaluate(replace(table, columns=noise), ASK, arms=QUICK)
    assert all(abs(one.auroc.mean - 0.5) < 0.15 for one in figures)


def test_too_few_faulty_rows_have_no_figures(table: Table) -> None:
    faulty = np.zeros(len(table), bool)
    faulty[:5] = True
    with pytest.raises(ValueError, match="none of 5 parts of the runs has 10 healthy and 10 fau"):
        evaluate(replace(table, faulty=faulty), ASK, arms=("robust",))


def test_rows_that_repeat_each_other_make_no_arm_outweigh_the_others() -> None:
    rng = np.random.default_rng(0)
    columns = {
        name: rng.integers(0, most, 200).astype(np.float64)
        for name, most in (("retries", 2), ("errors", 3))
    }
    repeated = Table(columns, np.full(200, "a", object))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RunModel().fit(repeated, Ask("task"), calibrate=False)
    told = model.arm_scores(changed(repeated, errors=np.full(200, 7.0)))
    assert model.standards_["kmeans"].range == 1.0
    assert max(np.abs(scores).max() for scores in told.values()) < 100
    assert np.median(told["combined"]) > np.median(model.score_samples(repeated))


def test_unseen_group_missing_numbers_and_constants_have_scores(table: Table) -> None:
    columns = {name: column.copy() for name, column in table.columns.items()}
    columns["bytes"][::7] = np.nan
    columns["same"] = np.full(len(table), 4.0)
    columns["never"] = np.full(len(table), np.nan)
    groups = table.groups.copy()
    model = RunModel(arms=QUICK).fit(replace(table, columns=columns), ASK)
    assert model.ignored_["same"] == "constant"
    assert model.ignored_["never"] == "never measured"
    groups[:5] = "a task type that nobody saw"
    columns["runtime"][3] = np.nan
    scored = model.score(replace(table, columns=columns, groups=groups))
    assert np.isfinite(scored.scores).all()
    assert ((scored.p_values > 0) & (scored.p_values <= 1)).all()
    assert scored.known.tolist()[:6] == [False] * 5 + [True]


def test_the_oddest_feature_is_named(table: Table) -> None:
    model = RunModel(arms=QUICK).fit(table, ASK)
    columns = {name: column[:1].copy() for name, column in table.columns.items()}
    columns["waited"] *= 1e6
    odd = Table(columns, table.groups[:1])
    scored = model.score(odd)
    assert scored.oddest.tolist() == ["waited"]
    assert scored.scores[0] > model.score_samples(table.take(np.arange(1)))[0]
    assert scored.p_values[0] < 0.05
    nothing = Table({name: np.full(1, np.nan) for name in columns}, table.groups[:1])
    assert model.score(nothing).oddest.tolist() == [None]


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_too_few_rows_are_refused(rows: int, table: Table) -> None:
    with pytest.raises(ValueError, match="rows to learn from"):
        RunModel(arms=QUICK).fit(table.take(np.arange(rows)), ASK)


def test_nothing_that_varies_is_refused(table: Table) -> None:
    same = {"x": np.ones(len(table))}
    with pytest.raises(ValueError, match="nothing to learn from"):
        RunModel(arms=QUICK).fit(replace(table, columns=same), ASK)


def test_no_healthy_row_is_refused(table: Table) -> None:
    faulty = np.ones(len(table), np.bool_)
    with pytest.raises(ValueError, match="--train-on all"):
        RunModel(arms=QUICK).fit(replace(table, faulty=faulty), ASK)


# ---- which rows are learned from ---------------------------------------------------------------


def test_whole_healthy_runs_are_preferred(table: Table) -> None:
    assert table.faulty is not None and table.splits is not None
    chosen = healthy.choose(table, healthy=True)
    bad = set(table.splits[table.faulty])
    assert not bad & set(table.splits[chosen.rows])
    assert chosen.trim == healthy.TRIM_CLEAN
    beside = healthy.choose(replace(table, splits=None), healthy=True)
    assert beside.rows.tolist() == np.flatnonzero(~table.faulty).tolist()
    assert beside.trim == healthy.TRIM_MIXED
    assert len(healthy.choose(table, healthy=False).rows) == len(table)


def test_a_task_type_that_no_healthy_run_holds_is_still_learned(table: Table) -> None:
    assert table.faulty is not None and table.splits is not None
    groups = table.groups.copy()
    bad = np.isin(table.splits, table.splits[table.faulty])
    rare = np.flatnonzero(bad & ~table.faulty)[:40]
    groups[rare] = "rare"
    chosen = healthy.choose(replace(table, groups=groups), healthy=True)
    assert set(rare) <= set(chosen.rows)


def test_trimming_takes_out_the_odd() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1000, 3)).astype(np.float32)
    features[:40] += 50
    kept = healthy.trim(features, np.array(["a"] * 1000, object), None, 0.05)
    assert len(kept) == 950
    assert kept.min() >= 40


@pytest.mark.parametrize(("runs", "left"), [(1, 1), (2, 2), (9, 9), (10, 9), (30, 27)])
def test_no_more_runs_are_left_out_than_a_tenth(runs: int, left: int) -> None:
    features = np.random.default_rng(0).normal(size=(60 * runs, 3)).astype(np.float32)
    splits = np.array([f"r{row // 60}" for row in range(len(features))], object)
    groups = np.full(len(features), "a", object)
    kept = healthy.trim(features, groups, splits, 0.05)
    assert len(set(splits[kept])) == left
    assert len(kept) == pytest.approx(0.95 * 60 * left, rel=0.01)


def test_a_name_of_a_megabyte_costs_a_megabyte(table: Table) -> None:
    long = "x" * 1_000_000
    groups, splits = table.groups.copy(), table.splits.copy() if table.splits is not None else None
    assert splits is not None
    groups[5] = splits[5] = long
    named = replace(table, groups=groups, splits=splits)
    tracemalloc.start()
    try:
        model = RunModel(arms=QUICK).fit(named, ASK)
        scored = model.score(named)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(scored.scores).all()
    assert peak < 64 * len(long)


def test_the_largest_model_of_all_arms_can_be_read_back() -> None:
    widest = tables.MAX_COLUMNS + 1  # features: of points in time there is one difference more
    one_form, forms = widest**2, 2 * quadratic.MAX_NUMBERS
    layers = 2 * 5 * 2 * deep.HIDDEN * (2 * widest + deep.MAX_GROUPS + widest // 2)
    trees = 100 * 511 * 6
    numbers = 2 * grouping.MAX_NUMBERS + one_form + forms + layers + trees + 4 * MAX_LEARNED
    assert 4 * numbers < 0.95 * artifact.MAX_FILE_BYTES


def test_of_too_many_groups_the_largest_have_a_scale_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grouping, "MAX_NUMBERS", 4)
    groups = np.array(["a"] * 30 + ["b"] * 50 + ["c"] * 40, object)
    scaling = GroupScaling.learn(np.zeros((120, 2), np.float32), groups)
    assert scaling.names == ("b", "c")


def test_scaling_is_by_group_and_robust() -> None:
    values = np.array([[1.0], [2.0], [3.0], [1e6]] * 10 + [[101.0], [102.0], [103.0]] * 10)
    groups = np.array(["a"] * 40 + ["b"] * 30, object)
    scaling = GroupScaling.learn(values.astype(np.float32), groups)
    codes = scaling.codes(np.array(["a", "b", "c"], object))
    assert codes.tolist() == [0, 1, -1]
    scaled = scaling.apply(np.array([[2.5], [102.0], [np.nan]], np.float32), codes)
    assert scaled[:2, 0].tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert np.isnan(scaled[2, 0])
    assert scaling.apply(np.array([[1e30]], np.float32), codes[1:2])[0, 0] == LARGEST


def test_p_values_hold_among_what_is_exchangeable() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 4000)
    scores = rng.normal(size=4000) + 5 * codes
    calibration = Calibration.learn(scores[:2000], codes[:2000])
    p_values = calibration.p_values(scores[2000:], codes[2000:])
    for code in (0, 1):
        share = float(np.mean(p_values[codes[2000:] == code] <= 0.05))
        assert 0.02 < share < 0.08


# ---- files -------------------------------------------------------------------------------------


def test_saved_and_loaded_it_scores_the_same(table: Table, tmp_path: Path) -> None:
    model = RunModel().fit(table, ASK)
    model.save(tmp_path / "model")
    again = RunModel.load(tmp_path / "model")
    assert again.get_params() == model.get_params()
    assert again.ask_ == ASK
    one, other = model.score(table), again.score(table)
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.p_values, other.p_values)
    assert one.oddest.tolist() == other.oddest.tolist()


def test_an_unfitted_model_says_so(table: Table, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        RunModel().score_samples(table)
    with pytest.raises(ValueError, match="not fitted"):
        RunModel().save(tmp_path)


def _other_format(manifest: dict[str, object]) -> None:
    manifest["version"] = 99


def _other_kind(manifest: dict[str, object]) -> None:
    manifest["jobmend_model"] = "traces"


@pytest.mark.parametrize("change", [_other_format, _other_kind])
def test_a_model_of_another_format_is_refused(
    change: Callable[[dict[str, object]], None], table: Table, tmp_path: Path
) -> None:
    RunModel(arms=QUICK).fit(table, ASK).save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    change(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="train it anew"):
        RunModel.load(tmp_path)


def test_a_damaged_model_is_refused(table: Table, tmp_path: Path) -> None:
    RunModel(arms=QUICK).fit(table, ASK).save(tmp_path)
    (tensors,) = tmp_path.glob("*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(ArtifactError):
        RunModel.load(tmp_path)


def test_a_file_is_scored_row_by_row(
    table: Table, make_columns: MakeColumns, write_table: WriteTable, tmp_path: Path
) -> None:
    model = RunModel(arms=QUICK).fit(table, ASK)
    columns = make_columns(seed=5)
    del columns["fault"], columns["flow"], columns["waited"]
    columns["extra"] = [1] * 600
    out = tmp_path / "scores.parquet"
    summary = score_file(model, write_table(columns, "other.parquet"), out)
    scores = pq.read_table(out)
    assert summary.rows == scores.num_rows == 600
    assert summary.absent == ("waited",)
    assert summary.ignored["extra"] == "not in the model"
    assert scores.schema.names == ["row", "group", "score", "p_value", "group_known", "oddest"]
    assert scores["row"].to_pylist() == list(range(600))
    assert scores["group_known"].to_pylist() == [True] * 600


def test_a_file_of_another_kind_is_refused_and_the_old_scores_stay(
    table: Table, make_columns: MakeColumns, write_table: WriteTable, tmp_path: Path
) -> None:
    model = RunModel(arms=QUICK).fit(table, ASK)
    out = tmp_path / "scores.parquet"
    out.write_bytes(b"old")
    columns = make_columns()
    for wrong, told in (
        ({**columns, "runtime": ["slow"] * 600}, "the model reads numbers"),
        ({"task": columns["task"], "runtime": columns["runtime"]}, "lacks 2 of the 3"),
        ({"runtime": columns["runtime"]}, "no column task"),
    ):
        with pytest.raises(ValueError, match=told):
            score_file(model, write_table(wrong, "wrong.parquet"), out)
        assert out.read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.parquet",
        "wrong.parquet",
        "scores.parquet",
    }
