"""Was a site fit for work at a given time? Judged by its nodes then, and the runs that ended."""

from __future__ import annotations

import dataclasses
import itertools
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from ..jobs.identity import Site, SiteStatus
from ..jobs.records import RunRecord
from .outages import OutageHistory

MIN_RUNS = 4
BAD_FAILED_SHARE = 0.8
GOOD_SUCCESS_SHARE = 0.5


def judge(ended: int, failed: int, several_workflows: bool) -> SiteStatus:
    """The status of a site of which ``ended`` runs are known; one workflow makes no site bad."""
    if not ended:
        return SiteStatus.UNKNOWN
    if (ended - failed) / ended >= GOOD_SUCCESS_SHARE:
        return SiteStatus.GOOD
    bad = ended >= MIN_RUNS and several_workflows and failed / ended >= BAD_FAILED_SHARE
    return SiteStatus.BAD if bad else SiteStatus.UNKNOWN


class SiteHistory:
    """The runs that ended at one site, in time; asked for any moment without reading them again."""

    def __init__(self, ended: Sequence[tuple[float, str, bool]]) -> None:
        """``ended`` is (time, workflow, failed), by time."""
        self._times = [time for time, _, _ in ended]
        self._failed = [0, *itertools.accumulate(failed for _, _, failed in ended)]
        self._next_other = _next_others([workflow for _, workflow, _ in ended])

    @classmethod
    def read(cls, db: sqlite3.Connection, site: Site, since: float, until: float) -> SiteHistory:
        """The runs that ended after ``since`` and up to ``until`` (epoch seconds).

        Failures that no site can be blamed for are no witnesses.
        """
        rows = db.execute(
            "SELECT ended, workflow, blames_site FROM runs WHERE cluster = ? AND site = ?"
            " AND ended > ? AND ended <= ? AND (verdict = 'success' OR blames_site)"
            " ORDER BY ended",
            (site.cluster, site.name, since, until),
        )
        return cls([(ended, workflow, bool(failed)) for ended, workflow, failed in rows])

    def status(self, at: float, window_seconds: float) -> SiteStatus:
        """The status at time ``at``, out of the window that ends there."""
        first = bisect_right(self._times, at - window_seconds)
        last = bisect_right(self._times, at)
        if first == last:
            return SiteStatus.UNKNOWN
        failed = self._failed[last] - self._failed[first]
        return judge(last - first, failed, self._next_other[first] < last)


def _next_others(workflows: Sequence[str]) -> list[int]:
    """For each run the index of the next run of another workflow."""
    following = [len(workflows)] * len(workflows)
    for index in range(len(workflows) - 2, -1, -1):
        same = workflows[index] == workflows[index + 1]
        following[index] = following[index + 1] if same else index + 1
    return following


def with_status(
    db: sqlite3.Connection, records: Iterable[RunRecord], now: float, window_seconds: float
) -> list[RunRecord]:
    """The records with their site's status at the time they ended, now for those that run.

    A node that was out, or half of the site's nodes, makes it bad; else the runs tell.
    """
    records = list(records)
    status = Statuses.read(db, [(_site(it), _moment(it, now)) for it in records], window_seconds)
    return [
        dataclasses.replace(
            record, site_status=status.of(_site(record), record.node, _moment(record, now))
        )
        for record in records
    ]


class Statuses:
    """The statuses of some sites, each at any of the moments it was read for."""

    def __init__(
        self,
        runs: Mapping[Site, SiteHistory],
        outages: Mapping[str, OutageHistory],
        window_seconds: float,
    ) -> None:
        """``outages`` are by cluster."""
        self._runs = runs
        self.outages = outages
        self._window_seconds = window_seconds

    @classmethod
    def read(
        cls, db: sqlite3.Connection, wanted: Iterable[tuple[Site, float]], window_seconds: float
    ) -> Statuses:
        """What is needed for sites at moments (epoch seconds)."""
        times: dict[Site, list[float]] = {}
        of_cluster: dict[str, list[float]] = {}
        for site, moment in wanted:
            times.setdefault(site, []).append(moment)
            of_cluster.setdefault(site.cluster, []).append(moment)
        runs = {
            site: SiteHistory.read(db, site, min(moments) - window_seconds, max(moments))
            for site, moments in times.items()
            if site.name
        }
        outages = {
            cluster: OutageHistory.read(db, cluster, min(moments), max(moments))
            for cluster, moments in of_cluster.items()
        }
        return cls(runs, outages, window_seconds)

    def of(self, site: Site, node: str, at: float) -> SiteStatus:
        """Was the site fit for work at ``at``, and the node, empty for any?"""
        if self.outages[site.cluster].is_bad(node, site.name, at):
            return SiteStatus.BAD
        if site not in self._runs:
            return SiteStatus.UNKNOWN
        return self._runs[site].status(at, self._window_seconds)


def _site(record: RunRecord) -> Site:
    return Site(record.run.cluster, record.facts.site)


def _moment(record: RunRecord, now: float) -> float:
    return now if record.ended is None else record.ended
