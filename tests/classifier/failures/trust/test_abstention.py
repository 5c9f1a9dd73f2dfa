from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.classifier.failures.prediction import ABSTAIN
from jobmend.classifier.failures.trust.abstention import Costs, abstentions, choose

CLASSES = ("acdc", "clone", "kill")


def test_the_likeliest_action_is_advised_where_it_is_sure() -> None:
    sure = choose(np.array([[0.9, 0.08, 0.02]]), CLASSES, Costs())[0]
    assert (sure.action, sure.reason) == ("acdc", "")
    assert sure.cost == pytest.approx(0.1)


def test_a_person_is_asked_where_every_action_costs_more() -> None:
    doubt = choose(np.array([[0.55, 0.43, 0.02]]), CLASSES, Costs())[0]
    assert (doubt.action, doubt.cheapest, doubt.cost) == (ABSTAIN, "acdc", 0.35)
    assert doubt.reason == "acdc has 55%, its expected cost is 0.45; asking costs 0.35"


def test_a_wrong_kill_is_not_a_useless_retry() -> None:
    p = np.array([[0.25, 0.0, 0.75]])
    assert choose(p, CLASSES, Costs(wrong_action={}))[0].action == "kill"
    assert choose(p, CLASSES, Costs())[0].action == ABSTAIN
    assert choose(p, CLASSES, Costs(asking=9.0, wrong_action={"kill": 4.0}))[0].action == "acdc"


def test_what_was_right_can_matter_too() -> None:
    costs = Costs(wrong_action={}, instead={"clone": {"acdc": 0.1}})
    np.testing.assert_array_equal(costs.matrix(CLASSES), [[0, 1, 1], [0.1, 0, 1], [1, 1, 0]])
    assert choose(np.array([[0.4, 0.6, 0.0]]), CLASSES, costs)[0].action == "acdc"


def test_what_is_novel_is_asked_about_however_sure_the_model() -> None:
    p = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    choices = choose(p, CLASSES, Costs(), np.array([True, False]))
    assert abstentions(choices).tolist() == [True, False]
    assert choices[0].reason == "nothing like it was seen in training"


def test_few_tasks_are_asked_about_where_the_model_is_as_sure_as_the_common_action() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet((8.8, 1.0, 0.2), size=5000)
    p = np.where(rng.random((5000, 1)) < 0.7, [[0.97, 0.02, 0.01]], p)
    assert abstentions(choose(p, ("acdc", "clone", "special"), Costs())).mean() < 0.05


def test_a_name_with_control_characters_is_not_told_as_it_is() -> None:
    doubt = choose(np.array([[0.5, 0.5]]), ("\x1b[31mred", "b"), Costs())[0]
    assert "\x1b" not in doubt.reason


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda row: sum(row) > 0),
    st.floats(0, 2),
    st.dictionaries(st.sampled_from(CLASSES), st.floats(0, 10)),
)
def test_nothing_cheaper_was_possible(
    row: list[float], asking: float, of: dict[str, float]
) -> None:
    p = np.array([row]) / sum(row)
    costs = Costs(asking=asking, wrong_action=of)
    choice = choose(p, CLASSES, costs)[0]
    possible = [*(p @ costs.matrix(CLASSES))[0].tolist(), asking]
    assert choice.cost == pytest.approx(min(possible))


def test_no_tasks_no_choices() -> None:
    assert choose(np.empty((0, 3)), CLASSES, Costs()) == []
    assert abstentions([]).tolist() == []


def test_costs_are_kept_as_json() -> None:
    costs = Costs(0.2, 2.0, {"clone": 3.0}, {"acdc": {"kill": 9.0}})
    assert Costs.from_dict(json.loads(json.dumps(costs.to_dict()))) == costs
    assert Costs.from_dict({}) == Costs()


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"askin": 1.0}, "askin"),
        ({"asking": -1.0}, "asking"),
        ({"asking": float("nan")}, "asking"),
        ({"wrong": "much"}, "wrong"),
        ({"wrong": True}, "wrong"),
        ({"wrong_action": 3}, "wrong_action"),
        ({"wrong_action": {"kill": None}}, "kill"),
        ({"instead": {"acdc": 3}}, "instead"),
        ({"instead": {"acdc": {"kill": -1}}}, "instead.acdc.kill"),
    ],
)
def test_what_is_no_cost_is_named(document: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Costs.from_dict(document)
