"""Study b: do job types lie apart, in the windows themselves and in what models make of them?

Silhouette of job types over the windows of healthy runs nobody learned from, in input space and in
the latent space of each model; beside it how often the nearest window of another run is of the
same type, and both with types drawn by chance. Pictures by PCA, and by UMAP (McInnes, Healy and
Melville 2018) or t-SNE (van der Maaten and Hinton 2008). The last line is one JSON object.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies import drawing, trial
from studies.command import Options, bar, conduct, parser
from studies.figures import Names, Rows, neighbours_agree, over_splits, silhouette, surely
from studies.parts import Set, deal, load

from jobmend.classifier.failures.reporting.report import Picture, Section, Table

MODELS = ("autoencoder", "autoencoder-graph", "variational", "pca")
INPUT, PCA, CHANCE = "input", "pca", "types drawn by chance"
DRAWN = ("autoencoder", "autoencoder-graph")
Figures = Mapping[
    str, Sequence[tuple[float, float]]
]  # by space, one (silhouette, agreement) a seed


def spaces_of(ready: trial.Trial, seed: int, budget: trial.Budget) -> dict[str, Rows]:
    """``[thread windows, numbers]`` of the whole data in each space; inputs are 0 where unknown."""
    whole = ready.whole
    there = whole.mask.any(axis=(2, 3))
    found = {INPUT: whole.values[there].reshape(int(there.sum()), -1)}
    for name in MODELS:
        model = trial.fitted(name, ready, seed, budget)
        found[name] = model.embed(whole.values, whole.mask)[there]
    return found


def labels_of(ready: trial.Trial) -> tuple[Names, Names, Names]:
    """Run, job type and fault of each thread window, in the order of :func:`spaces_of`."""
    there = ready.whole.mask.any(axis=(2, 3)).sum(axis=1)
    names = ("run", "job_type", "fault")
    columns = [[getattr(one, name) for one in ready.whole.recorded] for name in names]
    run, type, fault = (np.repeat(np.array(column), there) for column in columns)
    return run, type, fault


def by_chance(runs: Names, types: Names, seed: int) -> Names:
    """Types permuted among runs, so that windows of a run keep one type."""
    names, first, places = np.unique(runs, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray(types[first][order][places])


def measure(data: Set, options: Options) -> tuple[Figures, dict[str, Rows], Names]:
    """Figures over the seeds, and what is drawn: spaces of the first seed with their types."""
    budget = trial.Budget(epochs=2 if options.quick else 200)
    found: dict[str, list[tuple[float, float]]] = {}
    drawn: tuple[dict[str, Rows], Names] = ({}, np.array([]))
    with bar("separation", options.seeds) as advance:
        for seed in range(options.seeds):
            ready = trial.prepare(data, deal(data, seed))
            spaces = spaces_of(ready, seed, budget)
            runs, types, faults = labels_of(ready)
            if seed == 0:
                healthy = faults == "none"
                shown = {name: spaces[name][healthy] for name in (INPUT, *DRAWN)}
                drawn = shown, types[healthy]
            tested = np.isin(runs, list(ready.parts.test)) & (faults == "none")
            here = (runs[tested], types[tested])
            for name, rows in spaces.items():
                found.setdefault(name, []).append(_both(rows[tested], here[1], here[0]))
            chance = by_chance(*here, seed)
            found.setdefault(CHANCE, []).append(_both(spaces[INPUT][tested], chance, here[0]))
            advance()
    return found, *drawn


def _both(rows: Rows, types: Names, runs: Names) -> tuple[float, float]:
    return silhouette(rows, types), neighbours_agree(rows, types, runs)


# ---- pictures ----------------------------------------------------------------------------------


def flat_pca(rows: Rows) -> Rows:
    """``[rows, 2]``: the first two principal components."""
    centred = rows - rows.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, :2] * sizes[:2])


def flat_umap(rows: Rows) -> Rows:
    """``[rows, 2]`` by UMAP; ImportError where umap-learn is not installed."""
    umap = importlib.import_module("umap")  # slow to import, and no part of what jobmend needs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that a seed means one thread
        return np.asarray(umap.UMAP(n_neighbors=15, random_state=0).fit_transform(rows))


def flat_tsne(rows: Rows) -> Rows:
    """``[rows, 2]`` by t-SNE."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(rows) - 1) / 3))
    return np.asarray(TSNE(perplexity=perplexity, random_state=0).fit_transform(rows))


def picture(spaces: Mapping[str, Rows], types: Names, *, quick: bool) -> tuple[Picture, str]:
    """PCA above, UMAP (or t-SNE, where that is not installed) below; and which it was."""
    by_umap = not quick and importlib.util.find_spec("umap") is not None
    word, flat = ("UMAP", flat_umap) if by_umap else ("t-SNE", flat_tsne)
    maps = {f"PCA, {name}": flat_pca(rows) for name, rows in spaces.items()}
    maps |= {f"{word}, {name}": flat(rows) for name, rows in spaces.items()}
    image = drawing.places("Windows of healthy runs, by job type", maps, types, len(spaces))
    text = (
        f"Thread windows of all healthy runs (first seed): PCA above, {word} below, of the input "
        "and of two latent spaces. A point is 6.4 s of one hardware thread."
    )
    return Picture("separation-maps", text, image), word


# ---- words -------------------------------------------------------------------------------------


def findings(found: Figures) -> list[str]:
    """Whether job types lie further apart in a latent space than in the input, and than by PCA."""
    told = []
    for name in MODELS:
        pairs = zip(found[name], found[INPUT], strict=True)
        side, gain = surely([ours[0] - theirs[0] for ours, theirs in pairs], len(MODELS))
        words = {1: "higher than in the input", -1: "lower than in the input"}.get(
            side, "not shown to differ from the input"
        )
        told.append(f"{name}: the silhouette of job types is {words} (difference {gain}).")
    deep = [name for name in MODELS if name != PCA]
    for name in deep:
        pairs = zip(found[name], found[PCA], strict=True)
        side, gain = surely([ours[0] - theirs[0] for ours, theirs in pairs], len(deep))
        words = {1: "above", -1: "below"}.get(side, "not shown to differ from")
        told.append(f"{name}: its silhouette is {words} that of PCA's codes (difference {gain}).")
    return told


def section(found: Figures, spaces: Mapping[str, Rows], types: Names, options: Options) -> Section:
    """The study as it is told."""
    silhouettes = {
        name: over_splits([pair[0] for pair in of], share=False) for name, of in found.items()
    }
    agreement = {name: over_splits([pair[1] for pair in of]) for name, of in found.items()}
    table = Table(
        ["space", "silhouette", "nearest window of another run has the same type"],
        [[name, silhouettes[name], agreement[name]] for name in found],
        f"Healthy runs not learned from, {options.seeds} seeds, 95 % intervals",
    )
    flat, word = picture(spaces, types, quick=options.quick)
    image = drawing.dots(
        "Silhouette of job types",
        list(silhouettes),
        {"silhouette": list(silhouettes.values())},
        "silhouette",
    )
    text = "Silhouette of job types in each space, with intervals; further right is further apart."
    return Section(
        "separation",
        "b. Do job types lie apart?",
        findings(found),
        {"seeds": options.seeds, "steps of a window": trial.STEPS, "second picture by": word},
        [table],
        [Picture("separation", text, image), flat],
    )


def main() -> None:
    """Measure and tell."""
    about = parser(__doc__, seeds=10)
    conduct(about, lambda options, _: section(*measure(load(options.data), options), options))


if __name__ == "__main__":
    main()
