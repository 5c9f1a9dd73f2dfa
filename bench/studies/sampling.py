"""Study c: does higher sampling differentiate better?

The same recorded seconds are shown as sampling every 0.1, 0.5, 1, 5 and 15 s would have shown them
(means of steps), so that nothing but the interval changes. Told are the silhouette of job types
among healthy runs nobody learned from, and the AUROC of faulty runs: of the steps as they are, and
of mean and spread of each feature over them (scored by PCA). ``--long`` names a set of longer
healthy windows (600 steps), for silhouettes up to 30 s; it holds no faults, so for 30 s there is no
AUROC. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies import drawing, trial
from studies.command import Options, bar, conduct, parser
from studies.figures import detection, over_splits, silhouette, surely
from studies.parts import Parts, Set, deal, load

from jobmend.classifier.failures.evaluation.intervals import Interval
from jobmend.classifier.failures.reporting.report import Picture, Section, Table, Value
from jobmend.classifier.traces.dataset import HEALTHY, Recorded, read
from jobmend.classifier.traces.normalise import Scaling
from jobmend.classifier.traces.resampling import coarsen
from jobmend.classifier.traces.samples import stack, values_of

FACTORS = (1, 5, 10, 50, 150)  # of the recorded 0.1 s
LONG_FACTORS = (*FACTORS, 300)
SPAN = 150  # steps of 0.1 s: the newest 15 s of each run, which all intervals divide
LONG_SPAN = 600
MODELS = ("pca", "autoencoder", "autoencoder-graph", "variational")
INPUT, CODES = "silhouette, input", "silhouette, PCA codes"
MOMENTS = "means and spreads"


@dataclass
class Found:
    """Figures by name and interval: one a seed."""

    of: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    def add(self, name: str, factor: int, value: float) -> None:
        """One more seed."""
        self.of.setdefault(name, {}).setdefault(factor, []).append(value)

    def gains(self, name: str, factor: int) -> list[float]:
        """The figure at ``factor`` minus that of 0.1 s, seed by seed."""
        pairs = zip(self.of[name][factor], self.of[name][FACTORS[0]], strict=True)
        return [ours - fine for ours, fine in pairs]


def slower(data: Set, factor: int, span: int) -> Set:
    """The newest ``span`` steps of each window as a sampling ``factor`` times slower shows them."""
    newest = [trial.newest_steps(one, span) for one in data.recorded]
    return Set(coarsen(newest, factor), data.slots)


def moments(data: Set) -> Set:
    """Each window as one step: of every feature its mean and its spread over the steps.

    What a slower sampling averages away is in the spreads; at one step there are none, and they
    are 0.
    """
    found = []
    for one in data.recorded:
        whole = one.window
        values = values_of(whole)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=1), 1)
        mean = np.where(known, values, 0).sum(axis=1) / count
        square = np.where(known, np.square(values - mean[:, None]), 0).sum(axis=1) / count
        both = np.concatenate([mean, np.sqrt(square)], axis=1).astype(np.float32)
        seen = np.concatenate([known.any(axis=1)] * 2, axis=1)
        names = (*whole.features, *(f"spread of {name}" for name in whole.features))
        window = replace(
            whole,
            step_seconds=whole.step_seconds * whole.steps,
            features=names,
            values=array("f", np.where(seen, both, np.float32(np.nan)).tobytes()),
        )
        found.append(replace(one, window=window))
    return Set(found, data.slots)


def measure(data: Set, options: Options) -> Found:
    """Silhouettes and AUROC at each interval over the seeds."""
    budget = trial.Budget(epochs=2 if options.quick else 150)
    coarse = {factor: slower(data, factor, SPAN) for factor in FACTORS}
    told = {factor: moments(data) for factor, data in coarse.items()}
    found = Found()
    with bar("sampling", options.seeds * len(FACTORS)) as advance:
        for seed in range(options.seeds):
            parts = deal(data, seed)
            for factor in FACTORS:
                at = Split(found, parts, factor, seed, budget)
                at.of(coarse[factor], "", MODELS)
                at.of(told[factor], MOMENTS, ("pca",))
                advance()
    return found


@dataclass(frozen=True)
class Split:
    """One interval and seed, and where its figures go."""

    found: Found
    parts: Parts
    factor: int
    seed: int
    budget: trial.Budget

    def of(self, data: Set, view: str, models: Sequence[str]) -> None:
        """Add the figures of a view of the windows by these models."""
        steps = data.recorded[0].window.steps
        ready = trial.prepare(data, self.parts, steps, steps)
        faults, types = data.faults, data.types
        tested = ready.whole.rows(self.parts.healthy(faults, "test"))
        values, mask = ready.whole.values[tested], ready.whole.mask[tested]
        there = mask.any(axis=(2, 3))
        labels = np.array([one.job_type for one in ready.whole.recorded])[tested]
        labels = np.repeat(labels, there.sum(axis=1))
        rows = values[there].reshape(int(there.sum()), -1)
        self.found.add(f"silhouette, {view or 'input'}", self.factor, silhouette(rows, labels))
        known = self.parts.healthy(faults, "validation")
        for name in models:
            model = trial.fitted(name, ready, self.seed, self.budget)
            if name == "pca" and not view:
                rows = model.embed(values, mask)[there]
                self.found.add(CODES, self.factor, silhouette(rows, labels))
            scores = trial.by_type(trial.run_scores(model, ready), data, known)
            auroc, _ = detection(scores, self.parts.test, faults, types)
            self.found.add(f"AUROC, {view or name}", self.factor, auroc)


def long_silhouettes(recorded: Sequence[Recorded]) -> dict[int, float]:
    """Silhouette of job types in the input over 60 s windows of healthy runs, by factor.

    Types recorded once take part: their windows are those of one run's threads.
    """
    found = {}
    healthy = [one for one in recorded if one.fault == HEALTHY]
    for factor in LONG_FACTORS:
        coarse = coarsen([trial.newest_steps(one, LONG_SPAN) for one in healthy], factor)
        window = coarse[0].window
        samples = stack([one.window for one in coarse], window.steps, window.features)
        usable = samples.usable
        scaled, _ = Scaling.learn(samples.values[usable]).apply(samples.values)
        labels = np.repeat(np.array([one.job_type for one in coarse]), usable.sum(axis=1))
        found[factor] = silhouette(scaled[usable].reshape(int(usable.sum()), -1), labels)
    return found


# ---- words -------------------------------------------------------------------------------------


def seconds(factor: int) -> str:
    """An interval as told."""
    return f"{factor / 10:g} s"


def findings(found: Found, *, long: bool) -> list[str]:
    """The answer, figure by figure, and what these data cannot tell."""
    told = []
    for name in found.of:
        sides: dict[int, list[str]] = {1: [], -1: [], 0: []}
        for factor in FACTORS[1:]:
            side, gain = surely(found.gains(name, factor), len(found.of) * (len(FACTORS) - 1))
            sides[side].append(f"{seconds(factor)} ({gain})")
        words = [f"slower is better at {', '.join(sides[1])}"] if sides[1] else []
        words += [f"slower is worse at {', '.join(sides[-1])}"] if sides[-1] else []
        told.append(f"{name}, against 0.1 s: {'; '.join(words) or 'no difference shown'}.")
    told.append(
        "15 s is one number a feature and run, its mean. 30 s is longer than the recorded windows: "
        + (
            "silhouettes alone, from the longer healthy windows, tell of it."
            if long
            else "no data."
        )
    )
    return told


def tables(found: Found, long: Mapping[int, float], seeds: int) -> list[Table]:
    """Figures by interval, and their differences from 0.1 s."""
    rows: list[list[Value]] = []
    gains: list[list[Value]] = []
    for name, of in found.of.items():
        rows.append([name, *(over_splits(of[factor], share=False) for factor in FACTORS)])
        gains.append([name, *(_gain(found, name, factor) for factor in FACTORS[1:])])
    steps = [seconds(factor) for factor in FACTORS]
    told = [
        Table(["interval", *steps], rows, f"The same 15 s of each run, {seeds} seeds, 95 %"),
        Table(["interval", *steps[1:]], gains, "Difference from 0.1 s, same splits and seeds"),
    ]
    if long:
        whole: list[Value] = [INPUT, *(_known(value) for value in long.values())]
        caption = "The longer healthy windows, 60 s, all runs"
        told.append(Table(["interval", *map(seconds, long)], [whole], caption))
    return told


def _gain(found: Found, name: str, factor: int) -> Interval:
    return over_splits(found.gains(name, factor), share=False)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def section(found: Found, long: Mapping[int, float], options: Options) -> Section:
    """The study as it is told."""
    kinds = {
        "silhouette of job types": [name for name in found.of if name.startswith("silh")],
        "AUROC of faulty runs": [name for name in found.of if name.startswith("AUROC")],
    }
    panels = {
        title: {
            name.partition(", ")[2]: [
                over_splits(found.of[name][factor], share=False) for factor in FACTORS
            ]
            for name in names
        }
        for title, names in kinds.items()
    }
    image = drawing.lines(
        panels, "Sampling interval", [factor / 10 for factor in FACTORS], "seconds between samples"
    )
    text = "Silhouette of job types and AUROC of faulty runs by sampling interval, with intervals."
    return Section(
        "sampling",
        "c. Does higher sampling differentiate better?",
        findings(found, long=bool(long)),
        {"seeds": options.seeds, "seconds of each run": SPAN / 10},
        tables(found, long, options.seeds),
        [Picture("sampling", text, image)],
    )


def study(options: Options, told: argparse.Namespace) -> Section:
    """The whole of it, with the healthy windows of 60 s where ``told.long`` has some."""
    long = long_silhouettes(read(told.long)) if told.long else {}
    return section(measure(load(options.data), options), long, options)


def main() -> None:
    """Measure and tell."""
    about = parser(__doc__, seeds=10)
    about.add_argument("--long", type=Path, help="folder of a set with healthy windows of 60 s")
    conduct(about, study)


if __name__ == "__main__":
    main()
