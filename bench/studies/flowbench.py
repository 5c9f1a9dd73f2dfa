"""Study f: odd runs in FlowBench, real jobs of Pegasus workflows with injected faults.

What ``bench/flowbench.py`` measures, as a study: arms over one row a finished job, five splits by
workflow run, trained on healthy runs; with ``--contaminated`` also where 5 % are faulty and not
labelled so, which takes three times as long. The data are no part of the repository:
docs/run-anomalies.md says where to get them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import flowbench
from studies import drawing
from studies.command import Options, bar, one_thread, tell

from jobmend.classifier.failures.evaluation.intervals import Interval
from jobmend.classifier.failures.reporting.report import Picture, Section, Table, Value
from jobmend.classifier.traces.runs.combining import CHAMPION
from jobmend.classifier.traces.runs.evaluation import SPLITS
from jobmend.classifier.traces.runs.table import read

CLEAN = "clean"
DEEP, SIMPLE = ("autoencoder", "variational"), ("pca", "pca_by_group")
Figures = Mapping[str, Mapping[str, Any]]  # by workflow, by training, as flowbench.measure tells


def measure(path: Path, trainings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """These trainings of every workflow."""
    found: dict[str, dict[str, Any]] = {}
    total = len(flowbench.PUBLISHED) * len(trainings) * SPLITS
    with bar("flowbench", total) as advance, tempfile.TemporaryDirectory() as folder:
        for workflow in flowbench.PUBLISHED:
            rows = flowbench.split_file(path, workflow, Path(folder))
            table = read(rows, flowbench.ASK)
            found[workflow] = {
                training: flowbench.measure(table, training, advance) for training in trainings
            }
    return found


def intervals(rows: Sequence[Mapping[str, Any]], figure: str) -> dict[str, Interval]:
    """A figure of each arm."""
    return {row["arm"]: _interval(row[figure]) for row in rows}


def _interval(told: Sequence[float | None]) -> Interval:
    mean, low, high = (math.nan if part is None else part for part in told)
    return Interval(mean, low, high)


# ---- words -------------------------------------------------------------------------------------


def findings(found: Figures) -> list[str]:
    """The champion against published figures, and deep arms against principal components."""
    told = []
    for workflow, figures in found.items():
        jobs = intervals(figures[CLEAN]["jobs"], "auroc")
        best = flowbench.PUBLISHED[workflow]
        told.append(
            f"{workflow}: {CHAMPION} has AUROC {jobs[CHAMPION]}; the best published unsupervised "
            f"figure is {best:.3f}."
        )
        deep = max(DEEP, key=lambda name: jobs[name].mean)
        simple = max(SIMPLE, key=lambda name: jobs[name].mean)
        told.append(
            f"{workflow}: the better deep arm, {deep} ({jobs[deep]}), against the better PCA, "
            f"{simple} ({jobs[simple]}): {_against(jobs[deep], jobs[simple])}."
        )
    return told


def _against(deep: Interval, simple: Interval) -> str:
    if deep.mean <= simple.mean:
        return "deep does not beat it"
    if deep.low > simple.high:
        return "deep beats it"
    return "deep is ahead, by less than the intervals are wide"


def tables(found: Figures) -> list[Table]:
    """Clean training by arm, and AUROC by training."""
    shown = {
        f"{workflow} {figure.upper()}": intervals(figures[CLEAN]["jobs"], figure)
        for workflow, figures in found.items()
        for figure in ("auroc", "auprc")
    }
    arms = list(next(iter(shown.values())))
    rows: list[list[Value]] = [[arm, *(of.get(arm) for of in shown.values())] for arm in arms]
    caption = f"Jobs, trained on healthy runs, {SPLITS} splits by workflow run, 95 % intervals"
    told = [Table(["arm", *shown], rows, caption, frozenset({arms.index(CHAMPION)}))]
    trainings = list(next(iter(found.values())))
    if len(trainings) > 1:
        by_training = {
            f"{workflow}, {training}": intervals(figures[training]["jobs"], "auroc")
            for workflow, figures in found.items()
            for training in trainings
        }
        cells: list[list[Value]] = [
            [name, *(of.get(arm) for arm in arms)] for name, of in by_training.items()
        ]
        told.append(Table(["AUROC by training", *arms], cells, "Contaminated training"))
    return told


def section(found: Figures) -> Section:
    """The study as it is told."""
    series = {name: intervals(of[CLEAN]["jobs"], "auroc") for name, of in found.items()}
    arms = list(next(iter(series.values())))
    drawn = {name: [of.get(arm, Interval(math.nan)) for arm in arms] for name, of in series.items()}
    image = drawing.dots("FlowBench, AUROC of jobs", arms, drawn, "AUROC", guess=0.5)
    return Section(
        "flowbench",
        "f. Odd runs in FlowBench",
        findings(found),
        {"splits": SPLITS, "data": "PoSeiDon-Workflows/FlowBench, CC-BY 4.0"},
        tables(found),
        [Picture("flowbench", "AUROC of each arm by workflow; dotted is guessing.", image)],
    )


def main() -> None:
    """Measure and tell."""
    about = argparse.ArgumentParser(description=__doc__)
    about.add_argument("table", type=Path, help="FlowBench as Parquet")
    about.add_argument("--out", type=Path, help="folder for the study's JSON and pictures")
    about.add_argument("--contaminated", action="store_true", help="also 5 %% unlabelled faults")
    told = about.parse_args()
    if not told.table.is_file():
        sys.exit(f"{told.table}: no such file; docs/run-anomalies.md says where to get FlowBench")
    options = Options(told.table, told.out, SPLITS, quick=False)
    trainings = list(flowbench.TRAININGS) if told.contaminated else [CLEAN]
    one_thread()
    begun = time.perf_counter()
    tell(section(measure(options.data, trainings)), options, begun)


if __name__ == "__main__":
    main()
