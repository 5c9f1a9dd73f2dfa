"""What fitting the XGBoost arm costs beside XGBoost with its defaults: time, memory, log-loss.

Two tables of 7,582 tasks: 7,978 columns (62 x 48 + 122 x 41) of random counts, 5 % of them not
zero, with a weak signal of 8 classes; and a synthetic history, whose columns that few tasks have
something in are left out by the arm. Beside the library's defaults stand those with our depth of
4. Each fit is a process of its own, on the older 80 %; log-losses are those of the newest 20 %.
The last line is one JSON object. Both tables are synthetic.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from scipy.sparse import csr_matrix, random_array
from scipy.special import softmax
from sklearn.metrics import log_loss

from jobmend.classifier.failures.arms.boosted import BoostedArm
from jobmend.classifier.failures.arms.table import COMPACT
from jobmend.classifier.failures.arms.table import Table as ArmTable
from jobmend.classifier.failures.arms.trees import Growth
from jobmend.classifier.failures.matrix import BLOCKS
from jobmend.classifier.failures.synthetic.tasks import generate

TASKS, COLUMNS, CLASSES = 7_582, 62 * 48 + 122 * 41, 8
FILLED = 0.05
INFORMATIVE, STRENGTH = 200, 0.5  # columns with a signal, and how strong it is
HELD_OUT = 0.2
ROUNDS = 100
DEPTHS = {"defaults": 6, "defaults-depth-4": 4}  # of XGBoost as the library has it
OURS = "ours"

Table = tuple[csr_matrix, NDArray[np.intp], int]


def wide(tasks: int, columns: int) -> Table:
    """Random counts with a weak signal; classes are drawn from a softmax of a few columns."""
    rng = np.random.default_rng(7)
    matrix = random_array(
        (tasks, columns), density=FILLED, format="csr", rng=rng, data_sampler=_counts(rng)
    )
    matrix = csr_matrix(matrix, dtype=np.float32)
    weights = np.zeros((columns, CLASSES))
    weights[:INFORMATIVE] = rng.normal(0, STRENGTH, (INFORMATIVE, CLASSES))
    chances = softmax(np.log1p(matrix) @ weights, axis=1)
    drawn = rng.random((tasks, 1)) > chances.cumsum(axis=1)
    labels = np.minimum(np.count_nonzero(drawn, axis=1), CLASSES - 1)
    return matrix, np.asarray(labels, dtype=np.intp), CLASSES


def _counts(rng: np.random.Generator) -> Any:
    return lambda size: np.asarray(rng.geometric(0.3, size), dtype=np.float32)


def generated(count: int, *, compact: bool) -> Table:
    """A synthetic history: every column of its matrix, or those that the arm looks at."""
    history = generate(count, seed=11)
    tasks = history.history.tasks
    answers = [task.decision.action for task in tasks if task.decision]
    classes = sorted(history.classes)
    labels = np.array([classes.index(answer) for answer in answers], dtype=np.intp)
    blocks, fewest = (COMPACT, BoostedArm().fewest) if compact else (BLOCKS, 1)
    rows = ArmTable.learn(tasks, blocks=blocks, fewest=fewest).rows(tasks)
    return csr_matrix(rows), labels, len(classes)


def fit(whose: str, table: Table, threads: int, told: Any) -> dict[str, float]:
    """Fit on the older part; seconds, log-loss on the newer one, peak memory of this process."""
    rows, labels, classes = table
    split = len(labels) - int(HELD_OUT * len(labels))
    growth = Growth(classes, threads=threads)
    if whose in DEPTHS:
        growth = Growth(
            classes,
            rounds=ROUNDS,
            depth=DEPTHS[whose],
            learning_rate=0.3,
            max_bin=256,
            patience=0,
            columns_share=1.0,
            threads=threads,
        )
    begun = time.perf_counter()
    booster = growth.grow(rows[:split], labels[:split], told)[0]
    seconds = time.perf_counter() - begun
    said = growth.say(booster, rows[split:])
    said /= said.sum(axis=1, keepdims=True)
    return {
        "seconds": round(seconds, 2),
        "log_loss": round(float(log_loss(labels[split:], said, labels=range(classes))), 4),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "rounds": booster.num_boosted_rounds(),
    }


def child(args: argparse.Namespace) -> None:
    """One fit; rounds done go to stderr, one a line."""
    if args.table == "wide":
        table = wide(args.tasks, args.columns)
    else:
        table = generated(args.tasks, compact=args.whose == OURS)

    def told(done: int, total: int) -> None:
        print(done, total, file=sys.stderr, flush=True)

    print(json.dumps(fit(args.whose, table, args.threads, told)))


def run(args: argparse.Namespace, table: str, whose: str, progress: Progress) -> Any:
    """One fit in a process of its own, with a bar of its rounds."""
    bar = progress.add_task(f"{table}, {whose}", total=None)
    given = ("--tasks", args.tasks, "--columns", args.columns, "--threads", args.threads)
    command = [sys.executable, __file__, "--table", table, "--whose", whose, *map(str, given)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            words = line.split()
            if len(words) == 2 and all(word.isdigit() for word in words):
                progress.update(bar, completed=int(words[0]), total=int(words[1]))
        out = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{table}, {whose}: the fit failed ({process.returncode})")
    return json.loads(out)


def main() -> None:
    """Fit both ways on both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small tables, for a first look")
    parser.add_argument("--table", choices=("wide", "generated"), help=argparse.SUPPRESS)
    parser.add_argument("--whose", choices=(OURS, *DEPTHS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.tasks, args.columns = 1_000, 500
    if args.whose:
        child(args)
        return
    found: dict[str, Any] = {}
    with Progress(console=Console(stderr=True)) as progress:
        for table in ("wide", "generated"):
            rows = {whose: run(args, table, whose, progress) for whose in (OURS, *DEPTHS)}
            for whose in DEPTHS:
                ours, theirs = rows[OURS], rows[whose]
                theirs["times_slower"] = round(theirs["seconds"] / ours["seconds"], 1)
                theirs["our_log_loss_ratio"] = round(ours["log_loss"] / theirs["log_loss"], 4)
            found[table] = rows
    about = {"tasks": args.tasks, "columns": args.columns, "threads": args.threads}
    print(json.dumps({**about, "synthetic": True, **found}))


if __name__ == "__main__":
    main()
