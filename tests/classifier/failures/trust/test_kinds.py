from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobmend.classifier.failures.arms.latent import Tally
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.classifier.failures.trust.kinds import Kinds
from jobmend.classifier.failures.trust.profiles import BINS, FACTORS, Reader
from jobmend.classifier.failures.trust.surprise import Surprise
from jobmend.jobs.identity import SiteStatus


def three_kinds(n: int, seed: int) -> tuple[Tally, np.ndarray, np.ndarray]:
    """Tasks of three kinds with two codes each; the fact is the kind, nearly always."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)
    shape = np.full((3, 6), 0.01)
    for k in range(3):
        shape[k, 2 * k : 2 * k + 2] = 2.0
    counts = [rng.multinomial(30, rng.dirichlet(shape[k])) for k in kind]
    places = np.where(rng.random(n) < 0.95, kind, rng.integers(3, size=n))[:, None]
    return Tally.of(csr_matrix(np.array(counts, dtype=float))), places, kind


def test_kinds_are_found_again() -> None:
    tally, places, kind = three_kinds(600, 0)
    kinds = Kinds.learn(tally, places, codes=6, bins=3)
    likeliest = kinds.likelihood(tally, places).likeliest
    for found in np.unique(likeliest):
        assert (
            np.mean(kind[likeliest == found] == np.bincount(kind[likeliest == found]).argmax())
            > 0.95
        )


def test_facts_at_odds_with_the_codes_lower_the_likelihood() -> None:
    tally, places, _ = three_kinds(600, 0)
    kinds = Kinds.learn(tally, places, codes=6, bins=3)
    as_usual = kinds.likelihood(tally, places)
    at_odds = kinds.likelihood(tally, (places + 1) % 3)
    np.testing.assert_allclose(at_odds.codes, as_usual.codes)
    assert at_odds.both.mean() < as_usual.both.mean() - 1


def test_what_all_kinds_have_is_shared() -> None:
    shape = np.array([[2.0, 0.01, 0.5], [0.01, 2.0, 0.5], [0.01, 0.01, 0.7]])
    kinds = Kinds(np.log([0.4, 0.4, 0.2]), shape, np.zeros((3, 1, 1)))
    assert kinds.shared(0.25).tolist() == [0.01, 0.01, 0.5]
    assert kinds.shared(1.0).tolist() == [2.0, 2.0, 0.7]


def test_arrays_of_another_mixture_are_refused() -> None:
    tally, places, _ = three_kinds(50, 0)
    arrays = Kinds.learn(tally, places, codes=6, bins=3).arrays()
    assert Kinds.restore(arrays, 6, 1, 3).shape.shape[1] == 6
    for change in ({"shape": arrays["shape"][:, 1:]}, {"shape": -arrays["shape"]}):
        with pytest.raises(ValueError, match="another mixture"):
            Kinds.restore({**arrays, **change}, 6, 1, 3)


def test_rows_of_equal_tasks_are_equal_and_of_others_far() -> None:
    def task(code: str, n: int) -> FailedTask:
        return FailedTask("/wf/task", {Cell(code, "a", SiteStatus.GOOD): n})

    tasks = [task("1", 5), task("1", 5), task("2", 5)]
    rows = Reader.learn([*tasks, *tasks]).read(tasks).rows
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.linalg.norm(rows[0] - rows[2]) == pytest.approx(np.sqrt(2))


def test_profiles_count_codes_over_sites_and_statuses() -> None:
    cells = {
        Cell("1", "a", SiteStatus.GOOD): 2,
        Cell("1", "b", SiteStatus.BAD): 3,
        Cell("new", "b", SiteStatus.BAD): 4,
    }
    tasks = [FailedTask("/wf/task", {cell: n for cell, n in cells.items() if cell.code == "1"})] * 2
    profiles = Reader.learn(tasks).read([FailedTask("/wf/task", cells)])
    assert profiles.counts.toarray().tolist() == [[5.0, 4.0]]
    told = dict(zip(FACTORS, profiles.facts[0].tolist(), strict=True))
    assert told["sites"] == 2
    assert told["failed_at_bad_status_share"] == pytest.approx(7 / 9)
    assert ((profiles.places >= 0) & (profiles.places < BINS)).all()


def test_each_surprise_is_higher_for_what_it_is_about() -> None:
    tasks = generate(500, 5, only_causes=["memory", "stage-out"]).history.tasks
    surprise = Surprise.learn(tasks)
    usual = np.median(surprise.scores(surprise.reader.read(tasks)), axis=0)
    good = SiteStatus.GOOD
    strange = [
        FailedTask("/wf/mixed", {Cell("50660", "a", good): 50, Cell("60311", "b", good): 50}),
        FailedTask("/wf/unknown", {Cell("4711", "a", good): 50}),
    ]
    unlike, _, excess, far = surprise.scores(surprise.reader.read(strange)).T
    assert (unlike > usual[0]).all()
    assert (excess > usual[2]).all()
    assert (far > usual[3]).all()
