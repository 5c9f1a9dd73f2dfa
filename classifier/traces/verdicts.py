"""Who is to blame: a thread, a job, or a node. The table of docs/alarms.md, in code."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .alarms import Criterion
from .conformal import Cell


class Suspect(str, enum.Enum):
    """What a verdict is about."""

    THREAD = "thread"  # some threads of a run, others of it are usual
    JOB = "job"  # the same run is odd on all its nodes
    NODE = "node"  # all runs on it are odd
    UNCLEAR = "job or node"  # nothing to compare with tells them apart


@dataclass(frozen=True)
class Verdict:
    """``run`` is empty for a node, ``nodes`` are where it was seen. Names come from strangers."""

    suspect: Suspect
    run: str = ""
    nodes: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    because: str = ""


Table = Mapping[str, Sequence[Cell]]


def judge(cells: Iterable[Cell], criterion: Criterion | None = None) -> list[Verdict]:
    """The verdicts on runs and nodes of one stretch of time: nodes, jobs, then threads.

    Cells without a p-value take no part. A healthy run is in a verdict on nodes or jobs with a
    probability of at most alpha, and in one on threads likewise.
    """
    rings = (criterion or Criterion()).rings
    known = [cell for cell in cells if cell.p == cell.p]
    runs, nodes = _grouped(known, "run"), _grouped(known, "node")
    odd = {(cell.run, cell.node) for cell in known if rings(cell.p)}
    suspects = {node for node, of_node in nodes.items() if _node_ails(of_node, runs, odd)}
    told = [_of_node(node, len(nodes[node])) for node in sorted(suspects)]
    for run in sorted(runs):
        told += _of_run(runs[run], nodes, odd, suspects)
    return told + [verdict for cell in known for verdict in _of_threads(cell, rings)]


def _grouped(cells: Iterable[Cell], by: str) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(getattr(cell, by), []).append(cell)
    return found


def _is_odd(cell: Cell, odd: set[tuple[str, str]]) -> bool:
    return (cell.run, cell.node) in odd


def _node_ails(of_node: Sequence[Cell], runs: Table, odd: set[tuple[str, str]]) -> bool:
    """All runs on it are odd, and they are several, or the one is usual on another node.

    Not where all of them are odd on other nodes too: then they are what is odd.
    """
    if not all(_is_odd(cell, odd) for cell in of_node):
        return False
    usual_elsewhere = [any(not _is_odd(other, odd) for other in runs[cell.run]) for cell in of_node]
    odd_elsewhere = [
        len(runs[cell.run]) > 1 and not usual
        for cell, usual in zip(of_node, usual_elsewhere, strict=True)
    ]
    return (len(of_node) > 1 or usual_elsewhere[0]) and not all(odd_elsewhere)


def _of_node(node: str, runs: int) -> Verdict:
    told = f"all {runs} runs on it are odd" if runs > 1 else "its run is usual on other nodes"
    return Verdict(Suspect.NODE, nodes=(node,), because=told)


def _of_run(
    of_run: Sequence[Cell], nodes: Table, odd: set[tuple[str, str]], suspects: set[str]
) -> list[Verdict]:
    """What is odd about a run that its nodes do not explain."""
    where = tuple(cell.node for cell in of_run if _is_odd(cell, odd))
    open_ones = tuple(node for node in where if node not in suspects)
    if not open_ones:
        return []
    run, all_nodes = of_run[0].run, len(where) == len(of_run)
    if all_nodes and len(where) > 1:
        told = f"it is odd on all its {len(where)} nodes"
        return [Verdict(Suspect.JOB, run, where, because=told)]
    if not all_nodes:
        told = "it is usual on other nodes, and other runs are usual on this one"
        return [Verdict(Suspect.UNCLEAR, run, open_ones, because=told)]
    if len(nodes[where[0]]) > 1:
        told = "other runs on its node are usual"
        return [Verdict(Suspect.JOB, run, where, because=told)]
    told = "it ran on one node, and no other run did"
    return [Verdict(Suspect.UNCLEAR, run, where, because=told)]


def _of_threads(cell: Cell, rings: Callable[[float], bool]) -> list[Verdict]:
    """Some threads of the run, not all, are odd."""
    odd = tuple(thread for thread, p in cell.threads.items() if rings(p))
    measured = sum(p == p for p in cell.threads.values())
    if not odd or len(odd) == measured:
        return []
    told = f"{len(odd)} of its {measured} threads are odd"
    return [Verdict(Suspect.THREAD, cell.run, (cell.node,), odd, told)]
