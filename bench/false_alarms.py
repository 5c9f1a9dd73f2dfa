"""How often healthy runs raise an alarm; a few minutes. The last line is one JSON object.

Synthetic: healthy runs are drawn from one population, so they are exchangeable, which runs of a
cluster are only as far as its work stays the same. Windows and threads of one run resemble each
other, and some windows are wilder than others.
Each seed draws runs, trains a model on them with the brain's own code, and judges new ones; the
interval is Student's over seeds, at 95 %. ``calibrated`` is the fifth of the runs that is kept for
it. ``law`` needs no model: the rate that one calibration gives for good is Beta(l, n + 1 - l)
distributed with l = floor(alpha (n + 1)), Vovk (2012, "Conditional validity of inductive conformal
predictors"), and it tells how often that lies between half and one and a half times alpha.
"""

from __future__ import annotations

import argparse
import json
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track as progress
from scipy import stats

from jobmend.classifier.traces.conformal import Calibration, Cell, Reference
from jobmend.classifier.traces.model import TraceModel
from jobmend.classifier.traces.tracks import Track, by_run
from jobmend.jobs.windows import FEATURES, TraceWindow

ALPHA = 0.01
STEPS, THREADS, WINDOWS, LONG = 8, 2, 4, 16
SIZES = (19, 99, 199, 499)
LAW = (99, 199, 499, 999, 1999, 2999)
Talk = Console(stderr=True)
Rates = dict[str, list[float]]


# ---- healthy runs ------------------------------------------------------------------------------


def healthy(
    rng: Generator, runs: int, name: str, windows: int = WINDOWS, rough: float = 1.0
) -> list[TraceWindow]:
    """Windows of ``runs`` runs: each has a level and a roughness of its own, which last."""
    found = []
    levels, noises = rng.uniform(0.3, 0.9, runs), rough * rng.lognormal(-3.0, 0.7, runs)
    for run, (level, noise) in enumerate(zip(levels, noises, strict=True)):
        shape = (windows, THREADS, STEPS, len(FEATURES))
        wild = noise * rng.lognormal(0.0, 0.7, (windows, 1, 1, 1))
        wander = noise * rng.normal(size=(windows, 1, 1, len(FEATURES)))
        values = np.abs(level + wander + wild * rng.normal(size=shape)).astype(np.float32)
        key, threads = f"{name}-{run}", tuple(range(THREADS))
        for place in range(windows):
            numbers = array("f", values[place].tobytes())
            found.append(TraceWindow("node", float(place), 1.0, threads, (key,) * THREADS, numbers))
    return found


def alarmed(cells: Iterable[Cell]) -> tuple[float, float]:
    """The shares of runs with an alarm about the job, and about a thread."""
    jobs: dict[str, bool] = {}
    threads: dict[str, bool] = {}
    for cell in cells:
        jobs[cell.run] = jobs.get(cell.run, False) or cell.p <= ALPHA
        odd = any(p <= ALPHA for p in cell.threads.values())
        threads[cell.run] = threads.get(cell.run, False) or odd
    return float(np.mean(list(jobs.values()))), float(np.mean(list(threads.values())))


# ---- what is measured --------------------------------------------------------------------------


def usual(rng: Generator, model: TraceModel, calibrated: int, tested: int) -> dict[str, float]:
    """One population, judged as the brain does."""
    model.fit(healthy(rng, 5 * calibrated, "known"))
    new = healthy(rng, tested, "new")
    tracks = model._tracks(new)
    jobs, threads = alarmed(model.calibration_.judge(tracks))
    return {"job": jobs, "thread": threads}


def naive(rng: Generator, model: TraceModel, calibrated: int, tested: int) -> dict[str, float]:
    """Each thread's window is compared with all such; the least p-value of the windows counts."""
    model.fit(healthy(rng, 5 * calibrated, "known"))
    kept = model._tracks(healthy(rng, calibrated, "kept"))
    all_scores = np.sort(np.concatenate([track.scores.ravel() for track in kept]))
    reference = Reference(all_scores)
    least = [
        np.min(2 * np.mean(reference.p_values(track.scores), axis=1))
        for track in model._tracks(healthy(rng, tested, "new"))
    ]
    return {"job": float(np.mean(np.array(least) <= ALPHA))}


def two_types(rng: Generator, model: TraceModel, calibrated: int, tested: int) -> dict[str, float]:
    """A quiet type of jobs and a rough one, compared with their own type and with both."""
    known = [*healthy(rng, 5 * calibrated, "quiet"), *healthy(rng, 5 * calibrated, "rough", 4, 3.0)]
    new = {"quiet": healthy(rng, tested, "quiet"), "rough": healthy(rng, tested, "rough", 4, 3.0)}
    owners = {owner for window in known for owner in window.owners if owner}
    model.fit(known, types={run: run.partition("-")[0] for run in owners})
    rates = {}
    for type, windows in new.items():
        tracks = model._tracks(windows)
        own = {track.run: type for track in tracks}
        rates[f"{type}, own type"] = alarmed(model.calibration_.judge(tracks, own))[0]
        rates[f"{type}, unknown type"] = alarmed(model.calibration_.judge(tracks))[0]
    return rates


def two_lengths(
    rng: Generator, model: TraceModel, calibrated: int, tested: int
) -> dict[str, float]:
    """Short runs, three in ten, that are rougher than long ones; each at the depth it has."""

    def drawn(runs: int, name: str) -> list[TraceWindow]:
        short = 3 * runs // 10
        long = healthy(rng, runs - short, f"{name}-long")
        return [*healthy(rng, short, f"{name}-short", 1, 3.0), *long]

    model.fit(drawn(5 * calibrated, "known"))
    cells = model.calibration_.judge(model._tracks(drawn(tested, "new")))
    rates = {"all": alarmed(cells)[0]}
    for length in ("short", "long"):
        rates[length] = alarmed(cell for cell in cells if f"new-{length}" in cell.run)[0]
    return rates


def watched(rng: Generator, model: TraceModel, calibrated: int, tested: int) -> dict[str, float]:
    """Long runs looked at once, and after each of their windows."""
    model.fit(healthy(rng, 5 * calibrated, "known", LONG))
    tracks = model._tracks(healthy(rng, tested, "new", LONG))
    calibration = model.calibration_
    looks = [cut for track in tracks for cut in prefixes(track)]
    every = [any(alarms) for alarms in looked(calibration, tracks, looks)]
    once = alarmed(calibration.judge(tracks))[0]
    return {"once": once, f"at each of {LONG} windows": float(np.mean(every))}


def prefixes(track: Track) -> list[Track]:
    """The track as it was after each window."""
    return [
        Track(f"{track.run}@{end}", track.node, track.threads, track.scores[:end])
        for end in range(1, len(track.scores) + 1)
    ]


def looked(
    calibration: Calibration, tracks: Sequence[Track], looks: Sequence[Track]
) -> Iterable[list[bool]]:
    """Of each track, whether there was an alarm at each look."""
    rang = {cell.run: cell.p <= ALPHA for cell in calibration.judge(looks)}
    for run, of_run in by_run(tracks).items():
        yield [rang[f"{run}@{end}"] for end in range(1, len(of_run[0].scores) + 1)]


Trial = Callable[[Generator, TraceModel, int, int], dict[str, float]]


def over_seeds(
    words: str, trial: Trial, about: argparse.Namespace, calibrated: int
) -> dict[str, Any]:
    """Mean rate in per cent and its interval, by what is alarmed about."""
    rates: Rates = {}
    for seed in progress(range(about.seeds), words, console=Talk):
        rng = np.random.default_rng([seed, calibrated])
        model = TraceModel(reconstruction=about.model, epochs=20, seed=seed)
        for name, rate in trial(rng, model, calibrated, about.tested).items():
            rates.setdefault(name, []).append(rate)
    rows = {name: interval(found) for name, found in rates.items()}
    for name, row in rows.items():
        told = "{percent} % ({low} to {high})".format(**row)
        Talk.print(f"{words}, {name}: {told}", highlight=False)
    return {"calibrated": calibrated, "rates": rows}


def interval(rates: Sequence[float]) -> dict[str, float]:
    """Mean and Student's interval at 95 %, in per cent."""
    found: NDArray[np.float64] = 100 * np.asarray(rates)
    half = 0.0
    if len(found) > 1:
        half = float(stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
    mean = float(found.mean())
    return {
        "percent": round(mean, 3),
        "low": round(max(mean - half, 0.0), 3),
        "high": round(mean + half, 3),
    }


def within(runs: int) -> float:
    """How often a calibration of so many runs gives a rate of 0.5 to 1.5 alpha for good."""
    least = math.floor(ALPHA * (runs + 1) + 1e-9)
    if not least:
        return 0.0
    law = stats.beta(least, runs + 1 - least)
    return float(law.cdf(1.5 * ALPHA) - law.cdf(0.5 * ALPHA))


def law() -> Mapping[str, Any]:
    """The share of calibrations that keep the bound, by size, and the size for 95 % of them."""
    enough = next(runs for runs in range(99, 20_000, 100) if within(runs) >= 0.95)
    return {"within": {runs: round(within(runs), 3) for runs in LAW}, "for_95_percent": enough}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--tested", type=int, default=300, help="new healthy runs a seed")
    parser.add_argument("--model", default="pca", help="which window model")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="calibration runs")
    about = parser.parse_args()
    sizes = [over_seeds(f"{size} calibration runs", usual, about, size) for size in about.sizes]
    found = {
        "synthetic": True,
        "alpha_percent": 100 * ALPHA,
        "model": about.model,
        "seeds": about.seeds,
        "tested_per_seed": about.tested,
        "sizes": sizes,
        "windows_for_runs": over_seeds("windows taken for runs", naive, about, 99),
        "two_types": over_seeds("two types of jobs", two_types, about, 120),
        "two_lengths": over_seeds("short runs and long ones", two_lengths, about, 199),
        "watched": over_seeds("long runs", watched, about, 99),
        "law": law(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
