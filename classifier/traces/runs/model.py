"""The run model: how far a finished run's row is from what healthy runs of its group look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...parameters import Parametrised
from . import healthy, keeping
from .arms import kinds
from .arms.arm import Arm, Scores
from .calibration import Calibration
from .combining import CHAMPION, Standard, combine
from .features import Floats, Plan, plan
from .grouping import Codes, GroupScaling
from .splitting import parts
from .table import Ask, Names, Table

Tell = Callable[[str, int, int], None]  # what is done now, steps done, steps in all

MIN_LEARNED = 50
MAX_LEARNED = 300_000  # rows learned from; more are drawn by chance
FOLDS = 5  # parts that rows are calibrated in
_STANDARD_ROWS = 20_000
_UNFITTED = "the run model is not fitted: call fit() or load() first"


@dataclass(frozen=True)
class Scored:
    """One entry a row: the score, its p-value, whether its group was learned, the oddest feature.

    ``oddest`` is None where nothing was measured, or all lies at the median. ``arms`` has the
    standardised score of each arm; higher is more abnormal in all.
    """

    scores: Scores
    p_values: Scores
    known: NDArray[np.bool_]
    oddest: NDArray[np.object_]
    arms: Mapping[str, Scores]


class RunModel(Parametrised):
    """An ensemble of arms over rows of finished runs; :data:`.combining.CHAMPION` is its score."""

    def __init__(self, *, arms: Sequence[str] = tuple(kinds.MAKERS), seed: int = 0) -> None:
        """Keep the parameters; ValueError where one of ``arms`` is none of ours."""
        if not arms:
            raise ValueError(f"no arms; there are {', '.join(kinds.MAKERS)}")
        self.arms = tuple(arms)
        self.seed = seed
        self.ask_ = Ask("")
        self.plan_ = Plan(())
        self.scaling_: GroupScaling | None = None
        self.arms_: dict[str, Arm] = {name: kinds.make(name, seed) for name in self.arms}
        self.standards_: dict[str, Standard] = {}
        self.calibration_ = Calibration(np.zeros(0), np.zeros(0, np.int64))
        self.learned_from_ = ""
        self.ignored_: dict[str, str] = {}

    def fit(
        self,
        table: Table,
        ask: Ask,
        *,
        healthy_only: bool = True,
        calibrate: bool = True,
        tell: Tell | None = None,
    ) -> RunModel:
        """Learn from a table read by ``ask``; without ``calibrate`` all p-values are 1.

        ValueError where too few rows, or no columns, are left to learn from.
        """
        chosen = healthy.choose(table, healthy=healthy_only)
        if len(chosen.rows) < MIN_LEARNED:
            raise ValueError(
                f"{len(chosen.rows)} rows to learn from ({chosen.why}): at least {MIN_LEARNED} "
                "are needed; collect more runs"
            )
        self.ask_, self.learned_from_ = ask, chosen.why
        rows = _drawn(chosen.rows, self.seed)
        # columns are judged by the whole table: what repeats between runs stands in all rows
        self.plan_, self.ignored_ = plan(table)
        part = table.take(rows)
        self._learn(part, chosen.trim, tell)
        if calibrate:
            self._calibrate(part, chosen.trim, tell)
        return self

    def _learn(self, table: Table, share: float, tell: Tell | None) -> None:
        features = self.plan_.apply(table)
        kept = healthy.trim(features, table.groups, table.splits, share)
        features, groups = features[kept], table.groups[kept]
        self.scaling_ = GroupScaling.learn(features, groups)
        codes = self.scaling_.codes(groups)
        scaled = self.scaling_.apply(features, codes)
        sample = np.unique(
            np.linspace(0, len(scaled) - 1, min(len(scaled), _STANDARD_ROWS)).astype(np.intp)
        )
        for place, (name, arm) in enumerate(self.arms_.items()):
            if tell is not None:
                tell(f"learning {name}", place, len(self.arms_))
            arm.fit(scaled, codes, progress=None)
            scores = arm.score_samples(scaled[sample], codes[sample])
            self.standards_[name] = Standard.learn(scores)

    def _calibrate(self, table: Table, share: float, tell: Tell | None) -> None:
        """Cross-conformal (Vovk 2015): each row is scored by a model that did not learn from it.

        Runs differ from each other more than rows of one do, so a calibration part of few runs
        would say little; this way all runs calibrate. Nothing is trimmed here: unlabelled faults
        among these rows make alarms rarer, not false.
        """
        scores = np.zeros(len(table))
        runs = table.splits
        few = runs is None or len(set(runs)) < FOLDS
        units = np.arange(len(table)) if few or runs is None else runs
        for place, (learned, held) in enumerate(parts(units, FOLDS, self.seed)):
            if tell is not None:
                tell("calibrating", place, FOLDS)
            other = RunModel(arms=self.arms, seed=self.seed)
            other.plan_ = self.plan_
            other._learn(table.take(learned), share, None)
            scores[held] = other.score_samples(table.take(held))
        self.calibration_ = Calibration.learn(scores, self._scaled(table)[1])

    def _scaled(self, table: Table) -> tuple[Floats, Codes]:
        if self.scaling_ is None:
            raise ValueError(_UNFITTED)
        codes = self.scaling_.codes(table.groups)
        return self.scaling_.apply(self.plan_.apply(table), codes), codes

    def _standardised(self, features: Floats, codes: Codes) -> dict[str, Scores]:
        return {
            name: self.standards_[name].apply(arm.score_samples(features, codes))
            for name, arm in self.arms_.items()
        }

    def score_samples(self, table: Table) -> Scores:
        """``[rows]``, higher = more abnormal."""
        return combine(self._standardised(*self._scaled(table)))

    def arm_scores(self, table: Table) -> dict[str, Scores]:
        """``[rows]`` of each arm, standardised, and of the champion, which is their mean."""
        scores = self._standardised(*self._scaled(table))
        return {CHAMPION: combine(scores), **scores}

    def score(self, table: Table) -> Scored:
        """Scores with p-values, and the feature furthest from its group's median."""
        features, codes = self._scaled(table)
        arms = self._standardised(features, codes)
        scores = combine(arms)
        away = np.abs(np.nan_to_num(features))
        names: Names = np.array(self.plan_.names, dtype=object)
        oddest = names[away.argmax(axis=1)]
        oddest[~away.any(axis=1)] = None
        p_values = self.calibration_.p_values(scores, codes)
        return Scored(scores, p_values, codes >= 0, oddest, arms)

    def embed(self, table: Table, arm: str) -> Floats:
        """``[rows, latent]``: where one of the arms places each row."""
        features, codes = self._scaled(table)
        return self.arms_[arm].embed(features, codes)

    def save(self, directory: Path) -> None:
        """Write the model into ``directory``, replacing an older one there."""
        if self.scaling_ is None:
            raise ValueError(_UNFITTED)
        keeping.write(directory, self)

    @classmethod
    def load(cls, directory: Path) -> RunModel:
        """Read a saved model; ArtifactError where it is damaged or of another format."""
        return keeping.read(directory, cls)


def _drawn(rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """At most MAX_LEARNED of the rows, drawn by chance, in order."""
    if len(rows) <= MAX_LEARNED:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MAX_LEARNED, replace=False))
