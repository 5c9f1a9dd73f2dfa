"""The synthetic records: the same seed gives the same, shares are those it says."""

from __future__ import annotations

from collections import Counter

import pytest

from jobmend.classifier.advice import CAUSES
from jobmend.classifier.failures.synthetic.record_causes import CAUSE_SHARES, FAILING, SYMPTOMS
from jobmend.classifier.failures.synthetic.record_policy import HABIT, POLICY
from jobmend.classifier.failures.synthetic.records import LabelledWorkflow, generate
from jobmend.jobs.actions import ActionKind


def test_a_seed_gives_the_same_history_and_another_seed_another() -> None:
    assert generate(50, seed=3) == generate(50, seed=3)
    assert generate(50, seed=3) != generate(50, seed=4)
    assert generate(20, seed=3) == generate(50, seed=3)[:20]


def test_causes_come_in_the_shares_of_the_table(history: list[LabelledWorkflow]) -> None:
    counts = Counter(example.cause for example in history)
    for cause, share in CAUSE_SHARES.items():
        assert counts[cause] / len(history) == pytest.approx(share, abs=0.04)


def test_actions_overlap_and_recover_leads(history: list[LabelledWorkflow]) -> None:
    counts = Counter(example.action for example in history)
    assert 0.55 < counts[ActionKind.RECOVER] / len(history) < 0.8
    assert set(counts) == {
        ActionKind.RECOVER,
        ActionKind.CLONE,
        ActionKind.KILL,
        ActionKind.HOLD,
        ActionKind.WAIT,
    }
    transient = {example.action for example in history if example.cause == "transient"}
    assert {ActionKind.RECOVER, ActionKind.HOLD} <= transient


def test_every_workflow_is_in_trouble(history: list[LabelledWorkflow]) -> None:
    for example in history:
        warned = any(run.warnings for run in example.record.running)
        assert example.record.failed or warned


def test_tables_are_complete_and_sum_to_one() -> None:
    assert sum(CAUSE_SHARES.values()) == pytest.approx(1.0)
    assert sum(HABIT.values()) == pytest.approx(1.0)
    assert set(CAUSE_SHARES) == set(SYMPTOMS) == set(FAILING) <= set(POLICY)
    assert set(CAUSE_SHARES) <= set(CAUSES)
    for row in POLICY.values():
        assert sum(row.values()) == pytest.approx(1.0)
