"""Study a: how well trace models put windows of healthy jobs together again, by job type.

Each seed parts the runs anew and gives networks new first weights. The error is that of healthy
runs nobody learned from, in squared interquartile ranges of a feature. "one mean" takes every
window for the mean of those learned from. The last line is one JSON object.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies import drawing, trial
from studies.command import Options, bar, conduct, parser
from studies.figures import over_splits_log, surely
from studies.parts import Set, deal, load

from jobmend.classifier.failures.reporting.report import Picture, Section, Table, Value

MODELS = ("autoencoder", "autoencoder-graph", "variational", "pca")
MEAN, PCA, ALL = "one mean", "pca", "all types"
Errors = Mapping[str, Mapping[str, Sequence[float]]]  # by model, by job type, one a seed


def errors_of(ready: trial.Trial, seed: int, budget: trial.Budget) -> dict[str, dict[str, float]]:
    """By model, the mean error of tested healthy runs of each type, and of all types."""
    healthy = {one.run for one in ready.whole.recorded if one.fault == "none"}
    rows = ready.whole.rows(ready.parts.test & healthy)
    values, mask = ready.whole.values[rows], ready.whole.mask[rows]
    types = np.array([one.job_type for one in ready.whole.recorded])[rows]
    found = {}
    for name in MODELS:
        model = trial.fitted(name, ready, seed, budget)
        found[name] = _means(model.score_samples(values, mask), types)
    there = ready.training.mask.any(axis=(2, 3))
    mean = ready.training.values[there].mean(axis=0)
    squares = np.square(values - mean).sum(axis=(2, 3), where=mask, dtype=np.float64)
    counted = mask.sum(axis=(2, 3))
    known = np.where(counted > 0, squares / np.maximum(counted, 1), np.nan)
    return found | {MEAN: _means(known, types)}


def _means(scores: NDArray[np.float64], types: NDArray[np.str_]) -> dict[str, float]:
    by_type = {str(name): float(np.nanmean(scores[types == name])) for name in np.unique(types)}
    return by_type | {ALL: float(np.mean(list(by_type.values())))}


def measure(data: Set, options: Options) -> Errors:
    """Errors of every model over the seeds."""
    budget = trial.Budget(epochs=2 if options.quick else 200)
    found: dict[str, dict[str, list[float]]] = {}
    with bar("reconstruction", options.seeds) as advance:
        for seed in range(options.seeds):
            ready = trial.prepare(data, deal(data, seed))
            for model, errors in errors_of(ready, seed, budget).items():
                for type, error in errors.items():
                    found.setdefault(model, {}).setdefault(type, []).append(error)
            advance()
    return found


def findings(errors: Errors) -> list[str]:
    """For each network, whether its error is below that of principal components."""
    told = []
    for name in MODELS:
        if name == PCA:
            continue
        pairs = zip(errors[name][ALL], errors[PCA][ALL], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        side, _ = surely([float(np.log(ratio)) for ratio in ratios], len(MODELS) - 1)
        words = {1: "larger than", -1: "smaller than"}.get(side, "not shown to differ from")
        ratio = over_splits_log(ratios)
        told.append(f"{name}: its error is {words} that of PCA; the ratio is {ratio}.")
    return told


def section(errors: Errors, options: Options) -> Section:
    """The study as it is told."""
    types = [*sorted(set(errors[PCA]) - {ALL}), ALL]
    cells = {name: [over_splits_log(of[type]) for type in types] for name, of in errors.items()}
    rows: list[list[Value]] = [
        [type, *(cells[name][row] for name in cells)] for row, type in enumerate(types)
    ]
    table = Table(
        ["job type", *cells],
        rows,
        f"Mean squared error of healthy runs not learned from: geometric mean of {options.seeds} "
        "seeds with 95 % interval",
        frozenset({len(types) - 1}),
    )
    image = drawing.dots(
        "Reconstruction error of healthy runs", types, cells, "mean squared error", log=True
    )
    text = "Error of each model by job type, with intervals; further left is better."
    return Section(
        "reconstruction",
        "a. Reconstruction error by job type",
        findings(errors),
        {"seeds": options.seeds, "steps of a window": trial.STEPS, "latent size": 16},
        [table],
        [Picture("reconstruction", text, image)],
    )


def main() -> None:
    """Measure and tell."""
    about = parser(__doc__, seeds=10)
    conduct(about, lambda options, _: section(measure(load(options.data), options), options))


if __name__ == "__main__":
    main()
