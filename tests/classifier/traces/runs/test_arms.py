"""Every arm obeys one contract."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as Peer

from jobmend.classifier.traces.runs.arms import deep, forest, kinds
from jobmend.classifier.traces.runs.arms.arm import Arm, Codes, Floats
from jobmend.classifier.traces.runs.arms.quadratic import Quadratic

FEATURES = 6


def rows_of(count: int, seed: int) -> tuple[Floats, Codes]:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count, 2))
    values = base @ rng.normal(size=(2, FEATURES)) + 0.1 * rng.normal(size=(count, FEATURES))
    values[rng.random(values.shape) < 0.05] = np.nan
    return values.astype(np.float32), rng.integers(0, 3, count)


@pytest.fixture(scope="module", params=kinds.MAKERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(name: str) -> Arm:
    return kinds.make(name, 0).fit(*rows_of(900, 0))


def test_what_is_far_off_scores_higher(fitted: Arm) -> None:
    values, codes = rows_of(200, 0)
    usual = fitted.score_samples(values, codes)
    odd = values.copy()
    odd[:, 2] = np.where(np.isnan(odd[:, 2]), 0, odd[:, 2]) + 30
    assert np.median(fitted.score_samples(odd, codes)) > np.quantile(usual, 0.7)
    assert (usual >= 0).all()
    assert np.isfinite(usual).all()


def test_kept_and_read_it_scores_the_same(name: str, fitted: Arm) -> None:
    params = json.loads(json.dumps(fitted.get_params()))
    tensors = {key: np.array(one) for key, one in fitted.tensors().items()}
    again = kinds.read(name, params, tensors)
    values, codes = rows_of(50, 1)
    assert np.array_equal(fitted.score_samples(values, codes), again.score_samples(values, codes))
    assert np.array_equal(fitted.embed(values, codes), again.embed(values, codes))


def test_the_same_seed_gives_the_same(name: str, fitted: Arm) -> None:
    values, codes = rows_of(50, 1)
    again = kinds.make(name, 0).fit(*rows_of(900, 0))
    assert np.array_equal(fitted.score_samples(values, codes), again.score_samples(values, codes))


def test_nothing_measured_wild_numbers_and_unseen_groups_have_scores(fitted: Arm) -> None:
    values = np.full((4, FEATURES), np.nan, np.float32)
    values[1] = 200.0
    values[2] = -200.0
    scores = fitted.score_samples(values, np.array([0, 1, -1, 99]))
    assert np.isfinite(scores).all()
    assert scores[1] > scores[0]
    assert fitted.score_samples(values[:0], np.zeros(0, np.int64)).shape == (0,)
    assert len(fitted.embed(values, np.array([0, 1, -1, 99]))) == 4


@pytest.mark.parametrize("name", ["autoencoder", "variational"])
def test_a_rarely_measured_feature_is_not_odd_by_itself(name: str) -> None:
    values, codes = rows_of(300, 0)
    values[:, 5] = np.nan
    values[:3, 5] = [0.1, -0.2, 0.3]  # of which hardly any is held out
    arm = kinds.make(name, 0).fit(values, codes)
    assert isinstance(arm, deep.DeepEncoder)
    assert arm.variance_[:, 5].min() > 0.2
    often, codes = rows_of(300, 0)
    seldom = often.copy()
    seldom[:, 5] = np.nan
    ratio = arm.score_samples(often, codes) / arm.score_samples(seldom, codes)
    assert np.median(ratio) < 3


def test_other_features_are_refused(fitted: Arm) -> None:
    with pytest.raises(ValueError, match="features"):
        fitted.score_samples(np.zeros((3, FEATURES + 1), np.float32), np.zeros(3, np.int64))


def test_one_row_is_enough_to_be_defined(name: str) -> None:
    values, codes = rows_of(2, 0)
    arm = kinds.make(name, 0).fit(values, codes)
    assert np.isfinite(arm.score_samples(values, codes)).all()


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="there are robust"):
        kinds.make("nothing", 0)


def test_the_forest_is_that_of_scikit_learn() -> None:
    values, codes = rows_of(500, 0)
    ours = forest.IsolationForest(seed=3).fit(values, codes).score_samples(values, codes)
    filled = np.nan_to_num(values)
    peer = Peer(n_estimators=100, random_state=3).fit(filled)
    assert np.abs(ours + peer.score_samples(filled)).max() < 1e-5


@pytest.mark.parametrize("change", ["circle", "feature", "shape", "lost"])
def test_a_damaged_forest_is_refused(change: str) -> None:
    arm = forest.IsolationForest(trees=3).fit(*rows_of(100, 0))
    tensors = {key: np.array(one) for key, one in arm.tensors().items()}
    if change == "circle":
        tensors["left"][0, 0] = 0
    elif change == "feature":
        tensors["feature"][0, 0] = FEATURES
    elif change == "shape":
        tensors["right"] = tensors["right"][:, :2]
    else:
        tensors["right"][0, 0] = 100_000
    with pytest.raises(ValueError, match="tree"):
        forest.IsolationForest.from_tensors(arm.get_params(), tensors)


def test_a_group_of_its_own_kind_has_its_own_form() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(300, 1)), rng.normal(size=(300, 1))
    values = np.concatenate([np.hstack([one, one]), np.hstack([other, -other])])
    codes = np.repeat([0, 1], 300)
    across = np.array([[2.0, -2.0]], np.float32)
    own = Quadratic().fit(values.astype(np.float32), codes)
    assert (
        own.score_samples(across, np.array([0]))[0]
        > 5 * own.score_samples(across, np.array([1]))[0]
    )
    shared = Quadratic(by_group=False).fit(values.astype(np.float32), codes)
    assert len(shared.codes_) == 0


def test_numpy_runs_what_torch_learned() -> None:
    import torch

    from jobmend.classifier.traces.runs.arms import training

    values, codes = rows_of(64, 0)
    arm = deep.DeepEncoder(variational=True, epochs=2).fit(values, codes)
    inputs, mask = arm._inputs(values, codes)
    layers = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in arm.layers_]
    with torch.no_grad():
        output, place, spread = training._forward(
            arm, layers, torch.from_numpy(inputs), sampled=False
        )
        errors = (output - torch.from_numpy(inputs[:, :FEATURES])) ** 2 * torch.from_numpy(mask)
        scores = (errors / torch.from_numpy(arm.variance_)[:, None, :]).sum(dim=2)
        scores = scores + (place**2 + spread.exp() - 1 - spread).sum(dim=2)
    assert np.abs(arm.score_samples(values, codes) / scores.mean(dim=0).numpy() - 1).max() < 1e-4
