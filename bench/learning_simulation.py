"""The simulated days of ``jobmend learn --simulate-days`` over several seeds, with intervals.

**Synthetic.** For each seed a cluster of its own goes through the usual days: the workload changes
on day 10, what is told of day 13 is false, on day 15 comes a new type of job. The last line is one
JSON object: of each subject the mean errors before the change, of the model that stays and of the
champion once it is back, with 95 % intervals over seeds; turns until it was back, seed by seed; how
the turns of the poisoned day ended; champions; seconds of a simulation. With ``--daily`` a share of
what is told is false on all days beside: ``whole`` is the champion's mean error on all days judged,
seed by seed, to be held against a run without.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from jobmend.brain.learning import simulation
from jobmend.brain.learning.simulated import picture
from jobmend.brain.learning.simulated.outcome import Recovery, Simulated, poisoned_day, recovery
from jobmend.brain.learning.simulated.scenario import Scenario
from jobmend.brain.nan import or_nan
from jobmend.classifier.failures.evaluation.intervals import over_folds


def play(
    seeds: Sequence[int], days: int, daily: float, talk: Console
) -> list[tuple[Simulated, float]]:
    """A simulation of each seed, and the seconds it took."""
    found = []
    with Progress(console=talk) as progress:
        for seed in seeds:
            line = progress.add_task(f"seed {seed}", total=days)
            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:

                def tell(
                    what: str, done: int, total: int, *, of: int = seed, on: Any = line
                ) -> None:
                    progress.update(
                        on, description=f"seed {of}, {what}", completed=done, total=total
                    )

                played = simulation.run(
                    Scenario(days=days, daily=daily, seed=seed), Path(folder) / "here", tell
                )
            found.append((played, time.perf_counter() - began))
    return found


def summary(played: Sequence[tuple[Simulated, float]]) -> dict[str, Any]:
    """All seeds together."""
    first = played[0][0]
    return {
        "synthetic": True,
        "seeds": len(played),
        "days": first.scenario.days,
        "daily": first.scenario.daily,
        "seconds": [round(seconds, 1) for _, seconds in played],
        "subjects": {
            subject: of_subject(subject, [one for one, _ in played]) for subject in first.subjects
        },
    }


def of_subject(subject: str, played: Sequence[Simulated]) -> dict[str, Any]:
    """One subject over the seeds."""
    found = [one for one in (recovery(each, subject) for each in played) if one is not None]
    return {
        "before": _interval([one.before for one in found]),
        "frozen": _interval([one.frozen for one in found]),
        "after": _interval([or_nan(one.after) for one in found]),
        "recovered_within_turns": [one.turns for one in found],
        "without_learning_recovers": [one.frozen_recovers for one in found],
        "left": _interval([left(one) for one in found]),
        "whole": [whole(each, subject) for each in played],
        "apart": [sum(one.answered for one in each.of(subject)) for each in played],
        "quarantined": [
            sum(one.state == "quarantined" for one in each.of(subject)) for each in played
        ],
        "poisoned_day": [poisoned_day(each).get(subject, "") for each in played],
        "champions": [sum(it.subject == subject for it in each.changes) for each in played],
    }


def whole(found: Simulated, subject: str) -> float | None:
    """The mean error of the champions in use, over all days that were judged; None without any."""
    errors = [one.learning for one in found.of(subject) if one.learning is not None]
    return round(statistics.fmean(errors), 4) if errors else None


def left(found: Recovery) -> float:
    """The share of what the change costs the model that stays, that is left once it is back."""
    cost = found.frozen - found.before
    return (or_nan(found.after) - found.before) / cost if cost else math.nan


def _interval(values: Sequence[float]) -> list[float | None]:
    return over_folds(values).row()


def main() -> None:
    """Play, and print the JSON object."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seeds", type=int, default=3, help="simulations [3]")
    options.add_argument("--first", type=int, default=0, help="the first seed [0]")
    options.add_argument("--days", type=int, default=20, help="days of each [20]")
    options.add_argument("--daily", type=float, default=0.0, help="false share of each day [0]")
    options.add_argument("--out", type=Path, help="folder for a picture of each simulation")
    asked = options.parse_args()
    torch.set_num_threads(1)
    seeds = range(asked.first, asked.first + asked.seeds)
    played = play(seeds, asked.days, asked.daily, Console(file=sys.stderr))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        for seed, (found, _) in zip(seeds, played, strict=True):
            (asked.out / f"seed-{seed}.svg").write_bytes(picture.svg(found))
            (asked.out / f"seed-{seed}.png").write_bytes(picture.png(found))
    print(json.dumps(summary(played)))


if __name__ == "__main__":
    main()
