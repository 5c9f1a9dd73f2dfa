"""Which arm says best what operators do? All of them on synthetic history, split 80/20 by time.

XGBoost is tried with each way to raise rare actions, all other arms as they are. Several seeds
give several histories, and the intervals (95 %, Student's t) are over those; arms are compared
task by task, by bootstrap. The champion is what wins. Beside the arms stands the best possible
answer, which is known because the history is generated. The last line is one JSON object. All of
it is synthetic: it says how near an arm comes to the best on such data, not how it does for you.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jobmend.classifier.failures.arms import catalogue
from jobmend.classifier.failures.evaluation.comparison import Comparison, Make, compare, pooled
from jobmend.classifier.failures.evaluation.intervals import Interval, over_folds
from jobmend.classifier.failures.evaluation.scores import SUMMARY, Posterior, Said, align, score
from jobmend.classifier.failures.evaluation.splits import newest
from jobmend.classifier.failures.labels import SCHEMES
from jobmend.classifier.failures.resampling import RESAMPLINGS
from jobmend.classifier.failures.synthetic.tasks import SyntheticHistory, generate

RESAMPLED = "xgboost"
WIDTH = 140  # characters that a table needs
LABELS = ("action", "splitting", "memory", "data_access")
SHOWN = (
    "log_loss",
    "closeness",
    "macro_f1",
    "geometric_mean",
    "auprc",
    "roc_auc",
    "ece",
    "coverage_95",
    "ks",
    "fit_seconds",
)
OF_CLASS = ("recall", "precision", "auprc", "ece")


def variants(names: Sequence[str], resamplings: Sequence[str], threads: int) -> dict[str, Make]:
    """How each arm of the table is made, by the name it has there."""
    made: dict[str, Make] = {}
    for name in names:
        ways = resamplings if name == RESAMPLED else ("",)
        for way in ways:
            params: dict[str, Any] = {"resampling": way} if way else {}
            if "threads" in catalogue.make(name).get_params():
                params["threads"] = threads
            made[f"{name} + {way}" if way else name] = partial(catalogue.make, name, **params)
    return made


def posterior_of(made: SyntheticHistory, label: str) -> Posterior:
    """The best possible answer to the question ``label``."""
    if label == "action":
        return Posterior(made.posterior, made.classes)
    return Posterior(made.parameters[label].probabilities, made.parameters[label].classes)


def best_possible(posterior: Posterior, one: Comparison) -> dict[str, float]:
    """The figures that the posterior itself has on the tasks that were held out."""
    fold = one.ranking[0].folds[0]
    rows = align(posterior.probabilities, posterior.classes, fold.classes)[fold.test]
    scores = score(Said(fold.labels, rows), fold.classes)
    return {name: getattr(scores, name) for name in SUMMARY}


def on_one_history(
    arms: Mapping[str, Make], options: argparse.Namespace, seed: int, talk: Console
) -> tuple[Comparison, dict[str, float]]:
    """All arms on the history of one seed, and the best that was possible there."""
    made = generate(options.tasks, seed)
    tasks = list(made.history.tasks)
    of = SCHEMES[options.label]
    labels = [of(task.decision) for task in tasks if task.decision is not None]
    posterior = posterior_of(made, options.label)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=talk, transient=True) as bar:
        work = bar.add_task("", total=None)

        def step(done: int, total: int, what: str) -> None:
            bar.update(work, completed=done, total=total, description=f"seed {seed}: {what}")

        one = compare(arms, tasks, labels, newest(tasks), step, posterior)
    talk.print(f"seed {seed}: {escape(one.told())}", soft_wrap=True)
    return one, best_possible(posterior, one)


def shown(interval: Interval) -> str:
    """``0.123 ± 0.045``, or a dash where there is nothing."""
    if math.isnan(interval.mean):
        return "-"
    if math.isnan(interval.low):
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} ± {interval.high - interval.mean:.3f}"


def tables(whole: Comparison, best: Mapping[str, Interval], title: str) -> Iterator[Table]:
    """A row an arm, best first, in tables of a few figures each; then each class."""
    for begin in range(0, len(SHOWN), 5):
        names = SHOWN[begin : begin + 5]
        bayes = [shown(best[name]) if name in best else "-" for name in names]
        yield table(whole, [(name, "") for name in names], title, bayes)
    for word in whole.classes:
        yield table(whole, [(name, word) for name in OF_CLASS], title, [])


def table(
    whole: Comparison, columns: Sequence[tuple[str, str]], title: str, best: Sequence[str]
) -> Table:
    """The figures ``columns``, each with its class; what is ``best`` possible comes first."""
    heads = (escape(f"{name} {word}".strip()) for name, word in columns)
    made = Table("arm", "to champion", *heads, title=title)
    if best:
        made.add_row("best possible", "", *best)
    for arm in whole.ranking:
        verdict = whole.against(arm.name, whole.champion).word
        figures = (arm.interval(name, word, independent=True) for name, word in columns)
        said = "champion" if arm.name == whole.champion else verdict
        made.add_row(escape(arm.name), said, *map(shown, figures))
    return made


def measure(options: argparse.Namespace, talk: Console) -> dict[str, Any]:
    """All arms on all histories."""
    arms = variants(options.arms or tuple(catalogue.ARMS), options.resampling, options.threads)
    begun = time.perf_counter()
    done = [on_one_history(arms, options, seed, talk) for seed in range(options.seeds)]
    whole = pooled([one for one, _ in done])
    bayes = {name: over_folds([best[name] for _, best in done]) for name in SUMMARY}
    title = f"{options.label}: {options.tasks} synthetic tasks, {options.seeds} seeds"
    tell(whole, bayes, title, talk)
    return {
        "data": "synthetic",
        "label": options.label,
        "tasks": options.tasks,
        "seeds": options.seeds,
        "split": "newest 20 % held out",
        "seconds": round(time.perf_counter() - begun, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": options.threads,
        "champion": whole.champion,
        "indistinguishable": list(whole.indistinguishable),
        "verdict": whole.told(),
        "best_possible": {name: interval.row() for name, interval in bayes.items()},
        "arms": whole.table(),
    }


def tell(whole: Comparison, best: Mapping[str, Interval], title: str, talk: Console) -> None:
    """The tables, what failed, and who won."""
    for one in tables(whole, best, title):
        talk.print(one)
    for arm in whole.arms:
        if arm.failure:
            talk.print(f"{escape(arm.name)} failed: {escape(arm.failure)}", soft_wrap=True)
    talk.print(escape(whole.told()), soft_wrap=True)


def words(text: str) -> tuple[str, ...]:
    """The words of a list with commas."""
    return tuple(filter(None, text.split(",")))


def main() -> None:
    """Print tables for people, then the JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=7582, help="of each history [7582]")
    parser.add_argument("--seeds", type=int, default=3, help="histories [3]")
    parser.add_argument("--arms", type=words, default=(), help="with commas [all]")
    parser.add_argument(
        "--resampling", type=words, default=RESAMPLINGS, help="of xgboost, with commas [all]"
    )
    parser.add_argument("--label", choices=LABELS, default="action", help="what is asked [action]")
    parser.add_argument("--threads", type=int, default=1, help="of an arm [1]")
    options = parser.parse_args()
    talk = Console(stderr=True)
    talk.width = max(talk.width, WIDTH)
    print(json.dumps(measure(options, talk), allow_nan=False))


if __name__ == "__main__":
    main()
