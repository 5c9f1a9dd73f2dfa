"""Arms over run summaries: the row that tells of a finished run, beside its windows.

The recorder decides how long a run is and how often it was sampled, so neither is learned from.
Rows are brought to their job type's healthy median by hand: :mod:`jobmend.classifier.traces.runs`
does so for groups of 20 rows and more, and there are nine here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jobmend.classifier.traces.dataset import RUNS
from jobmend.classifier.traces.runs.arms import kinds
from jobmend.classifier.traces.runs.features import Floats, plan
from jobmend.classifier.traces.runs.grouping import GroupScaling
from jobmend.classifier.traces.runs.table import Ask, Table, read

NOT_OF_THE_JOB = ("duration_seconds", "samples")
ASK = Ask("job_type", "slot", "faulty", ("split", *NOT_OF_THE_JOB))
ARMS = ("robust", "mahalanobis", "pca", "kmeans", "isolation_forest", "autoencoder")
PREFIX = "runs: "
ALL = f"{PREFIX}mean of all"


@dataclass(frozen=True)
class Rows:
    """The table of a set, and the run of each row."""

    table: Table
    runs: tuple[str, ...]


def load(folder: Path) -> Rows:
    """The run summaries of a data set; ValueError where they cannot be read."""
    path = folder / RUNS
    runs = pq.read_table(path, columns=["run"]).column("run").to_pylist()
    return Rows(read(path, ASK), tuple(runs))


def arm_scores(rows: Rows, learned: Collection[str], seed: int) -> dict[str, dict[str, float]]:
    """By arm, the score of every run, having learned from the rows of ``learned``; positive.

    The last is the geometric mean of all, each over its median among the rows learned from.
    """
    known = np.isin(rows.runs, list(learned))
    scaled = _scaled(rows.table, known)
    codes = np.zeros(len(scaled), np.int64)
    found = {}
    for name in ARMS:
        arm = kinds.make(name, seed).fit(scaled[known], codes[known])
        found[f"{PREFIX}{name}"] = np.maximum(arm.score_samples(scaled, codes), 1e-9)
    logs = [np.log(scores / np.median(scores[known])) for scores in found.values()]
    found[ALL] = np.exp(np.mean(logs, axis=0))
    return {
        name: dict(zip(rows.runs, map(float, scores), strict=True))
        for name, scores in found.items()
    }


def _scaled(table: Table, known: np.typing.NDArray[np.bool_]) -> Floats:
    """Features less the median of the type's rows that are known, in spreads of all of these."""
    features = plan(table.take(np.flatnonzero(known)))[0].apply(table)
    centred = features.copy()
    for name in np.unique(table.groups.astype(str)):
        of_type = table.groups == name
        there = features[of_type & known]
        centred[of_type] -= np.nanmedian(there if len(there) else features[known], axis=0)
    together = np.full(int(known.sum()), "all", dtype=object)
    scaling = GroupScaling.learn(centred[known], together)
    return scaling.apply(centred, np.full(len(centred), -1, np.int64))
