"""What the costs and the novelty make of probabilities, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jobmend.classifier.failures.evaluation.scores import Floats, Said
from jobmend.classifier.failures.reporting.trust import Trust, outcome_of, trust_section
from jobmend.classifier.failures.trust.abstention import Costs
from jobmend.classifier.failures.trust.calibration import Calibration
from jobmend.classifier.failures.trust.conformal import ConformalSets

CLASSES = ("acdc", "clone")
SAID = Said(np.array([0, 0, 0]), np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))
COSTS = Costs(asking=0.35, wrong=1.0)


def trust(novelty: Floats | None = None, costs: Costs = COSTS) -> Trust:
    return Trust(Calibration(), ConformalSets(0.1, (0.3, 0.3)), costs, 0.05, novelty)


def test_what_is_unsure_is_asked_and_what_is_wrong_costs() -> None:
    outcome = outcome_of(SAID, CLASSES, trust())
    assert outcome.abstained == pytest.approx(1 / 3)
    assert outcome.precision == pytest.approx(1 / 2)
    assert outcome.expected_cost == pytest.approx((0.0 + 0.35 + 1.5) / 3)
    assert outcome.novel is None


def test_what_is_novel_is_asked_however_sure_the_model_is() -> None:
    outcome = outcome_of(SAID, CLASSES, trust(np.array([1.0, 1.0, 0.05])))
    assert outcome.abstained == pytest.approx(2 / 3)
    assert outcome.novel == pytest.approx(1 / 3)
    assert outcome.precision == 1.0


def test_where_all_is_asked_there_is_no_precision() -> None:
    outcome = outcome_of(SAID, CLASSES, trust(costs=Costs(asking=0.0)))
    assert outcome.abstained == 1.0
    assert math.isnan(outcome.precision)
    section = trust_section(SAID, CLASSES, trust(costs=Costs(asking=0.0)), synthetic=True)
    assert len(section.pictures) == 2


def test_the_sets_are_counted_by_class() -> None:
    section = trust_section(SAID, CLASSES, trust(), synthetic=False)
    (row,) = section.tables[0].rows  # no task was cloned
    assert row[:2] == ["acdc", 3]
    assert row[2] == pytest.approx(2 / 3)  # the third holds clone alone
    assert row[3] == pytest.approx(4 / 3)
