"""Study: how often to learn anew, on a synthetic cluster that changes on day 10 of 20.

Never, weekly, daily or hourly, one arm of each subject learns from the newest five days; what is in
use is judged by the truth on other jobs of the day. On day 15 comes a new type of job. Nothing is
vetted, so that only the age of models differs. The data are synthetic. The last line is one JSON
object: for each subject and cadence the mean error from the fourth day on, and from the change on,
with 95 % intervals over seeds, the mean age of the model in use (days), CPU seconds a day.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from jobmend.brain.learning.cadence.study import (
    CADENCES,
    FIRST_DAY,
    FailureLearner,
    Kept,
    Learner,
    TraceLearner,
    keep,
)
from jobmend.brain.learning.simulated.scenario import Scenario
from jobmend.classifier.failures.evaluation.intervals import over_folds

MAKERS: dict[str, Callable[[Scenario, str], Learner]] = {
    "traces": TraceLearner,
    "failures": FailureLearner,
}
QUICK = Scenario(days=6, change=5, new_type=6, poison=0, runs=30, tasks=40)


def scenario_of(seed: int, *, quick: bool) -> Scenario:
    """The usual scenario without the poisoned day: here nobody would set it apart."""
    base = QUICK if quick else Scenario(poison=0, runs=80, tasks=120)
    return Scenario(**{**vars(base), "seed": seed})


def study(arms: dict[str, str], seeds: int, *, quick: bool, talk: Console) -> dict[str, Any]:
    """All cadences of all subjects over ``seeds`` seeds."""
    found: dict[str, dict[str, list[Kept]]] = {name: {} for name in arms}
    with Progress(console=talk) as progress:
        line = progress.add_task("", total=None)
        for seed in range(seeds):
            scenario = scenario_of(seed, quick=quick)
            for name, arm in arms.items():
                learner = MAKERS[name](scenario, arm)
                for cadence, every in CADENCES.items():
                    words = f"{name}, {cadence}, seed {seed}"
                    progress.update(line, description=words)
                    kept = keep(scenario, learner, every, partial(_advance, progress, line))
                    found[name].setdefault(cadence, []).append(kept)
    change = scenario_of(0, quick=quick).change - FIRST_DAY
    return {
        "synthetic": True,
        "seeds": seeds,
        "arms": arms,
        "subjects": {
            name: {cadence: summary(of, change) for cadence, of in kept.items()}
            for name, kept in found.items()
        },
    }


def _advance(progress: Progress, line: TaskID, _what: str, done: int, total: int) -> None:
    progress.update(line, completed=done, total=total)


def summary(kept: Sequence[Kept], change: int) -> dict[str, Any]:
    """A cadence over seeds."""
    return {
        "error": over_folds([one.error for one in kept]).row(),
        "error_after_change": over_folds([_mean(one.errors[change:]) for one in kept]).row(),
        "age_days": round(_mean([one.age for one in kept]), 2),
        "cpu_seconds_a_day": round(_mean([one.cpu_seconds for one in kept]), 2),
        "errors": [round(_mean(day), 4) for day in zip(*(one.errors for one in kept), strict=True)],
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    """Measure, and print the JSON object."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seeds", type=int, default=3, help="histories [3]")
    options.add_argument("--traces", default="pca", help="arm of traces [pca]")
    options.add_argument("--failures", default="logistic", help="arm of failures [logistic]")
    options.add_argument("--quick", action="store_true", help="six small days, to try it out")
    asked = options.parse_args()
    arms = {"traces": asked.traces, "failures": asked.failures}
    found = study(arms, asked.seeds, quick=asked.quick, talk=Console(file=sys.stderr))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
