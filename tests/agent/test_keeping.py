"""Which windows leave the node."""

from __future__ import annotations

import random
from array import array
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from jobmend.agent import keeping
from jobmend.agent.keeping import Keeping, Rules
from jobmend.jobs.windows import FEATURES, TraceWindow

RULES = Rules(alpha=0.01, sample=2, ailing=5, period_seconds=100.0)


def window(place: int = 0, size: int = 1) -> TraceWindow:
    values = array("f", bytes(4 * len(FEATURES) * size))
    return TraceWindow("n1", float(place), 1.0, (0,), ("r",), values)


def keeper(rules: Rules = RULES, seed: int = 0) -> Keeping:
    return Keeping(rules, 0.0, random.Random(seed))


def test_abnormal_windows_go_at_once_and_usual_ones_do_not() -> None:
    kept = keeper()
    assert kept.judge("r", window(1), 0.01) == [window(1)]
    assert kept.judge("r", window(2), 0.011) == kept.judge("r", window(3), None) == []
    assert kept.kept == {"abnormal": 1}


def test_the_newest_windows_of_a_failed_run_follow_its_end_and_those_that_come_late() -> None:
    kept = keeper()
    for place in range(4):
        assert kept.judge("r", window(place), 0.5) == []
    assert kept.judge("s", window(9), 0.5) == []
    assert kept.hear("r", ails=True) == [window(2), window(3)]
    assert kept.judge("r", window(4), 0.9) == [window(4)]
    assert kept.hear("s", ails=False) == []
    assert kept.hear("s", ails=True) == []
    assert kept.kept["ailing"] == 3


def test_a_bad_day_sends_no_more_than_a_period_may_hold() -> None:
    kept = keeper()
    told = [kept.judge("r", window(place), 0.001) for place in range(9)]
    assert sum(map(len, told)) == 5 and kept.passed_over == 4
    kept.due(100.0)
    assert kept.judge("r", window(10), 0.001) == [window(10)]


def test_the_sample_comes_once_a_period_and_at_the_end() -> None:
    kept = keeper()
    for place in range(10):
        kept.judge("r", window(place), 0.5)
    assert kept.due(99.0) == []
    assert len(kept.due(100.0)) == 2
    assert kept.due(101.0) == [] and kept.finish() == []
    kept.judge("r", window(11), 0.5)
    assert kept.finish() == [window(11)]
    assert kept.kept["sample"] == 3


def test_each_window_has_the_same_chance() -> None:
    drawn: Counter[float] = Counter()
    for seed in range(3000):
        kept = keeper(seed=seed)
        for place in range(10):
            kept.judge("r", window(place), None)
        drawn.update(one.start for one in kept.finish())
    assert len(drawn) == 10
    assert all(500 < count < 700 for count in drawn.values()), drawn  # 600 each is fair


def test_what_is_held_has_a_bound() -> None:
    kept = keeper()
    size = keeping.MAX_HELD_BYTES // 4 // len(FEATURES) // 4  # four of them, and no fifth
    for run in "abcdef":
        kept.judge(run, window(0, size), 0.5)
    assert [len(kept.hear(run, ails=True)) for run in "abcdef"] == [0, 0, 1, 1, 1, 1]


def test_none_are_sent_where_none_are_wanted() -> None:
    kept = keeper(Rules(alpha=0.0, sample=0, ailing=0, period_seconds=1.0))
    kept.judge("r", window(), 0.0001)
    assert kept.judge("r", window(1), 0.0) == [] and kept.passed_over == 1
    assert kept.hear("r", ails=True) == kept.finish() == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, 0.001, 0.5, -1.0]))))
def test_no_window_is_sent_twice_but_one_of_the_sample(asked: list[tuple[str, float]]) -> None:
    kept = keeper()
    told = []
    for place, (run, p) in enumerate(asked):
        told += kept.hear(run, ails=True) if p == -1.0 else kept.judge(run, window(place), p)
    starts = [one.start for one in told]
    assert len(starts) == len(set(starts))
    assert kept.kept["abnormal"] + kept.kept["ailing"] == len(told) <= RULES.ailing
