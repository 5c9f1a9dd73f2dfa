"""Many runs as failed tasks: counted, and told how many failed where, in one pass.

A group is a number of runs that are alike, one at least. The plain road gives each run as a group
of its own; :mod:`.bulk` has a database form the groups first. Both end here, in the same tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ....jobs.exits import Exit, ExitKind
from ....jobs.identity import SiteStatus
from ..task import Cell, FailedTask

FAILED, SUCCESS, OTHER, SKIPPED = "failed", "success", "other", "skipped"
STATUSES = {status.value: status for status in SiteStatus}
MILLISECONDS_AN_HOUR = 3_600_000


class Group(NamedTuple):
    """``n`` runs of a workflow that ended alike at one site."""

    cluster: str
    workflow: str
    site: str
    status: str  # of the site then: good or bad; all else is unknown
    code: str  # as in task.Cell
    verdict: str  # one of the four; a cancelled run is other, what cannot be read is skipped
    n: int
    ended: float | None  # the last end, seconds since the epoch
    milliseconds: int | None  # that the runs took in all, as far as their times are known


@dataclass(frozen=True)
class Counted:
    """The failed tasks of ``runs`` runs, in time order; ``skipped`` rows could not be used."""

    tasks: list[FailedTask]
    runs: int
    skipped: int


def verdict(exit: Exit) -> str:
    """What an end counts as."""
    if exit.kind.failed:
        return FAILED
    return SUCCESS if exit.kind is ExitKind.SUCCESS else OTHER


def milliseconds(started: float | None, ended: float | None) -> int | None:
    """How long a run took; whole numbers, so that their sum does not hang on the order."""
    if started is None or ended is None:
        return None
    return math.floor((ended - started) * 1000)


def count(groups: Iterable[Group]) -> Counted:
    """The tasks of workflows in which something failed; features as far as the groups tell."""
    workflows: dict[tuple[str, str], _Workflow] = {}
    runs = skipped = 0
    for group in groups:
        if group.verdict == SKIPPED:
            skipped += group.n
            continue
        runs += group.n
        workflows.setdefault((group.cluster, group.workflow), _Workflow()).add(group)
    failing = sorted(
        (workflow.time or 0.0, key) for key, workflow in workflows.items() if workflow.failed
    )
    tasks = [workflows.pop(key).task(*key) for _, key in failing]  # one of the two in memory
    return Counted(tasks, runs, skipped)


@dataclass(slots=True)
class _Workflow:
    """One workflow while it is counted."""

    cells: dict[Cell, int] = field(default_factory=dict)
    ended_at: dict[str, int] = field(default_factory=dict)  # runs by site, without cancelled ones
    failed_at: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    failed: int = 0
    time: float | None = None
    milliseconds: int | None = None

    def add(self, group: Group) -> None:
        self.runs += group.n
        if group.verdict in (FAILED, SUCCESS):
            self.ended_at[group.site] = self.ended_at.get(group.site, 0) + group.n
        if group.verdict != FAILED:
            return
        status = STATUSES.get(group.status, SiteStatus.UNKNOWN)
        cell = Cell(group.code, f"{group.cluster}/{group.site}", status)
        self.cells[cell] = self.cells.get(cell, 0) + group.n
        self.failed_at[group.site] = self.failed_at.get(group.site, 0) + group.n
        self.failed += group.n
        if group.ended is not None:
            self.time = group.ended if self.time is None else max(self.time, group.ended)
        if group.milliseconds is not None:
            self.milliseconds = (self.milliseconds or 0) + group.milliseconds

    def task(self, cluster: str, name: str) -> FailedTask:
        return FailedTask(f"{cluster}/{name}", self.cells, self._features(), self.time)

    def _features(self) -> dict[str, float]:
        all_fail = sum(self.ended_at[site] == n for site, n in self.failed_at.items())
        features = {
            "runs": float(self.runs),
            "failed_share": self.failed / sum(self.ended_at.values()),
            "sites_all_fail_share": all_fail / len(self.ended_at),
            "sites_some_fail_share": (len(self.failed_at) - all_fail) / len(self.ended_at),
        }
        if self.milliseconds is not None:
            features["hours_lost"] = self.milliseconds / MILLISECONDS_AN_HOUR
        return features
