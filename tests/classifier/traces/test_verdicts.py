"""Who is to blame: the table of docs/alarms.md, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.classifier.traces.alarms import Criterion
from jobmend.classifier.traces.conformal import Cell
from jobmend.classifier.traces.verdicts import Suspect, Verdict, judge

ODD, USUAL, NAN = 0.005, 0.4, float("nan")


def cells(*told: str) -> list[Cell]:
    """``a@1!`` is run a on node 1, odd; without the mark it is usual, with ``?`` not measured."""
    marks = {"!": ODD, "?": NAN}
    return [
        Cell(words[0], words[2], marks.get(words[3:], USUAL), {0: marks.get(words[3:], USUAL)})
        for words in told
    ]


def told(found: list[Verdict]) -> set[tuple[str, str, str]]:
    return {(verdict.suspect.value, verdict.run, "".join(verdict.nodes)) for verdict in found}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("a@1 b@1 a@2", set()),
        ("a@1! b@1", {("job", "a", "1")}),
        ("a@1! a@2! b@1 b@2", {("job", "a", "12")}),
        ("a@1! a@2!", {("job", "a", "12")}),
        ("a@1! b@1! a@2 c@2", {("node", "", "1")}),
        ("a@1! b@1! c@2", {("node", "", "1")}),
        ("a@1! a@2", {("node", "", "1")}),
        ("a@1!", {("job or node", "a", "1")}),
        ("a@1! a@2 b@1", {("job or node", "a", "1")}),
        ("a@1! a@2! b@1! b@2!", {("job", "a", "12"), ("job", "b", "12")}),
        ("a@1! a@2! b@1!", {("node", "", "1"), ("job", "a", "12")}),
        ("a@1! b@1!  a@2! c@2!", {("node", "", "1"), ("node", "", "2")}),
        ("a@1! b@1?", {("job or node", "a", "1")}),
        ("a@1?", set()),
    ],
)
def test_the_table(seen: str, expected: set[tuple[str, str, str]]) -> None:
    assert told(judge(cells(*seen.split()))) == expected


def test_threads_have_verdicts_of_their_own() -> None:
    some = Cell("a", "1", USUAL, {0: USUAL, 1: ODD, 2: NAN})
    whole = Cell("b", "1", ODD, {3: ODD, 4: ODD})
    single = Cell("c", "1", ODD, {5: ODD})
    found = judge([some, whole, single])
    (thread,) = [verdict for verdict in found if verdict.suspect is Suspect.THREAD]
    assert (thread.run, thread.nodes, thread.threads) == ("a", ("1",), (1,))
    assert thread.because == "1 of its 2 threads are odd"


def test_what_is_odd_depends_on_the_criterion() -> None:
    seen = [Cell("a", "1", 0.03), Cell("b", "1", USUAL)]
    assert judge(seen) == []
    assert told(judge(seen, Criterion(0.05))) == {("job", "a", "1")}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.sampled_from([ODD, USUAL])),
        unique_by=lambda one: one[:2],
    )
)
def test_nobody_usual_is_blamed_and_nothing_odd_is_passed_over(
    seen: list[tuple[str, str, float]],
) -> None:
    found = judge([Cell(run, node, p) for run, node, p in seen])
    odd = {(run, node) for run, node, p in seen if p == ODD}
    blamed_nodes = {verdict.nodes[0] for verdict in found if verdict.suspect is Suspect.NODE}
    for node in blamed_nodes:
        assert all((run, node) in odd for run, where, _ in seen if where == node)
    blamed = {(one.run, node) for one in found if one.run for node in one.nodes}
    assert blamed <= odd
    assert all((run, node) in blamed or node in blamed_nodes for run, node in odd)
