from __future__ import annotations

import numpy as np
import pytest

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import Cell, Decision, FailedTask
from jobmend.classifier.failures.trust.neighbours import ARRAYS, WORDS, Neighbours
from jobmend.jobs.identity import SiteStatus

ACDC = Decision("acdc")


def task(name: str, *cells: tuple[str, str, int], decision: Decision | None = ACDC) -> FailedTask:
    counts = {Cell(code, site, SiteStatus.GOOD): n for code, site, n in cells}
    return FailedTask(name, counts, decision=decision)


PAST = [
    task("memory", ("50660", "a", 9), ("50660", "b", 9), decision=Decision("clone", "10x", "4000")),
    task("mixed", ("50660", "a", 5), ("8001", "a", 5)),
    task("bug", ("8001", "a", 10)),
    task("undecided", ("8001", "a", 10), decision=None),
    task("nothing failed"),
]


def test_the_nearest_come_first_with_what_was_done() -> None:
    found = Neighbours.fit(PAST).nearest(task("new", ("50660", "a", 2), ("50660", "b", 2)), 2)
    assert [one.name for one in found] == ["memory", "mixed"]
    assert found[0].action == "clone, splitting 10x, memory 4000"
    assert found[0].distance == pytest.approx(0.0, abs=1e-7)
    assert 0 < found[1].distance < 1


def test_the_distance_is_hellingers() -> None:
    found = Neighbours.fit(PAST).nearest(task("new", ("50660", "a", 1)), 9)
    distances = {one.name: one.distance for one in found}
    alike = 0.75 * 1.0 + 0.25 * np.sqrt(0.5)  # same code, half of it at the same site
    assert distances["memory"] == pytest.approx(np.sqrt(1 - alike))
    assert distances["bug"] == pytest.approx(np.sqrt(0.75))  # only the site


def test_the_newest_of_equals_comes_first() -> None:
    past = [task(str(n), ("1", "a", 1)) for n in range(5)]
    assert [one.name for one in Neighbours.fit(past).nearest(past[0], 2)] == ["4", "3"]


def test_what_has_nothing_in_common_is_no_neighbour() -> None:
    neighbours = Neighbours.fit(PAST)
    assert neighbours.nearest(task("new", ("7", "z", 3))) == ()
    assert neighbours.nearest(task("new")) == ()
    assert Neighbours.fit([]).nearest(PAST[0]) == ()
    assert Neighbours.fit(PAST).nearest(PAST[0], 0) == ()


def test_past_tasks_find_themselves() -> None:
    tasks = generate(300, 1).history.tasks
    neighbours = Neighbours.fit(tasks)
    for one in tasks[::30]:
        assert neighbours.nearest(one, 1)[0].distance == pytest.approx(0.0, abs=1e-6)


def test_they_are_kept_without_a_pickle() -> None:
    neighbours = Neighbours.fit(PAST)
    back = Neighbours.restore(neighbours.files())
    assert back.nearest(PAST[1]) == neighbours.nearest(PAST[1])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (WORDS, b"{"),
        (WORDS, b"[]"),
        (WORDS, b"[" * 100_000),
        (WORDS, b'{"words": [], "names": [], "actions": []}'),
        (WORDS, b'{"words": ["a"], "names": [1, 2, 3], "actions": [4, 5, 6]}'),
        (ARRAYS, b""),
        (ARRAYS, b"PK\x03\x04"),
    ],
)
def test_damaged_ones_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(ArtifactError):
        Neighbours.restore({**Neighbours.fit(PAST).files(), name: data})


def test_an_action_with_control_characters_is_told_safely() -> None:
    past = [task("one", ("1", "a", 1), decision=Decision("\x1b[2Jacdc"))]
    assert Neighbours.fit(past).nearest(past[0])[0].action == "\ufffd[2Jacdc"
