"""How long it takes to answer about one workflow, with the evidence, on a synthetic history.

A classifier learns as many tasks as the published history has; then it is asked about the newest
ones, one at a time, warm, whole and part by part. The last line is one JSON object, milliseconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID

from jobmend.classifier.failures.model import ARMS, EVIDENCE, PAST, FailureClassifier
from jobmend.classifier.failures.synthetic.tasks import TASKS, generate
from jobmend.classifier.failures.task import FailedTask, History
from jobmend.classifier.failures.trust.explanation import Explainer

ASKED = 500
WARM = 20


def milliseconds(
    ask: Callable[[FailedTask], object], tasks: Sequence[FailedTask]
) -> dict[str, float]:
    """Median and 95th percentile over ``tasks``, after a few that are not counted."""
    for task in tasks[:WARM]:
        ask(task)
    spans = []
    for task in tasks:
        begun = time.perf_counter()
        ask(task)
        spans.append(1000 * (time.perf_counter() - begun))
    return {"p50": float(np.median(spans)), "p95": float(np.percentile(spans, 95))}


def fitted(history: History, arms: Sequence[str], talk: Console) -> FailureClassifier:
    """A classifier of ``history``, with bars of what it is doing."""
    with Progress(console=talk) as progress:
        bars: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what)
            progress.update(bars[what], completed=done, total=total)

        return FailureClassifier(arms=arms).fit(history, tell)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=TASKS, help="that are learned")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), help="that compete")
    asked = parser.parse_args()
    talk = Console(stderr=True)
    tasks = generate(asked.tasks + ASKED, 1).history.tasks
    older, newer = tasks[: asked.tasks], tasks[asked.tasks :]
    model = fitted(History(older, "synthetic", synthetic=True), asked.arms, talk)
    explainer, usual = Explainer(model.action_.arm), model.action_.classes[0]
    parts: dict[str, Callable[[FailedTask], object]] = {
        "whole": lambda task: model.predict([task]),
        "probabilities": lambda task: model.predict_proba([task]),
        "parameters": lambda task: [a.predict_proba([task]) for a in model.parameters_.values()],
        "novelty": lambda task: model.novelty_.p_values([task]),
        "explanation": lambda task: explainer.weigh(task, usual, EVIDENCE),
        "past tasks": lambda task: model.neighbours_.nearest(task, PAST),
    }
    spans = {}
    for name, ask in parts.items():
        spans[name] = milliseconds(ask, newer)
        talk.print(f"{name:14} p50 {spans[name]['p50']:7.2f} ms  p95 {spans[name]['p95']:7.2f} ms")
    about = {"data": "synthetic", "tasks": asked.tasks, "champion": model.about_.champion}
    print(json.dumps({**about, "milliseconds": spans}))


if __name__ == "__main__":
    main()
