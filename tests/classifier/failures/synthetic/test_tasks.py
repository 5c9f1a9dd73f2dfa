"""The synthetic history: its marginals, its drift, and its posterior against brute force."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from jobmend.classifier.failures.labels import SCHEMES
from jobmend.classifier.failures.synthetic.causes import CAUSES
from jobmend.classifier.failures.synthetic.draws import Observed, draw, status_chance
from jobmend.classifier.failures.synthetic.policy import (
    ACTIONS,
    PARAMETERS,
    POLICY,
    action_table,
    value_table,
)
from jobmend.classifier.failures.synthetic.posterior import cause_posterior, log_likelihood
from jobmend.classifier.failures.synthetic.tasks import (
    EPOCH,
    SyntheticHistory,
    expected_log_loss,
    generate,
)
from jobmend.classifier.failures.synthetic.world import DAYS, Calendar, World, build
from jobmend.jobs.exit_meanings import meaning
from jobmend.jobs.identity import SiteStatus

Floats = NDArray[np.float64]
N = 20_000


@pytest.fixture(scope="module")
def large() -> SyntheticHistory:
    return generate(N, seed=1)


def actions_of(synthetic: SyntheticHistory) -> NDArray[np.intp]:
    tasks = synthetic.history.tasks
    return np.array([synthetic.classes.index(t.decision.action) for t in tasks if t.decision])


def causes_of(synthetic: SyntheticHistory) -> NDArray[np.intp]:
    return np.array([synthetic.causes.index(task.cause) for task in synthetic.history.tasks])


def log_loss(probabilities: Floats, labels: NDArray[np.intp]) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def test_a_seed_gives_the_same_history_and_another_seed_another() -> None:
    first, again, other = generate(40, seed=3), generate(40, seed=3), generate(40, seed=4)
    assert first.history == again.history
    assert np.array_equal(first.posterior, again.posterior)
    assert first.history.tasks != other.history.tasks


def test_it_says_that_it_is_synthetic(large: SyntheticHistory) -> None:
    assert large.history.synthetic
    assert "synthetic" in large.history.origin
    assert all("synthetic" in task.name for task in large.history.tasks[:50])


def test_tasks_are_in_time_order_within_a_year_under_names_of_their_own(
    large: SyntheticHistory,
) -> None:
    times = [task.time for task in large.history.tasks if task.time is not None]
    assert len(times) == N
    assert times == sorted(times)
    assert times[0] >= EPOCH
    assert times[-1] < EPOCH + DAYS * 86_400
    assert len({task.name for task in large.history.tasks}) == N


def test_a_site_has_one_status_in_a_task_and_every_count_is_positive(
    large: SyntheticHistory,
) -> None:
    for task in large.history.tasks[:2000]:
        statuses = {(cell.site, cell.status) for cell in task.cells}
        assert len(statuses) == len({site for site, _ in statuses})
        assert {status for _, status in statuses} <= {SiteStatus.GOOD, SiteStatus.BAD}
        assert min(task.cells.values()) > 0


def test_marginals_are_those_published(large: SyntheticHistory) -> None:
    decisions = [task.decision for task in large.history.tasks if task.decision]

    def shares(scheme: str) -> dict[str, float]:
        counts = Counter(SCHEMES[scheme](decision) for decision in decisions)
        return {word: count / N for word, count in counts.items()}

    assert shares("action") == pytest.approx(
        {"acdc": 0.88, "clone": 0.1, "special": 0.02}, abs=0.01
    )
    assert shares("splitting")["default"] == pytest.approx(0.985, abs=0.005)
    assert shares("memory")["default"] == pytest.approx(0.926, abs=0.01)
    assert shares("data_access")["default"] == pytest.approx(0.72, abs=0.02)


def test_the_table_is_as_sparse_as_published_and_its_counts_have_a_heavy_tail(
    large: SyntheticHistory,
) -> None:
    tasks = large.history.tasks
    codes = {cell.code for task in tasks for cell in task.cells}
    sites = {cell.site for task in tasks for cell in task.cells}
    assert (len(codes), len(sites)) == (54, 142)
    filled = sum(len(task.cells) for task in tasks) / (N * 54 * 142)
    assert 1 - filled == pytest.approx(0.9975, abs=0.001)
    failures = np.array([task.failures for task in tasks])
    assert np.quantile(failures, 0.99) > 15 * np.median(failures)


def test_special_takes_no_parameter_and_only_acdc_a_data_access(large: SyntheticHistory) -> None:
    for task in large.history.tasks:
        decision = task.decision
        assert decision is not None
        assert decision.action == "acdc" or not decision.data_access
        assert decision.action != "special" or not (decision.memory or decision.splitting)


def test_every_posterior_is_a_distribution(large: SyntheticHistory) -> None:
    tables = [large.posterior, large.cause_posterior]
    tables += [posterior.probabilities for posterior in large.parameters.values()]
    for table in tables:
        assert table.min() >= 0
        assert table.sum(axis=1) == pytest.approx(1.0)


def test_the_posterior_of_the_action_is_calibrated(large: SyntheticHistory) -> None:
    actual = np.eye(len(large.classes))[actions_of(large)]
    assert large.posterior.mean(axis=0) == pytest.approx(actual.mean(axis=0), abs=0.005)
    for number in range(len(large.classes)):
        assert calibration_error(large.posterior[:, number], actual[:, number]) < 0.01


def test_the_posterior_of_cause_and_parameters_is_calibrated(large: SyntheticHistory) -> None:
    actual = np.eye(len(large.causes))[causes_of(large)]
    for number in range(len(large.causes)):
        assert calibration_error(large.cause_posterior[:, number], actual[:, number]) < 0.01
    for name, posterior in large.parameters.items():
        words = [SCHEMES[name](task.decision) for task in large.history.tasks if task.decision]
        for number, word in enumerate(posterior.classes):
            hit = np.array([one == word for one in words], dtype=float)
            assert calibration_error(posterior.probabilities[:, number], hit) < 0.01


def calibration_error(probabilities: Floats, actual: Floats) -> float:
    bins = np.minimum((probabilities * 15).astype(int), 14)
    gaps = np.bincount(bins, probabilities - actual, minlength=15)
    return float(np.abs(gaps).sum() / len(actual))


def test_no_change_of_the_posterior_is_better(large: SyntheticHistory) -> None:
    labels, best = actions_of(large), large.posterior
    rng = np.random.default_rng(0)
    least = log_loss(best, labels)
    changed = [best**power for power in (0.7, 1.4)]
    changed += [0.9 * best + 0.1 * best.mean(axis=0)]
    changed += [best * rng.lognormal(0, 0.5, size=best.shape) for _ in range(3)]
    changed += [best[rng.permutation(N)]]
    for table in changed:
        other = table / table.sum(axis=1, keepdims=True)
        assert log_loss(other, labels) > least
        assert expected_log_loss(best, other) > expected_log_loss(best, best)


def test_there_is_much_to_learn_and_some_that_cannot_be(large: SyntheticHistory) -> None:
    labels = actions_of(large)
    majority = np.tile(np.bincount(labels) / N, (N, 1))
    gained = log_loss(large.posterior, labels) / log_loss(majority, labels)
    assert 0.2 < gained < 0.6
    sure = large.cause_posterior.max(axis=1)
    assert 0.005 < np.mean(sure < 0.9) < 0.3


def test_causes_and_sites_drift(large: SyntheticHistory) -> None:
    tasks = large.history.tasks
    quarter = np.arange(N) * 4 // N
    causes = np.zeros((4, len(large.causes)))
    np.add.at(causes, (quarter, causes_of(large)), 1)
    assert chi2_contingency(causes).pvalue < 1e-12
    sites: list[Counter[str]] = [Counter() for _ in range(4)]
    for task, number in zip(tasks, quarter, strict=True):
        sites[number].update({cell.site for cell in task.cells})
    common = [site for site, _ in sites[0].most_common(20)]
    assert chi2_contingency([[count[site] for site in common] for count in sites]).pvalue < 1e-12


def test_sites_are_bad_in_spells(large: SyntheticHistory) -> None:
    site = "T1_XX_Site001"
    week_of = [int(((task.time or 0) - EPOCH) / 86_400 / 7) for task in large.history.tasks]
    seen: defaultdict[int, list[bool]] = defaultdict(list)
    for task, week in zip(large.history.tasks, week_of, strict=True):
        statuses = {cell.status for cell in task.cells if cell.site == site}
        if statuses:
            seen[week].append(SiteStatus.BAD in statuses)
    shares = sorted(float(np.mean(week)) for week in seen.values())
    assert shares[0] < 0.1
    assert shares[-1] > 0.4


def test_causes_left_out_never_come_and_the_rest_scale_up() -> None:
    without = generate(3000, seed=2, without_causes=("memory", "code bug"))
    counts = Counter(task.cause for task in without.history.tasks)
    assert not {"memory", "code bug"} & set(counts)
    assert len(counts) == len(CAUSES) - 2
    column = without.causes.index("memory")
    assert without.cause_posterior[:, column].max() == 0
    only = generate(50, seed=2, only_causes=("memory",))
    assert {task.cause for task in only.history.tasks} == {"memory"}
    assert only.posterior.sum(axis=1) == pytest.approx(1.0)


def test_an_unknown_cause_or_none_left_is_refused() -> None:
    with pytest.raises(ValueError, match="'gremlins'"):
        generate(10, without_causes=("gremlins",))
    with pytest.raises(ValueError, match="no cause is left"):
        generate(10, without_causes=tuple(CAUSES))


def test_no_tasks_is_an_empty_history() -> None:
    empty = generate(0)
    assert list(empty.history.tasks) == []
    assert empty.posterior.shape == (0, len(ACTIONS))


def test_tables_are_complete_and_sum_to_one() -> None:
    assert sum(cause.share for cause in CAUSES.values()) == pytest.approx(1.0)
    assert set(POLICY) == set(CAUSES)
    assert action_table().sum(axis=2) == pytest.approx(1.0)
    for name, by_cause in PARAMETERS.items():
        assert set(by_cause) <= set(CAUSES)
        assert value_table(name).min() >= 0
        assert value_table(name).sum(axis=2) == pytest.approx(1.0)


def test_every_code_is_a_real_one() -> None:
    assert [code for code in build(CAUSES).codes if meaning(code) is None] == []


# Brute force, on a world small enough: three sites, two codes, one cause with a faulty site.


@pytest.fixture(scope="module")
def tiny() -> World:
    outages = np.array([[0.0, 100.0, 200.0]])
    return World(
        causes=("faulty site", "anywhere"),
        codes=("1", "2"),
        sites=("A", "B", "C"),
        shares=np.array([0.4, 0.6]),
        waves=np.array([[0.5, 0.0], [0.0, 0.0]]),
        concentration=np.array([[1.5, 0.5], [0.6, 1.2]]),
        site_counts=np.array([[0.2, 0.5, 0.3], [0.5, 0.3, 0.2]]),
        failures=np.array([[0.0, 0.6], [0.5, 0.5]]),
        pull=np.array([4.0, 0.0]),
        spread=np.array([0.5, 1.0]),
        noticed=np.array([0.8, 0.0]),
        calendar=Calendar(
            activity=np.array([0.0, -0.4, -0.8]), waves=np.zeros((3, 2)), outages=outages
        ),
    )


def test_the_evidence_sums_to_one_over_all_that_could_be_seen(tiny: World) -> None:
    """At sites A and B with two failures beyond the first of each: every table and status."""
    day = np.array([150.0])
    plain = status_chance(tiny, day)[0]
    totals = np.zeros(2)
    for first, bad in itertools.product(range(1, 4), itertools.product((False, True), repeat=2)):
        sites = (first, 4 - first)
        for ones in itertools.product(range(sites[0] + 1), range(sites[1] + 1)):
            seen = Observed(
                days=day,
                codes=np.array([[sum(ones), 4 - sum(ones)]]),
                sites=np.array([[*sites, 0]]),
                bad=np.array([[*bad, False]]),
            )
            ways = math.comb(2, first - 1) * math.prod(map(math.comb, sites, ones))
            status = np.prod(np.where(bad, plain[:2], 1 - plain[:2]))
            totals += ways * status * np.exp(log_likelihood(tiny, seen)[0])
    # What is left is the chance of two sites and of two failures beyond.
    beyond = [tiny_normal(tiny, cause, 3) - tiny_normal(tiny, cause, 2) for cause in range(2)]
    assert totals == pytest.approx(tiny.site_counts[:, 1] * beyond)


def tiny_normal(world: World, cause: int, bound: int) -> float:
    """P(log-normal < bound)."""
    mean, deviation = world.failures[cause]
    return 0.5 * (1 + math.erf((math.log(bound) - mean) / deviation / math.sqrt(2)))


def test_the_posterior_is_the_share_among_tasks_that_look_the_same(tiny: World) -> None:
    causes, seen, _ = draw(np.random.default_rng(5), tiny, 200_000)
    believed = cause_posterior(tiny, seen)[:, 0]
    looks = np.hstack([seen.codes, seen.sites, seen.bad, tiny.calendar.out(seen.days)[:, :1]])
    _, group, size = np.unique(looks, axis=0, return_inverse=True, return_counts=True)
    actual = np.bincount(group, causes == 0) / size
    expected = np.bincount(group, believed) / size
    error = np.sqrt(np.bincount(group, believed * (1 - believed))) / size
    often = size >= 200
    assert often.sum() > 100
    odd = (actual - expected)[often] / error[often]
    assert np.abs(odd).max() < 5
    assert float(np.mean(odd**2)) == pytest.approx(1.0, abs=0.3)


def test_a_wrong_world_shows_in_the_same_comparison(tiny: World) -> None:
    causes, seen, _ = draw(np.random.default_rng(5), tiny, 50_000)
    right = log_loss(cause_posterior(tiny, seen), causes)
    for wrong in (
        replace(tiny, pull=np.array([1.0, 0.0])),
        replace(tiny, noticed=np.array([0.2, 0.0])),
        replace(tiny, concentration=tiny.concentration[::-1]),
        replace(tiny, site_counts=tiny.site_counts[::-1]),
    ):
        assert log_loss(cause_posterior(wrong, seen), causes) > right


def test_drawn_tables_agree_with_their_margins() -> None:
    world = build(CAUSES)
    _, seen, cells = draw(np.random.default_rng(1), world, 300)
    sites = np.zeros_like(seen.sites)
    np.add.at(sites, (cells.tasks, cells.sites), cells.counts)
    assert np.array_equal(sites, seen.sites)
    assert np.array_equal(seen.codes.sum(axis=1), seen.sites.sum(axis=1))
    assert not (seen.bad & (seen.sites == 0)).any()
