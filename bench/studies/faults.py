"""Study e: which faults do the models find, and is a deep one better than a simple one?

Each seed parts the runs anew. A window model's score of a run is what two of its three windows
reach; arms of run summaries score its row of ``runs.parquet``. Scores are compared with healthy
runs of the same job type, as alarms are. The champion of a seed is the arm with the best AUROC over
its validation runs; test runs choose nothing. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies import drawing, summaries, trial
from studies.command import Options, bar, conduct, parser
from studies.figures import detection, over_splits, prevalence, surely
from studies.parts import Parts, Set, deal, load

from jobmend.classifier.failures.reporting.report import Picture, Section, Table, Value
from jobmend.classifier.traces import kinds
from jobmend.classifier.traces.dataset import HEALTHY

PCA = "pca"
WINDOW_CHAMPION, CHAMPION = "champion of windows", "champion of all"
ALL = "all faults"
SAME_TIME = "AUROC, healthy runs of the same time"
Scores = Mapping[str, float]


@dataclass(frozen=True)
class Judged:
    """An arm in one seed: AUROC over validation, then (AUROC, AUPRC) of the test by fault.

    ``raw`` is the test AUROC of scores that are not compared with their job type; ``same_time`` is
    that of scores that are, against healthy runs recorded among the faulty ones alone.
    """

    validation: float
    test: Mapping[str, tuple[float, float]]
    raw: float
    same_time: float


Seed = Mapping[str, Judged]  # by arm


def judged(scores: Scores, data: Set, parts: Parts) -> Judged:
    """The figures of one arm's run scores."""
    types, faults = data.types, data.faults
    normal = trial.by_type(scores, data, parts.healthy(faults, "validation"))
    test = {
        fault or ALL: detection(normal, parts.test, faults, types, fault)
        for fault in (None, *faults_of(data))
    }
    return Judged(
        detection(normal, parts.validation, faults, types)[0],
        test,
        detection(scores, parts.test, faults, types)[0],
        detection(normal, parts.test - recorded_later(data), faults, types)[0],
    )


def recorded_later(data: Set) -> frozenset[str]:
    """The runs that began after the last faulty one."""
    began = {one.run: one.window.start for one in data.recorded}
    last = max(began[run] for run, fault in data.faults.items() if fault != HEALTHY)
    return frozenset(run for run, start in began.items() if start > last)


def faults_of(data: Set) -> list[str]:
    """The faults that the set holds."""
    return sorted(set(data.faults.values()) - {HEALTHY})


def one_seed(
    data: Set, rows: summaries.Rows, seed: int, budget: trial.Budget, arms: Sequence[str]
) -> dict[str, Judged]:
    """All arms on one split, the champions that validation chose among them."""
    parts = deal(data, seed)
    ready = trial.prepare(data, parts)
    found = {}
    for name in arms:
        model = trial.fitted(name, ready, seed, budget)
        found[name] = judged(trial.run_scores(model, ready), data, parts)
    window_arms = list(found)
    learned = parts.healthy(data.faults, "train")
    for name, scores in summaries.arm_scores(rows, learned, seed).items():
        found[name] = judged(scores, data, parts)
    return found | {
        WINDOW_CHAMPION: found[best(found, window_arms)],
        CHAMPION: found[best(found, list(found))],
    }


def best(found: Seed, arms: Sequence[str]) -> str:
    """The arm with the best figure over validation runs."""
    return max(arms, key=lambda name: found[name].validation)


def measure(data: Set, folder: Path, options: Options, members: int) -> list[Seed]:
    """Every seed."""
    budget = trial.Budget(epochs=2 if options.quick else 150, members=members)
    arms = ("autoencoder", *kinds.SIMPLE) if options.quick else kinds.NAMES
    rows = summaries.load(folder)
    found: list[Seed] = []
    with bar("faults", options.seeds) as advance:
        for seed in range(options.seeds):
            found.append(one_seed(data, rows, seed, budget, arms))
            advance()
    return found


# ---- words -------------------------------------------------------------------------------------


def findings(seeds: Sequence[Seed], faults: Sequence[str]) -> list[str]:
    """Champions, and where deep arms beat principal components or do not."""
    told = []
    for champion, among in ((WINDOW_CHAMPION, _windows(seeds)), (CHAMPION, _arms(seeds))):
        chosen = Counter(best(seed, among) for seed in seeds)
        names = ", ".join(f"{name} {count}x" for name, count in chosen.most_common())
        auroc = over_splits([seed[champion].test[ALL][0] for seed in seeds])
        told.append(f"{champion}: validation chose {names}; test AUROC {auroc}.")
    gains = [seed[CHAMPION].test[ALL][0] - seed[WINDOW_CHAMPION].test[ALL][0] for seed in seeds]
    side, gain = surely(gains, 1)
    words = {1: "better than", -1: "worse than"}.get(side, "not shown to differ from")
    told.append(f"With run summaries the champion is {words} that of windows: {gain} AUROC.")
    deep = [name for name in _windows(seeds) if name in kinds.NETWORKS]
    sides: dict[int, list[str]] = {1: [], -1: []}
    for name in deep:
        for fault in (ALL, *faults):
            differences = [s[name].test[fault][0] - s[PCA].test[fault][0] for s in seeds]
            side, gain = surely(differences, len(deep) * (1 + len(faults)))
            if side:
                sides[side].append(f"{name} on {fault} ({gain})")
    count = len(deep) * (1 + len(faults))
    told.append(f"Deep beats PCA in AUROC ({count} comparisons, corrected): {_list(sides[1])}.")
    told.append(f"Deep is worse than PCA, the same way: {_list(sides[-1])}.")
    return told


def _list(names: Sequence[str]) -> str:
    return "; ".join(names) or "nowhere"


def _arms(seeds: Sequence[Seed]) -> list[str]:
    return [name for name in seeds[0] if name not in (WINDOW_CHAMPION, CHAMPION)]


def _windows(seeds: Sequence[Seed]) -> list[str]:
    return [name for name in _arms(seeds) if name in kinds.NAMES]


def overall(seeds: Sequence[Seed], data: Set) -> Table:
    """Every arm on all faults; the first row is guessing."""
    guessed = prevalence(deal(data, 0).test, data.faults, data.types, None)
    rows: list[list[Value]] = [["guessing", 0.5, 0.5, guessed, 0.5, 0.5]]
    rows += [
        [
            arm,
            over_splits([seed[arm].validation for seed in seeds]),
            over_splits([seed[arm].test[ALL][0] for seed in seeds]),
            over_splits([seed[arm].test[ALL][1] for seed in seeds]),
            over_splits([seed[arm].raw for seed in seeds]),
            over_splits([seed[arm].same_time for seed in seeds]),
        ]
        for arm in seeds[0]
    ]
    columns = ["arm", "validation AUROC", "AUROC", "AUPRC", "AUROC without job types", SAME_TIME]
    caption = f"All faults, {len(seeds)} splits by slot, 95 % intervals"
    return Table(columns, rows, caption, frozenset({len(rows) - 2, len(rows) - 1}))


def by_fault(seeds: Sequence[Seed], data: Set, place: int) -> Table:
    """AUROC (place 0) or AUPRC (1) of every arm by fault; the first row is guessing."""
    faults = faults_of(data)
    test = deal(data, 0).test
    guessed = [
        0.5 if place == 0 else prevalence(test, data.faults, data.types, fault) for fault in faults
    ]
    rows: list[list[Value]] = [["guessing", *guessed]]
    for arm in seeds[0]:
        cells = (over_splits([seed[arm].test[fault][place] for seed in seeds]) for fault in faults)
        rows.append([arm, *cells])
    word = ("AUROC", "AUPRC")[place]
    caption = f"{word} by fault, against healthy runs of the job types it was put on"
    return Table(["arm", *faults], rows, caption, frozenset({len(rows) - 2, len(rows) - 1}))


def section(seeds: Sequence[Seed], data: Set, options: Options, members: int) -> Section:
    """The study as it is told."""
    shown = [name for name in DRAWN if name in seeds[0]]
    groups = [*faults_of(data), ALL]
    series = {
        arm: [over_splits([seed[arm].test[fault][0] for seed in seeds]) for fault in groups]
        for arm in shown
    }
    image = drawing.dots("AUROC by fault, test runs", groups, series, "AUROC", guess=0.5)
    text = "AUROC of some arms by fault with intervals; the dotted line is guessing."
    splits = np.array([len(one) for one in _sizes(data)])
    return Section(
        "faults",
        "e. Which faults are found?",
        findings(seeds, faults_of(data)),
        {
            "splits": options.seeds,
            "networks of an ensemble": members,
            "healthy runs that train, validate, test": ", ".join(str(int(n)) for n in splits),
        },
        [overall(seeds, data), by_fault(seeds, data, 0), by_fault(seeds, data, 1)],
        [Picture("faults", text, image)],
    )


DRAWN = (PCA, "isolation-forest", "autoencoder", "autoencoder-graph", WINDOW_CHAMPION, CHAMPION)


def _sizes(data: Set) -> list[frozenset[str]]:
    parts = deal(data, 0)
    return [parts.healthy(data.faults, name) for name in ("train", "validation", "test")]


def study(options: Options, told: argparse.Namespace) -> Section:
    """The whole of it, with ensembles of ``told.members`` networks."""
    data = load(options.data)
    seeds = measure(data, options.data, options, told.members)
    return section(seeds, data, options, told.members)


def main() -> None:
    """Measure and tell."""
    about = parser(__doc__, seeds=10)
    about.add_argument("--members", type=int, default=3, help="networks of an ensemble [3]")
    conduct(about, study)


if __name__ == "__main__":
    main()
