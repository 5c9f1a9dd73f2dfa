from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.classifier.failures.trust.novelty import ARRAYS, LEVEL, VOCABULARY, Novelty, within
from jobmend.jobs.identity import SiteStatus

LEFT_OUT = "code bug"


def task(*cells: tuple[str, str, int], status: SiteStatus = SiteStatus.GOOD) -> FailedTask:
    return FailedTask("/wf/task", {Cell(code, site, status): n for code, site, n in cells})


@pytest.fixture(scope="module")
def known() -> Sequence[FailedTask]:
    """Synthetic."""
    return generate(900, 3, without_causes=[LEFT_OUT]).history.tasks


@pytest.fixture(scope="module")
def novelty(known: Sequence[FailedTask]) -> Novelty:
    return Novelty.fit(known[:600])


def test_the_newest_known_tasks_are_seldom_called_novel(
    known: Sequence[FailedTask], novelty: Novelty
) -> None:
    assert np.mean(novelty.p_values(known[600:]) <= LEVEL) < 0.1


def test_p_values_of_known_tasks_are_spread_evenly(novelty: Novelty) -> None:
    for level in (0.05, 0.2, 0.5, 0.8):
        assert np.mean(novelty.held_out <= level) == pytest.approx(level, abs=0.01)


def test_a_cause_that_was_left_out_is_noticed(novelty: Novelty) -> None:
    new = generate(200, 4, only_causes=[LEFT_OUT]).history.tasks
    assert np.mean(novelty.p_values(new) <= LEVEL) > 0.8


def test_codes_that_nobody_saw_are_noticed_and_told(novelty: Novelty) -> None:
    strange = task(("4711", "T2_XX_Site001", 40), ("-1", "T2_XX_Site001", 10))
    assert novelty.p_values([strange])[0] <= LEVEL
    assert novelty.reason(strange) == "80% of the failures have codes that training did not know"


def test_an_alien_code_in_a_familiar_task_is_told(novelty: Novelty) -> None:
    strange = task(("50660", "T2_XX_Site020", 60), ("60311", "T2_XX_Site021", 40))
    assert novelty.reason(strange).startswith("40% of the failures have 60311, in tasks otherwise")


def test_every_reason_is_a_sentence(known: Sequence[FailedTask], novelty: Novelty) -> None:
    reasons = [novelty.reason(one) for one in known[:50]]
    assert all(" " in reason and reason.isprintable() for reason in reasons)


def test_a_task_without_a_failure_is_not_novel(novelty: Novelty) -> None:
    assert novelty.p_values([task()]).tolist() == [1.0]
    assert novelty.reason(task()) == "it has no failure"
    assert novelty.p_values([]).tolist() == []


def test_it_is_kept_without_a_pickle(known: Sequence[FailedTask], novelty: Novelty) -> None:
    files = novelty.files()
    back = Novelty.restore(files)
    np.testing.assert_array_equal(back.p_values(known[:40]), novelty.p_values(known[:40]))
    assert back.reason(known[0]) == novelty.reason(known[0])


@pytest.mark.parametrize("name", [ARRAYS, VOCABULARY])
@pytest.mark.parametrize("data", [b"", b"{}", b"PK\x03\x04 broken"])
def test_a_damaged_one_is_refused(novelty: Novelty, name: str, data: bytes) -> None:
    with pytest.raises(ArtifactError):
        Novelty.restore({**novelty.files(), name: data})


def test_a_missing_file_is_told(novelty: Novelty) -> None:
    with pytest.raises(ArtifactError):
        Novelty.restore({VOCABULARY: novelty.files()[VOCABULARY]})


def test_nothing_failed_nothing_is_usual() -> None:
    with pytest.raises(ValueError, match="no task has a failure"):
        Novelty.fit([task()])


def test_few_tasks_cannot_make_another_one_novel() -> None:
    novelty = Novelty.fit([task(("1", "a", 3))] * 2)
    assert novelty.p_values([task(("2", "b", 500))])[0] == pytest.approx(1 / 3)
    assert Novelty.fit([task(("1", "a", 3))]).p_values([task(("2", "b", 5))])[0] == 1.0


CODES = st.one_of(st.sampled_from(["1", "2", "-1"]), st.text(max_size=5))
CELLS = st.dictionaries(
    st.builds(Cell, CODES, st.text(max_size=3), st.sampled_from(SiteStatus)),
    st.integers(1, 10**9),
    max_size=6,
)


@settings(max_examples=8)
@given(st.lists(CELLS, min_size=2, max_size=12).filter(any), CELLS)
def test_whatever_failed_has_a_p_value(cells: list[dict[Cell, int]], new: dict[Cell, int]) -> None:
    tasks = [FailedTask(f"/wf/{n}", counts) for n, counts in enumerate(cells)]
    novelty = Novelty.fit(tasks)
    p = novelty.p_values([*tasks, FailedTask("/wf/new", new)])
    assert ((p > 0) & (p <= 1)).all()
    assert novelty.reason(FailedTask("/wf/new", new)).isprintable()


def test_a_task_of_very_many_codes_has_a_p_value(novelty: Novelty) -> None:
    many = task(*((str(n), f"s{n}", 1 + n) for n in range(512)))
    assert novelty.p_values([many])[0] <= LEVEL


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.floats(0, 1)
)
def test_the_level_keeps_the_budget(rows: list[tuple[float, bool]], budget: float) -> None:
    p, asked = np.array([p for p, _ in rows]), np.array([also for _, also in rows])
    level = within(budget, p, asked)
    if level:
        assert np.mean(asked | (p <= level)) <= budget + 1e-9


def test_the_level_uses_the_budget_up() -> None:
    p, asked = np.arange(1, 101) / 100, np.zeros(100, dtype=bool)
    asked[95:] = True
    assert within(0.09, p, asked) == pytest.approx(0.05)
    assert within(0.05, p, asked) == 0.0
