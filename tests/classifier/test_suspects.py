"""Whether a workflow's odd runs point to the workflow or to a node."""

from __future__ import annotations

from jobmend.classifier.suspects import suspect_words
from jobmend.jobs.events import JobFacts, TraceSummary
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord

NUMBERS = iter(range(1000))


def run(node: str, p: float | None, of_node: float | None = None) -> RunRecord:
    trace = None if of_node is None else TraceSummary(1.0, 1, anomaly_p=of_node)
    key = Run("c", "local", str(next(NUMBERS)), "0")
    return RunRecord(key, JobFacts(), node=node, trace=trace, anomaly_p=p)


def test_a_node_is_suspected_where_its_runs_are_odd_and_others_are_not() -> None:
    odd = [run("n1", 0.004), run("n1", None, 0.01)]
    assert suspect_words([*odd, run("n2", None, 0.5)]) == [
        "node n1: all 2 runs are odd, others elsewhere not"
    ]
    assert suspect_words([*odd, run("n2", None, 0.5), run("n1", 0.5)]) == []
    assert suspect_words([odd[0], run("n2", None, 0.5)]) == [], "one may be odd by itself"


def test_a_workflow_is_suspected_where_it_is_odd_everywhere() -> None:
    assert suspect_words([run("n1", 0.004), run("n2", 0.004)]) == [
        "odd on all 2 nodes: the workflow, not a node"
    ]


def test_nothing_is_said_where_nothing_can_be_told() -> None:
    assert suspect_words([]) == []
    assert suspect_words([run("n1", None), run("", 0.001), run("n2", 0.2)]) == []
    assert suspect_words([run("n1", 0.001), run("n1", 0.001)]) == [], "nothing to compare with"
