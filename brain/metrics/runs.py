"""Gauges of runs for Prometheus: who the newest are, what failures cost, what actions won back."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily

from ...jobs.actions import State
from ...jobs.identity import Run
from ...jobs.text import printable
from .. import recommendations, runs

DAY = 86400.0
NEWEST_RUNS = 2000  # series of run_info at most, however many runs are active
LATELY = 3600.0  # seconds for which a run that ended stays among them
SUMMED_SECONDS = 60.0  # between two sums over a day's runs: scrapes come more often than news
FOLLOWED = 7 * DAY  # seconds after an action in which its runs may end and still count


class RunGauges:
    """The families; what is summed over a day's runs is summed once in ``SUMMED_SECONDS``."""

    def __init__(self) -> None:
        """Nothing is summed yet."""
        self._summed_at = -math.inf
        self._lost: Mapping[str, float] = {}
        self._won_back: Mapping[str, float] = {}

    def families(self, db: sqlite3.Connection, now: float) -> Iterable[GaugeMetricFamily]:
        """All of them, as they are at ``now``."""
        if not 0 <= now - self._summed_at < SUMMED_SECONDS:
            self._lost, self._won_back = lost(db, now), won_back(db, now)
            self._summed_at = now
        yield _run_info(db, now)
        yield _of_clusters(
            "jobmend_brain_lost_seconds",
            "Wall-clock time of the runs that failed in the last 24 hours.",
            self._lost,
        )
        yield _of_clusters(
            "jobmend_brain_won_back_seconds",
            "Wall-clock time of runs that actions brought about and that ended well in the last 24"
            " hours.",
            self._won_back,
        )


def lost(db: sqlite3.Connection, now: float) -> Mapping[str, float]:
    """By cluster the seconds that runs ran which failed within a day; 0 where none did."""
    # The plus keeps the planner from reading all runs by cluster instead of a day's by their ends.
    rows = db.execute(
        "SELECT cluster, sum(ended - started) AS seconds FROM runs"
        " WHERE ended >= ? AND started < ended AND verdict = 'failed' GROUP BY +cluster",
        (now - DAY,),
    )
    known = dict.fromkeys(_clusters(db), 0.0)
    return known | {row["cluster"]: row["seconds"] for row in rows}


def won_back(db: sqlite3.Connection, now: float) -> Mapping[str, float]:
    """By cluster the seconds of runs that ended well within a day and that an action brought about.

    A run that several actions brought about counts once.
    """
    states = (State.APPLIED.value, State.VERIFIED.value)
    rows = db.execute(
        "SELECT id FROM recommendations WHERE state IN (?, ?) AND moved >= ?",
        (*states, now - FOLLOWED),
    ).fetchall()
    followed = {run for row in rows for run in recommendations.get(db, row["id"]).follow_ups}
    seconds = defaultdict(float, dict.fromkeys(_clusters(db), 0.0))
    for run in followed:
        record = runs.load(db, run)
        if record is None or not record.succeeded or not (record.ended and record.started):
            continue
        if record.ended >= now - DAY:
            seconds[run.cluster] += max(0.0, record.ended - record.started)
    return seconds


def _clusters(db: sqlite3.Connection) -> list[str]:
    """Those that have workflows; few rows, unlike runs."""
    return [row["cluster"] for row in db.execute("SELECT DISTINCT cluster FROM workflows")]


def _run_info(db: sqlite3.Connection, now: float) -> GaugeMetricFamily:
    labels = ["cluster", "scheduler", "jobid", "run", "workflow", "site", "verdict"]
    family = GaugeMetricFamily(
        "jobmend_brain_run_info",
        f"The newest runs, at most {NEWEST_RUNS}: active, or ended in the last hour.",
        labels=labels,
    )
    rows = db.execute(
        "SELECT key, workflow, site, verdict FROM runs WHERE ended IS NULL OR ended >= ?"
        " ORDER BY changed DESC, key LIMIT ?",
        (now - LATELY, NEWEST_RUNS),
    )
    for row in rows:
        run = Run.from_key(row["key"])
        words = (printable(row["workflow"]), printable(row["site"]), row["verdict"])
        family.add_metric([run.cluster, run.scheduler, run.job_id, run.run, *words], 1)
    return family


def _of_clusters(name: str, help: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help, labels=["cluster"])
    for cluster, value in sorted(values.items()):
        family.add_metric([cluster], value)
    return family
