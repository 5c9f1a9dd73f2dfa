"""Each query of each dashboard has an answer from a real Prometheus that read agent and brain."""

from __future__ import annotations

import time

import pytest

from jobmend.brain.dashboards.catalogue import DASHBOARDS
from jobmend.brain.dashboards.chart import Chart, Dashboard, Query, filled
from tests.agent.running import until
from tests.brain.dashboards.moving import ENDS
from tests.brain.dashboards.serving import Prometheus

# What a reader chose. The job is one that has ended: its last numbers are there, and its exit.
CHOSEN = {
    "cluster": ["c1"],
    "node": ["127.0.0.1"],
    "workflow": ["w1"],
    "job": [ENDS],
    "subject": ["traces", "failures"],
}
PATIENCE_SECONDS = 120


def answers(watched: Prometheus, board: Dashboard, chart: Chart, query: Query) -> bool:
    expr = filled(query.expr, board.variables, CHOSEN, rate="15s", range="60s")
    return bool(watched.over(expr) if chart.over_time else watched.now(expr))


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.name))
def test_each_query_has_an_answer(watched: Prometheus, board: Dashboard) -> None:
    waiting = [(chart, query) for chart in board.charts() for query in chart.queries]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting and time.monotonic() < deadline:
        waiting = [one for one in waiting if not answers(watched, board, *one)]
        time.sleep(0.2)
    assert [f"{chart.title}: {query.expr}" for chart, query in waiting] == []


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.name))
def test_what_can_be_chosen_is_there(watched: Prometheus, board: Dashboard) -> None:
    for variable in board.variables:
        selector = filled(variable.selector, board.variables, CHOSEN)
        there = watched.values(variable.of, selector)
        assert set(CHOSEN[variable.name]) <= set(there), variable
        if variable.several:  # and it is a choice: what it leaves is among the series
            everything = filled(variable.selector, board.variables, {})
            assert set(there) <= set(watched.values(variable.of, everything))


def test_columns_of_tables_and_lanes_are_labels_of_the_answers(watched: Prometheus) -> None:
    """A column may be empty for one job; of all jobs somebody fills it."""
    for board in DASHBOARDS:
        for chart in board.charts():
            labels = {*chart.columns, *filter(None, [chart.state])}
            if labels:
                exprs = [filled(one.expr, board.variables, CHOSEN) for one in chart.queries]
                found = {
                    name for expr in exprs for one in watched.now(expr) for name in one["metric"]
                }
                assert labels - found <= EMPTY_HERE, f"{board.name}: {chart.title}"


def test_what_a_reader_wrote_can_only_be_a_value(watched: Prometheus) -> None:
    hostile = [
        '"} or vector(1) or x{a="',
        "\\",
        '\\"',
        "(",
        "[",
        ".*",
        "\n",
        "\0",
        "$node",
        "\u202e",
    ]
    node, job = (board for board in DASHBOARDS if board.name in ("node", "job"))
    for value in hostile:
        chosen = {**CHOSEN, "node": [value], "job": [value], "cluster": [value]}
        for board in (node, job):
            for chart in board.charts():
                for query in chart.queries:
                    if "$" in query.expr:
                        assert not watched.now(filled(query.expr, board.variables, chosen)), value


def test_rules_and_alerts_are_evaluated_without_an_error(watched: Prometheus) -> None:
    until(lambda: all(rule["health"] != "unknown" for rule in watched.rules()))
    assert {
        rule["name"]: rule["lastError"] for rule in watched.rules() if "lastError" in rule
    } == {}
    firing = {rule["name"] for rule in watched.rules() if rule.get("state") == "firing"}
    assert {"JobmendTurnFailed"} <= firing, "it has no time to wait, and the last turn failed"


# The scheduler of these jobs told no signal and no reason.
EMPTY_HERE = {"signal", "reason"}
