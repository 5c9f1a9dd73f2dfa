from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import betabinom

from jobmend.classifier.failures.arms.latent import LatentCauses, Seen, Sizes, Tally
from jobmend.classifier.failures.arms.majority import MajorityArm
from jobmend.classifier.failures.arms.mixture import MixtureArm
from jobmend.classifier.failures.arms.policy import Policy
from jobmend.classifier.failures.evaluation.scores import closeness
from jobmend.classifier.failures.synthetic.tasks import expected_log_loss, generate

RNG = np.random.default_rng(3)


def tally(counts: np.ndarray) -> Tally:
    return Tally.of(csr_matrix(counts, dtype=np.float64))


def test_a_tally_keeps_all_counts() -> None:
    counts = RNG.poisson(0.7, (30, 5))
    shares = tally(counts).shares(5)
    assert shares * np.maximum(counts.sum(axis=1), 1)[:, None] == pytest.approx(counts)


def test_the_likelihood_is_that_of_the_dirichlet_multinomial() -> None:
    counts = np.array([[3, 4], [0, 7], [7, 0]])
    shape = np.array([[0.5, 2.0], [3.0, 1.0]])
    ours = tally(counts).log_likelihood(shape)
    theirs = np.array([[betabinom.logpmf(k, 7, *row) for row in shape] for k, _ in counts])
    # What the causes share, the number of orders, is left out.
    assert ours[:, 0] - ours[:, 1] == pytest.approx(theirs[:, 0] - theirs[:, 1])


def test_minkas_steps_find_the_dirichlet() -> None:
    truth = np.array([0.4, 1.5, 4.0])
    counts = np.array([RNG.multinomial(40, mixture) for mixture in RNG.dirichlet(truth, 3000)])
    seen, shape = tally(counts), np.ones((1, 3))
    for _ in range(60):
        shape = seen.improved(shape, np.ones((3000, 1)))
    assert shape[0] == pytest.approx(truth, rel=0.1)


def causes_history(tasks: int) -> tuple[Seen, np.ndarray]:
    """Two causes that differ in codes and in the site; the answers follow a third thing."""
    causes = RNG.integers(0, 2, tasks)
    profiles = np.array([[6.0, 1.0, 1.0], [1.0, 6.0, 1.0]])[causes]
    counts = np.array([RNG.multinomial(12, RNG.dirichlet(row)) for row in profiles])
    sites = np.eye(2)[np.where(RNG.random(tasks) < 0.9, causes, 1 - causes)]
    statuses = np.tile([1.0, 0.0, 0.0], (tasks, 1))
    bins = RNG.integers(0, 3, (tasks, 1))
    return Seen(tally(counts), tally(statuses), csr_matrix(sites), bins), causes


def test_latent_causes_are_found_without_being_told() -> None:
    seen, causes = causes_history(800)
    answers = RNG.integers(0, 2, 800)
    found = LatentCauses.learn(seen, answers, 2, Sizes(3, 3, 2, 1, 3))
    belongs = found.probabilities(seen).argmax(axis=1)
    agreement = np.mean(belongs == causes)
    assert max(agreement, 1 - agreement) > 0.93
    assert np.abs(found.bins).max() < 0.1  # the factor says nothing about the cause
    assert np.abs(found.sites).max() > 0.5
    again = LatentCauses.restore(found.arrays(), Sizes(3, 3, 2, 1, 3))
    np.testing.assert_array_equal(again.log_joint(seen), found.log_joint(seen))
    with pytest.raises(ValueError, match="codes of another"):
        LatentCauses.restore(found.arrays(), Sizes(4, 3, 2, 1, 3))


def test_a_policy_finds_the_question_that_matters() -> None:
    causes = np.eye(2)[RNG.integers(0, 2, 3000)]
    facts = RNG.uniform(0, 10, (3000, 4)).astype(np.float32)
    many = facts[:, 2] > 7
    chance = np.where(causes[:, 1] * many > 0, 0.9, 0.05)
    answers = (RNG.random(3000) < chance).astype(np.intp)
    policy = Policy.learn(causes, facts, answers, 2)
    assert policy.questions[:, 0].tolist() == [2.0]
    assert policy.questions[0, 1] == pytest.approx(7, abs=0.4)
    said = policy.say(causes, facts)
    assert said.sum(axis=1) == pytest.approx(1)
    assert said[(causes[:, 1] > 0) & (facts[:, 2] > 7.5), 1] == pytest.approx(0.9, abs=0.07)
    assert said[causes[:, 0] > 0, 1] == pytest.approx(0.05, abs=0.05)


def test_a_policy_asks_nothing_where_nothing_matters() -> None:
    causes = np.eye(3)[RNG.integers(0, 3, 1000)]
    facts = RNG.uniform(0, 1, (1000, 5)).astype(np.float32)
    policy = Policy.learn(causes, facts, RNG.integers(0, 2, 1000), 2)
    assert policy.shares.shape == (3, 1, 2)


def test_it_comes_near_the_best_possible_on_synthetic_history() -> None:
    history = generate(2500, seed=21)
    tasks, posterior = history.history.tasks, history.posterior[2000:]
    labels = [task.decision.action for task in tasks if task.decision]
    arms = (MixtureArm(), MajorityArm())
    losses = [
        expected_log_loss(
            posterior, arm.fit(tasks[:2000], labels[:2000]).predict_proba(tasks[2000:])
        )
        for arm in arms
    ]
    best = expected_log_loss(posterior, posterior)
    assert closeness(losses[0], losses[1], best) > 0.85
