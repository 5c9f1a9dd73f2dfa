"""Study d: how large a latent space, and how long a window?

For a dense auto-encoder and principal components: AUROC of faulty validation and test runs (scores
normalised by job type) for each latent size and window length. The setting is chosen by validation
runs alone; its test figure stands beside that of the usual setting. The last line is one JSON
object.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies import drawing, trial
from studies.command import Options, bar, conduct, parser
from studies.figures import detection, over_splits, surely
from studies.parts import Set, deal, load

from jobmend.classifier.failures.reporting.report import Picture, Section, Table, Value

LATENTS = (2, 4, 8, 16, 32)
LENGTHS = (16, 32, 64, 96, 192)
USUAL = (16, 64)
MODELS = ("autoencoder", "pca")
Setting = tuple[int, int]  # latent size, steps of a window
Figures = dict[str, dict[Setting, list[tuple[float, float]]]]  # (validation, test), one a seed


def measure(data: Set, options: Options) -> Figures:
    """AUROC of every setting over the seeds."""
    budget = trial.Budget(epochs=2 if options.quick else 150)
    latents = LATENTS[2:4] if options.quick else LATENTS
    lengths = LENGTHS[2:4] if options.quick else LENGTHS
    found: Figures = {name: {} for name in MODELS}
    with bar("sizes", options.seeds * len(lengths) * len(latents)) as advance:
        for seed, steps in product(range(options.seeds), lengths):
            ready = trial.prepare(data, deal(data, seed), steps, max(16, steps // 4))
            for latent, name in product(latents, MODELS):
                about = _options(name, latent)
                figures = aurocs(ready, data, trial.fitted(name, ready, seed, budget, **about))
                found[name].setdefault((latent, steps), []).append(figures)
                if name == MODELS[-1]:
                    advance()
    return found


def _options(name: str, latent: int) -> dict[str, Any]:
    """PCA keeps exactly so many components here, whatever they explain."""
    return {"latent": latent, "explained": 1.0} if name == "pca" else {"latent": latent}


def aurocs(ready: trial.Trial, data: Set, model: Any) -> tuple[float, float]:
    """AUROC over validation runs and over test runs."""
    types, faults, parts = data.types, data.faults, ready.parts
    scores = trial.by_type(
        trial.run_scores(model, ready), data, parts.healthy(faults, "validation")
    )
    return (
        detection(scores, parts.validation, faults, types)[0],
        detection(scores, parts.test, faults, types)[0],
    )


def chosen(found: Figures, name: str) -> Setting:
    """The setting with the best mean over validation runs."""
    means = {of: np.mean([pair[0] for pair in pairs]) for of, pairs in found[name].items()}
    return max(means, key=lambda setting: float(means[setting]))


def findings(found: Figures) -> list[str]:
    """What validation chose, and whether that is better in the test than the usual setting."""
    told = []
    for name in MODELS:
        best = chosen(found, name)
        test = over_splits([pair[1] for pair in found[name][best]])
        words = f"{name}: validation chooses {_words(best)}, test AUROC {test}"
        if best != USUAL and USUAL in found[name]:
            pairs = zip(found[name][best], found[name][USUAL], strict=True)
            side, gain = surely([ours[1] - usual[1] for ours, usual in pairs], len(MODELS))
            sure = {1: "better", -1: "worse"}.get(side, "not shown to differ")
            words += f"; less that of the usual {_words(USUAL)}: {gain}, {sure}"
        told.append(f"{words}.")
    return told


def _words(setting: Setting) -> str:
    return f"{setting[0]} codes of {setting[1] / 10:g} s"


def section(found: Figures, options: Options) -> Section:
    """The study as it is told."""
    settings = sorted(found[MODELS[0]])
    latents = sorted({latent for latent, _ in settings})
    lengths = sorted({steps for _, steps in settings})
    panels = {
        f"{name}, test AUROC": np.array(
            [[_mean(found[name][latent, steps]) for steps in lengths] for latent in latents]
        )
        for name in MODELS
    }
    below = [f"{steps / 10:g}" for steps in lengths]
    image = drawing.grid("Latent size and window length", panels, below, [str(n) for n in latents])
    return Section(
        "sizes",
        "d. Latent size and window length",
        findings(found),
        {"seeds": options.seeds},
        [_table(found, name, options.seeds) for name in MODELS],
        [Picture("sizes", "Mean test AUROC by latent size and seconds of a window.", image)],
    )


def _mean(pairs: Sequence[tuple[float, float]]) -> float:
    return float(np.mean([pair[1] for pair in pairs]))


def _table(found: Figures, name: str, seeds: int) -> Table:
    settings = sorted(found[name])
    rows: list[list[Value]] = [
        [
            f"{latent} codes, {steps / 10:g} s",
            over_splits([pair[0] for pair in found[name][latent, steps]]),
            over_splits([pair[1] for pair in found[name][latent, steps]]),
        ]
        for latent, steps in settings
    ]
    strong = frozenset({settings.index(chosen(found, name))})
    caption = f"{name}: AUROC over {seeds} seeds with 95 % intervals; bold is chosen by validation"
    return Table(["setting", "validation", "test"], rows, caption, strong)


def main() -> None:
    """Measure and tell."""
    about = parser(__doc__, seeds=5)
    conduct(about, lambda options, _: section(measure(load(options.data), options), options))


if __name__ == "__main__":
    main()
