"""Whether a workflow's odd runs point to the workflow or to a node, in words."""

from __future__ import annotations

from collections.abc import Iterable

from ..jobs.records import RunRecord

MIN_RUNS = 2  # of a workflow on a node, to suspect the node: one may be odd by itself


def suspect_words(runs: Iterable[RunRecord]) -> list[str]:
    """What the p-values of a workflow's runs say together; nothing where they say nothing.

    The runs of a workflow are one job that ran on many nodes: on a node it is odd where all of its
    runs are. Of runs that the brain did not score, the p-value told by their node counts.
    """
    of_nodes: dict[str, list[float]] = {}
    for run in runs:
        p = _p_value(run)
        if p is not None and run.node:
            of_nodes.setdefault(run.node, []).append(p)
    if not any(of_nodes.values()):
        return []
    from .traces.conformal import Cell
    from .traces.verdicts import Suspect, judge

    cells = [Cell("", node, max(p_values)) for node, p_values in of_nodes.items()]
    words = []
    for verdict in judge(cells):
        here = sum(len(of_nodes[node]) for node in verdict.nodes)
        if verdict.suspect is Suspect.JOB:
            words.append(f"odd on all {len(verdict.nodes)} nodes: the workflow, not a node")
        elif verdict.suspect is Suspect.NODE and here >= MIN_RUNS:
            words.append(f"node {verdict.nodes[0]}: all {here} runs are odd, others elsewhere not")
    return words


def _p_value(run: RunRecord) -> float | None:
    if run.anomaly_p is None and run.trace is not None:
        return run.trace.anomaly_p
    return run.anomaly_p
