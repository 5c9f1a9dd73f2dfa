"""Arms beside each other on the same held-out tasks: who is best, and who cannot be told from it.

The champion has the lowest mean log-loss over all that was held out, whatever its name. Two arms
are compared task by task, so what makes a task hard for both does not count.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from ....jobs.text import printable
from ..arms.arm import Arm
from ..task import FailedTask
from .intervals import CONFIDENCE, Interval, mean_over_tasks, over_tasks
from .results import FIGURES, ArmResult, FoldResult, figure
from .scores import PER_CLASS, SUMMARY, Floats, Posterior, Said, align, score
from .splits import Fold, Indices, workflows

LOG = logging.getLogger(__name__)

BOOTSTRAPPED = tuple(name for name in SUMMARY if name not in ("ks", "closeness"))

Make = Callable[[], Arm]
Progress = Callable[[int, int, str], None]  # steps done, steps in all, what comes next


@dataclass(frozen=True)
class Verdict:
    """Whether arm ``name`` is ``better``, ``worse`` or of ``no difference`` than ``other``."""

    name: str
    other: str
    difference: Interval  # of the log-loss, in nats; below 0: better

    @property
    def word(self) -> str:
        """What the interval says."""
        if self.difference.high < 0.0:
            return "better"
        return "worse" if self.difference.low > 0.0 else "no difference"


@dataclass(frozen=True, eq=False)
class Comparison:
    """All arms on the same folds; ``groups``: the workflow of each task of the history."""

    arms: tuple[ArmResult, ...]
    classes: tuple[str, ...]
    groups: Indices
    independent: bool = False  # folds of different histories

    def __getitem__(self, name: str) -> ArmResult:
        """The arm of that name; KeyError where there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)

    @property
    def ranking(self) -> tuple[ArmResult, ...]:
        """The arms that did not fail, best first; of equals the one named first."""
        return tuple(sorted((a for a in self.arms if not a.failure), key=lambda a: a.log_loss))

    @property
    def champion(self) -> str:
        """The arm with the lowest mean log-loss; ValueError where all failed."""
        if not self.ranking:
            raise ValueError("no arm could be fitted: " + self.arms[0].failure)
        return self.ranking[0].name

    def against(self, name: str, other: str, confidence: float = CONFIDENCE) -> Verdict:
        """Compare two arms by the differences of their log-loss task by task.

        The interval is a bootstrap over workflows, not corrected for how many pairs are compared.
        """
        tested = np.concatenate([fold.test for fold in self[name].folds])
        differences = self[name].losses - self[other].losses
        interval = mean_over_tasks(differences, self.groups[tested], confidence=confidence)
        return Verdict(name, other, interval)

    @cached_property
    def indistinguishable(self) -> tuple[str, ...]:
        """The arms that are not worse than the champion as far as these tasks can tell."""
        others = (arm.name for arm in self.ranking[1:])
        return tuple(one for one in others if self.against(one, self.champion).word != "worse")

    def told(self) -> str:
        """Who wins, in sentences."""
        champion = self[self.champion]
        said = f"The champion is {champion.name} (log-loss {champion.log_loss:.4f})."
        if self.indistinguishable:
            return f"{said} Not distinguishable from it: {', '.join(self.indistinguishable)}."
        return f"{said} All others are worse." if len(self.arms) > 1 else said

    def table(self, resamples: int = 0) -> list[dict[str, object]]:
        """One JSON-able row an arm, best first: figures with intervals, ``null`` for NaN.

        Intervals are over folds. One fold has none, but for the log-loss; with ``resamples`` (200
        take seconds an arm) they are then bootstrapped over its tasks.
        """
        rows = [self._row(arm, resamples) for arm in self.ranking]
        rows += [{"arm": arm.name, "failure": arm.failure} for arm in self.arms if arm.failure]
        return rows

    def _row(self, arm: ArmResult, resamples: int) -> dict[str, object]:
        found = self._over_folds(arm) if len(arm.folds) > 1 else self._over_tasks(arm, resamples)
        figures = {name: found[name, ""].row() for name in FIGURES}
        words = [word for word in self.classes if (PER_CLASS[0], word) in found]
        of_class = {word: {name: found[name, word].row() for name in PER_CLASS} for word in words}
        beaten = self.against(arm.name, self.champion).difference.row()
        return {"arm": arm.name, **figures, "to_champion": beaten, "of_class": of_class}

    def _over_folds(self, arm: ArmResult) -> dict[tuple[str, str], Interval]:
        words = [word for word in self.classes if any(word in one.classes for one in arm.folds)]
        names = [*((name, "") for name in FIGURES), *product(PER_CLASS, words)]
        return {
            (name, word): arm.interval(name, word, independent=self.independent)
            for name, word in names
        }

    def _over_tasks(self, arm: ArmResult, resamples: int) -> dict[tuple[str, str], Interval]:
        (fold,) = arm.folds
        found = self._over_folds(arm)
        if resamples:
            names = [*product(BOOTSTRAPPED, [""]), *product(PER_CLASS, fold.classes)]

            def statistics(places: Indices) -> list[float]:
                drawn = Said(fold.labels[places], fold.probabilities[places])
                scores = score(drawn, fold.classes)
                return [figure(scores, name, word) for name, word in names]

            drawn = over_tasks(statistics, self.groups[fold.test], resamples=resamples)
            told = zip(names, drawn, strict=True)  # not what needs more than these tasks to know
            found |= {one: interval for one, interval in told if not math.isnan(interval.mean)}
        found["log_loss", ""] = mean_over_tasks(arm.losses, self.groups[fold.test])
        return found


def compare(
    arms: Mapping[str, Make],
    tasks: Sequence[FailedTask],
    labels: Sequence[str],
    folds: Iterable[Fold],
    progress: Progress | None = None,
    posterior: Posterior | None = None,
) -> Comparison:
    """Fit each arm on each fold and score what it says of the held-out tasks.

    An arm that says it cannot learn (ValueError) is told with its reason and not ranked. With a
    ``posterior`` the scores hold the closeness to it. ValueError where there is no arm or fold.
    """
    every = tuple(folds)
    if not every or not arms:
        raise ValueError("nothing to compare; give at least one arm and one fold")
    ground = _Ground(tasks, labels, tuple(sorted(set(labels))), posterior)
    results = []
    for number, (name, make) in enumerate(arms.items()):

        def tell(fold: int, word: str = name, begun: int = number * len(every)) -> None:
            if progress is not None:
                progress(begun + fold, len(arms) * len(every), word)

        results.append(_run(name, make, ground, every, tell))
    if progress is not None:
        progress(len(arms) * len(every), len(arms) * len(every), "done")
    return Comparison(tuple(results), ground.classes, workflows(tasks))


@dataclass(frozen=True, eq=False)
class _Ground:
    """What all arms are compared on."""

    tasks: Sequence[FailedTask]
    words: Sequence[str]
    classes: tuple[str, ...]
    posterior: Posterior | None

    @cached_property
    def labels(self) -> Indices:
        return np.searchsorted(np.array(self.classes), np.array(self.words)).astype(np.intp)

    @cached_property
    def best(self) -> Floats | None:
        given = self.posterior
        return None if given is None else align(given.probabilities, given.classes, self.classes)

    def said(self, arm: Arm, places: Indices) -> Said:
        probabilities = arm.predict_proba([self.tasks[place] for place in places])
        return Said(self.labels[places], align(probabilities, arm.classes_, self.classes))


def _run(
    name: str, make: Make, ground: _Ground, folds: Sequence[Fold], tell: Callable[[int], None]
) -> ArmResult:
    results: list[FoldResult] = []
    for number, fold in enumerate(folds):
        tell(number)
        try:
            results.append(_fit(make(), ground, fold))
        except ValueError as error:
            reason = f"{fold.name or f'fold {number + 1}'}: {printable(str(error), 400)}"
            LOG.warning("arm %s is not ranked: %s", printable(name, 60), reason)
            return ArmResult(name, (), reason)
    return ArmResult(name, tuple(results))


def _fit(arm: Arm, ground: _Ground, fold: Fold) -> FoldResult:
    begun = time.perf_counter()
    arm.fit([ground.tasks[place] for place in fold.train], [ground.words[p] for p in fold.train])
    fitted = time.perf_counter()
    held_out = ground.said(arm, fold.test)
    predicted = time.perf_counter()
    learned = ground.said(arm, fold.train)
    shares = np.bincount(ground.labels[fold.train], minlength=len(ground.classes))
    best = None if ground.best is None else ground.best[fold.test]
    baseline = shares / len(fold.train)
    return FoldResult(
        fold.name,
        fold.train,
        fold.test,
        ground.classes,
        held_out,
        learned,
        fitted - begun,
        predicted - fitted,
        score(held_out, ground.classes, learned=learned, baseline=baseline, best=best),
    )


def pooled(comparisons: Sequence[Comparison]) -> Comparison:
    """Comparisons of the same arms on different histories as one, every history's folds in turn.

    An arm that failed on one of them failed. ValueError where the arms are not the same.
    """
    names = [arm.name for arm in comparisons[0].arms]
    if any([arm.name for arm in one.arms] != names for one in comparisons):
        raise ValueError("only comparisons of the same arms can be pooled")
    sizes = [len(one.groups) for one in comparisons]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    groups = [one.groups + start for one, start in zip(comparisons, starts, strict=True)]
    results = []
    for name in names:
        parts = [one[name] for one in comparisons]
        folds = tuple(
            replace(fold, train=fold.train + start, test=fold.test + start)
            for part, start in zip(parts, starts, strict=True)
            for fold in part.folds
        )
        failure = next((part.failure for part in parts if part.failure), "")
        results.append(ArmResult(name, folds, failure))
    classes = tuple(sorted({word for one in comparisons for word in one.classes}))
    return Comparison(tuple(results), classes, np.concatenate(groups), independent=True)
