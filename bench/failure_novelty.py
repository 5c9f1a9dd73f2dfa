"""Whether causes never seen in training are noticed: each cause left out in turn, synthetic.

A detector and an arm learn on the older tasks of a history without the cause. Then counts, of the
newest known tasks and of tasks of the cause, how many are abstained from: for novelty, or because
no action is cheap enough. Simple detectors stand beside, each at the level that asks about as many
of the known tasks. The last line is one JSON object; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from sklearn.ensemble import IsolationForest

from jobmend.classifier.failures.arms import catalogue
from jobmend.classifier.failures.arms.arm import Arm
from jobmend.classifier.failures.calibrated import CalibratedArm
from jobmend.classifier.failures.labels import SCHEMES
from jobmend.classifier.failures.synthetic.causes import CAUSES
from jobmend.classifier.failures.synthetic.tasks import TASKS, generate
from jobmend.classifier.failures.task import FailedTask
from jobmend.classifier.failures.trust.abstention import Costs, abstentions, choose
from jobmend.classifier.failures.trust.novelty import LEVEL, Novelty, within

Floats = NDArray[np.float64]
NEW = 400  # tasks of the cause that was left out
BUDGET = 0.09  # of the known tasks; the bound is 0.10


def labels(tasks: Sequence[FailedTask]) -> list[str]:
    """What was done about each task."""
    return [SCHEMES["action"](task.decision) for task in tasks if task.decision]


def left_out(cause: str, n: int, arm: str, seed: int) -> dict[str, float]:
    """Shares of abstained tasks, all of synthetic history without ``cause``."""
    tasks = generate(n, seed, without_causes=[cause]).history.tasks
    split = int(0.8 * n)
    older, known = tasks[:split], tasks[split:]
    new = generate(NEW, seed + 1, only_causes=[cause]).history.tasks
    begun = time.perf_counter()
    novelty = Novelty.fit(older, seed)
    seconds = time.perf_counter() - begun

    def make() -> Arm:
        return catalogue.make(arm, seed=seed)

    model, honest = CalibratedArm.fit(make, older, labels(older), alpha=0.1, seed=seed)
    asked = abstentions(choose(honest, model.classes, Costs()))
    level = within(BUDGET, novelty.held_out, asked)
    p_known, p_new = novelty.p_values(known), novelty.p_values(new)
    said_known, said_new = model.predict_proba(known), model.predict_proba(new)
    doubt_known, doubt_new = (
        abstentions(choose(said, model.classes, Costs())) for said in (said_known, said_new)
    )
    abstained = float(np.mean(doubt_known | (p_known <= level)))
    rest = {
        name: _share_at(of(known), of(new), abstained)
        for name, of in _simple(novelty, older, model).items()
    }
    return {
        "fit_seconds": round(seconds, 1),
        "known novel at 5 %": float(np.mean(p_known <= LEVEL)),
        "new novel at 5 %": float(np.mean(p_new <= LEVEL)),
        "known in doubt": float(doubt_known.mean()),
        "known, 5 %": float(np.mean(doubt_known | (p_known <= LEVEL))),
        "new, 5 %": float(np.mean(doubt_new | (p_new <= LEVEL))),
        "level": level,
        "known, budget": abstained,
        "new, budget": float(np.mean(doubt_new | (p_new <= level))),
        **rest,
    }


def _simple(
    novelty: Novelty, older: Sequence[FailedTask], model: CalibratedArm
) -> dict[str, Callable[[Sequence[FailedTask]], Floats]]:
    """Scores of simple detectors, higher for what is more unusual."""
    reader = novelty.surprise.reader
    forest = IsolationForest(random_state=0).fit(reader.read(older).rows)

    def entropy(tasks: Sequence[FailedTask]) -> Floats:
        p = model.predict_proba(tasks)
        return np.asarray(-(p * np.log(p)).sum(axis=1))

    def by(column: int) -> Callable[[Sequence[FailedTask]], Floats]:
        return lambda tasks: novelty.surprise.scores(reader.read(tasks))[:, column]

    return {
        "max probability": lambda tasks: -model.predict_proba(tasks).max(axis=1),
        "entropy": entropy,
        "isolation forest": lambda tasks: -forest.score_samples(reader.read(tasks).rows),
        "unlike any cause alone": by(0),
        "facts at odds alone": by(1),
        "code in excess alone": by(2),
        "far from all alone": by(3),
    }


def _share_at(known: Floats, new: Floats, share: float) -> float:
    """The share of ``new`` above the level that ``share`` of the known ones are above."""
    return float(np.mean(new > np.quantile(known, 1 - share)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=TASKS, help="of each history")
    parser.add_argument("--causes", nargs="*", default=list(CAUSES), choices=list(CAUSES))
    parser.add_argument("--arm", default="xgboost", help="whose doubt counts beside")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    talk = Console(stderr=True)
    rows: dict[str, Any] = {}
    for cause in track(asked.causes, "leaving out", console=talk):
        rows[cause] = left_out(cause, asked.tasks, asked.arm, asked.seed)
        talk.print(cause, {name: round(value, 3) for name, value in rows[cause].items()})
    new = [row["new, budget"] for row in rows.values()]
    summary = {
        "data": "synthetic",
        "tasks": asked.tasks,
        "arm": asked.arm,
        "causes": rows,
        "new_least": min(new),
        "new_mean": float(np.mean(new)),
        "known_most": max(row["known, budget"] for row in rows.values()),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
