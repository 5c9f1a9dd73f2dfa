from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, issparse
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from jobmend.classifier.failures.arms.blend import pool_weights
from jobmend.classifier.failures.arms.boosted import BoostedArm
from jobmend.classifier.failures.arms.forest import ForestArm, GradientBoostingArm
from jobmend.classifier.failures.arms.labelled import FLOOR, floored
from jobmend.classifier.failures.arms.linear import LogisticArm, SvmArm
from jobmend.classifier.failures.arms.network import NetworkArm
from jobmend.classifier.failures.arms.table import COMPACT, EMBEDDED, Table, dense
from jobmend.classifier.failures.arms.trees import Growth
from jobmend.classifier.failures.resampling import Resampling
from jobmend.classifier.failures.synthetic.tasks import generate

TASKS = generate(300, seed=9).history.tasks
LABELS = [task.decision.action for task in TASKS if task.decision]
NUMBERS = np.unique(LABELS, return_inverse=True)[1]


def test_columns_of_few_tasks_are_left_out() -> None:
    table = Table.learn(TASKS, blocks=("codes",), fewest=5)
    rows = table.rows(TASKS)
    assert (rows > 0).sum(axis=0).min() >= 5
    codes = table.vocabulary.blocks["codes"]
    assert table.columns.min() >= codes.start
    assert table.columns.max() < codes.stop


def test_robust_scaling_keeps_zeros_and_divides_by_the_quartiles() -> None:
    plain = dense(Table.learn(TASKS, blocks=COMPACT).rows(TASKS))
    table = Table.learn(TASKS, blocks=COMPACT, scaling="robust")
    scaled = table.rows(TASKS)
    assert issparse(scaled)
    spread = np.subtract(*np.percentile(plain, [75, 25], axis=0))
    expected = plain / np.where(spread > 0, spread, 1)
    assert dense(scaled) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_array_equal(dense(scaled) == 0, plain == 0)


def test_logarithms_of_counts() -> None:
    plain = Table.learn(TASKS, blocks=("codes",)).rows(TASKS)
    logs = Table.learn(TASKS, blocks=("codes",), counts="log").rows(TASKS)
    assert dense(logs) == pytest.approx(np.log1p(dense(plain)), rel=1e-5)


@pytest.mark.parametrize("resampling", ["borderline", "svm-smote"])
@pytest.mark.parametrize("arm", [LogisticArm, BoostedArm, ForestArm])
def test_the_embedding_is_narrow(arm: type, resampling: Resampling) -> None:
    fitted = arm(resampling=resampling).fit(TASKS, LABELS)
    assert fitted.table_.width == EMBEDDED
    assert fitted.table_.rows(TASKS[:2]).shape == (2, EMBEDDED)
    again = arm.restore(fitted.get_params(), fitted.files())  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.predict_proba(TASKS), fitted.predict_proba(TASKS))


@pytest.mark.parametrize("words", [2, 3])
def test_logistic_says_what_scikit_learn_says(words: int) -> None:
    labels = LABELS if words == 3 else [label.replace("special", "clone") for label in LABELS]
    arm = LogisticArm().fit(TASKS, labels)
    rows = arm.table_.rows(TASKS).astype(np.float64)
    theirs = LogisticRegression(C=arm.strength, max_iter=arm.iterations).fit(rows, labels)
    assert arm.predict_proba(TASKS) == pytest.approx(floored(theirs.predict_proba(rows)), abs=1e-9)


def test_svm_ranks_as_scikit_learn_does() -> None:
    labels = [label == "acdc" for label in LABELS]
    arm = SvmArm().fit(TASKS, ["acdc" if label else "other" for label in labels])
    rows = arm.table_.rows(TASKS)
    machine = LinearSVC(C=arm.strength, max_iter=arm.iterations, random_state=0)
    margins = machine.fit(rows, labels).decision_function(rows)
    slope, offsets = 2 * arm.slope_, arm.offsets_
    expected = expit(slope * margins + offsets[0] - offsets[1])
    assert arm.predict_proba(TASKS)[:, 0] == pytest.approx(expected, abs=1e-5)


def test_gradient_boosting_is_for_the_compact_blocks() -> None:
    with pytest.raises(ValueError, match="dense"):
        GradientBoostingArm(blocks=("cells",))


def test_sparse_and_dense_rows_are_one_to_the_trees() -> None:
    growth, rows = Growth(3, rounds=10), Table.learn(TASKS).rows(TASKS)
    sparse, full = (growth.grow(form, NUMBERS)[0] for form in (rows, dense(rows)))
    assert growth.say(sparse, rows) == pytest.approx(growth.say(full, dense(rows)), abs=1e-6)
    assert growth.say(sparse, dense(rows)) == pytest.approx(growth.say(sparse, rows), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_contributions_add_up_to_what_is_said(classes: int) -> None:
    labels = LABELS if classes == 3 else ["acdc" if n == 0 else "other" for n in NUMBERS]
    arm = BoostedArm(rounds=10).fit(TASKS, labels)
    found = arm.contributions(TASKS[:20])
    assert found.values.shape == (20, classes, len(found.columns) + 1)
    odds = np.exp(found.values.sum(axis=2, dtype=np.float64) / (2 if classes == 2 else 1))
    said = floored(odds / odds.sum(axis=1, keepdims=True))
    assert arm.predict_proba(TASKS[:20]) == pytest.approx(said, abs=1e-4)


@pytest.mark.parametrize("copies", [1, 3])
def test_progress_rises_to_its_end(copies: int) -> None:
    heard: list[tuple[int, int]] = []
    rows = Table.learn(TASKS).rows(TASKS)
    growth = Growth(3, rounds=30, learning_rate=0.5, patience=5)
    boosters = growth.grow(rows, NUMBERS, lambda done, total: heard.append((done, total)), copies)
    done, totals = zip(*heard, strict=True)
    assert len(boosters) == copies
    assert boosters[0].num_boosted_rounds() < 30
    assert list(done) == sorted(done)
    assert set(totals) == {30 * (copies + 1)}
    assert done[-1] == totals[-1]


def test_without_patience_all_rounds_are_grown() -> None:
    rows = Table.learn(TASKS).rows(TASKS)
    booster = Growth(3, rounds=7, patience=0).grow(rows, NUMBERS)[0]
    assert booster.num_boosted_rounds() == 7


def test_the_network_stops_early_and_leaves_the_generator_alone() -> None:
    import torch

    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    NetworkArm(epochs=3).fit(TASKS, LABELS)
    assert torch.rand(1) == expected


@given(
    rows=st.lists(
        st.lists(st.floats(0, 1, allow_subnormal=False), min_size=3, max_size=3).filter(
            lambda row: sum(row) > 1e-3
        ),
        min_size=1,
        max_size=5,
    )
)
def test_floored_rows_sum_to_one(rows: list[list[float]]) -> None:
    said = floored(np.array(rows))
    assert said.sum(axis=1) == pytest.approx(1)
    assert said.min() >= FLOOR
    np.testing.assert_array_equal(said.argmax(axis=1), np.argmax(rows, axis=1))


def test_a_pool_gives_the_better_member_more() -> None:
    rng = np.random.default_rng(1)
    good, bad = rng.uniform(0.6, 0.9, 500), rng.uniform(0.1, 0.5, 500)
    weights = pool_weights(np.column_stack([bad, good]))
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 0.95
    assert isinstance(csr_matrix(weights), csr_matrix)
