"""How well odd runs are found in FlowBench, real jobs of Pegasus workflows with injected faults.

The file is the parsed job table of PoSeiDon-Workflows/FlowBench (CC-BY 4.0) as Parquet with the
columns wf, run, anomaly_type (missing = healthy) and kickstart_transformations. Nothing is learned
from labels but which rows are healthy; splits are by run. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from jobmend.classifier.traces.runs import healthy
from jobmend.classifier.traces.runs.arms.kinds import MAKERS
from jobmend.classifier.traces.runs.evaluation import SPLITS, figures_of, summary
from jobmend.classifier.traces.runs.model import RunModel
from jobmend.classifier.traces.runs.splitting import parts
from jobmend.classifier.traces.runs.table import Ask, Table, read

ASK = Ask("kickstart_transformations", "run", "anomaly_type", ("wf",))
FAULTY_SHARE = 0.05  # of the rows learned from, in contaminated training
PUBLISHED = {"1000-genome": 0.610, "montage": 0.570}  # best unsupervised there, job level


def clean(table: Table, rng: np.random.Generator) -> Table:
    """Training as it is: labels choose healthy rows."""
    return table


def unlabelled_runs(table: Table, rng: np.random.Generator) -> Table:
    """Whole faulty runs lose their labels, until that share of the rows learned from is faulty."""
    assert table.splits is not None and table.faulty is not None
    learned = len(healthy.choose(table, healthy=True).rows)
    faulty, bad = table.faulty.copy(), 0
    for run in rng.permutation(np.unique(table.splits[table.faulty].astype(str))):
        rows = np.flatnonzero(table.splits == run)
        bad, learned = bad + int(table.faulty[rows].sum()), learned + len(rows)
        faulty[rows] = False
        if bad >= FAULTY_SHARE * learned:
            break
    return replace(table, faulty=faulty)


def unlabelled_rows(table: Table, rng: np.random.Generator) -> Table:
    """The same share of faulty rows, drawn from all faulty ones, stands in healthy runs."""
    assert table.splits is not None and table.faulty is not None
    chosen = healthy.choose(table, healthy=True).rows
    count = int(len(chosen) * FAULTY_SHARE / (1 - FAULTY_SHARE))
    drawn = rng.choice(np.flatnonzero(table.faulty), count, replace=False)
    splits, faulty = table.splits.copy(), table.faulty.copy()
    splits[drawn] = rng.choice(table.splits[chosen], count)
    faulty[drawn] = False
    return replace(table, splits=splits, faulty=faulty)


TRAININGS: dict[str, Callable[[Table, np.random.Generator], Table]] = {
    "clean": clean,
    "5 % faulty, whole runs unlabelled": unlabelled_runs,
    "5 % faulty, rows unlabelled": unlabelled_rows,
}


def workflow_scores(table: Table, scores: NDArray[np.float64]) -> tuple[Any, NDArray[np.float64]]:
    """Whether each workflow run has a faulty job, and its mean score."""
    assert table.splits is not None and table.faulty is not None
    names, codes = np.unique(table.splits.astype(str), return_inverse=True)
    faulty = np.bincount(codes, weights=table.faulty) > 0
    return faulty, np.bincount(codes, weights=scores) / np.bincount(codes)


def measure(table: Table, training: str, tell: Callable[[], None]) -> dict[str, Any]:
    """Figures of every arm over five splits by run."""
    jobs: dict[str, list[tuple[float, float]]] = {}
    workflows: dict[str, list[tuple[float, float]]] = {}
    assert table.splits is not None
    begun = time.perf_counter()
    for part, (learned, tested) in enumerate(parts(table.splits, SPLITS, seed=0)):
        change = TRAININGS[training]
        rows = change(table.take(learned), np.random.default_rng(part))
        model = RunModel().fit(rows, ASK, calibrate=False)
        held = table.take(tested)
        for name, scores in model.arm_scores(held).items():
            jobs.setdefault(name, []).append(figures_of(held.faulty, scores))
            faulty, means = workflow_scores(held, scores)
            workflows.setdefault(name, []).append(figures_of(faulty, means))
        tell()
    return {
        "jobs": [one.as_dict() for one in summary(jobs, SPLITS)],
        "workflow_runs": [one.as_dict() for one in summary(workflows, SPLITS)],
        "seconds": round(time.perf_counter() - begun, 1),
    }


def split_file(path: Path, workflow: str, folder: Path) -> Path:
    """The rows of one workflow as a file of their own."""
    rows = pq.read_table(path)
    out = folder / "one-workflow.parquet"
    pq.write_table(rows.filter(pc.equal(rows["wf"], workflow)), out)
    return out


def main() -> None:
    """Print a table for people, then the JSON object."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, help="FlowBench as Parquet")
    parser.add_argument("--training", choices=TRAININGS, action="append", help="[all]")
    options = parser.parse_args()
    trainings = options.training or list(TRAININGS)
    found: dict[str, Any] = {}
    with Progress(console=Console(stderr=True)) as bar, tempfile.TemporaryDirectory() as folder:
        line = bar.add_task("splits", total=len(PUBLISHED) * len(trainings) * SPLITS)
        for workflow in PUBLISHED:
            table = read(split_file(options.table, workflow, Path(folder)), ASK)
            assert table.faulty is not None
            found[workflow] = {
                "rows": len(table),
                "faulty": int(table.faulty.sum()),
                "best_published_unsupervised": PUBLISHED[workflow],
                **{name: measure(table, name, lambda: bar.advance(line)) for name in trainings},
            }
            _show(workflow, found[workflow], trainings)
    print(json.dumps({"data": "FlowBench", "arms": list(MAKERS), "workflows": found}))


def _show(workflow: str, figures: dict[str, Any], trainings: list[str]) -> None:
    for training in trainings:
        print(f"\n{workflow}, {training}: AUROC and AUPRC of jobs, 95 % intervals")
        for row in figures[training]["jobs"]:
            told = ["{:.3f} [{:.3f}, {:.3f}]".format(*row[name]) for name in ("auroc", "auprc")]
            print(f"  {row['arm']:18}", *told)


if __name__ == "__main__":
    main()
