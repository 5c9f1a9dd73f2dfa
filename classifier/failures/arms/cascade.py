"""Two questions in a row: is it the common answer or another one; and which of the others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..resampling import Resampling
from ..task import FailedTask
from .arm import Floats
from .boosted import BoostedArm
from .keeping import KeptArm, json_bytes, part, unfitted
from .labelled import floored, numbered

REST = " rest"  # no answer begins with a space
_FIRST, _SECOND = "first-", "second-"


class CascadeArm(KeptArm):
    """XGBoost for ``first`` (or, where nobody answered that, the most frequent) against the rest.

    A second one is fitted on the rest among themselves, where there are two different. Their
    product is the probability: P(rest) P(answer | rest).
    """

    name = "cascade"

    common_: str
    first_: BoostedArm
    second_: BoostedArm | None  # None: the rest is one answer

    def __init__(
        self,
        *,
        first: str = "acdc",
        resampling: Resampling = "none",
        learning_rate: float | None = None,
        fewest: int = 5,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """``resampling``, ``learning_rate`` and ``fewest`` are those of both XGBoost arms."""
        self.first = first
        self.resampling: Resampling = resampling
        self.learning_rate = learning_rate
        self.fewest = fewest
        self.seed = seed
        self.threads = threads

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Learn both questions from tasks in time order; ValueError says what they lack."""
        self.classes_, numbers = numbered(tasks, labels)
        most = self.classes_[int(np.bincount(numbers).argmax())]
        self.common_ = self.first if self.first in self.classes_ else most
        asked = [label if label == self.common_ else REST for label in labels]
        self.first_ = self._arm().fit(tasks, asked)
        others = [number for number, label in enumerate(labels) if label != self.common_]
        self.second_ = None
        if len(self.classes_) > 2:
            rest = [tasks[number] for number in others]
            self.second_ = self._arm().fit(rest, [labels[number] for number in others])
        return self

    def _arm(self) -> BoostedArm:
        return BoostedArm(
            resampling=self.resampling,
            learning_rate=self.learning_rate,
            fewest=self.fewest,
            seed=self.seed,
            threads=self.threads,
        )

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``; rows sum to 1."""
        if not hasattr(self, "first_"):
            raise unfitted(self.name)
        common = self.first_.predict_proba(tasks)[:, self.first_.classes_.index(self.common_)]
        rest = [number for number, word in enumerate(self.classes_) if word != self.common_]
        said = np.zeros((len(tasks), len(self.classes_)))
        said[:, self.classes_.index(self.common_)] = common
        among = 1.0 if self.second_ is None else self.second_.predict_proba(tasks)
        said[:, rest] = (1 - common)[:, None] * among
        return floored(said)

    def files(self) -> dict[str, bytes]:
        """The files of both arms."""
        if not hasattr(self, "first_"):
            raise unfitted(self.name)
        learned = {
            "classes": list(self.classes_),
            "common": self.common_,
            "stages": 1 if self.second_ is None else 2,
        }
        files = {_FIRST + name: data for name, data in self.first_.files().items()}
        if self.second_ is not None:
            files |= {_SECOND + name: data for name, data in self.second_.files().items()}
        return {**files, "arm.json": json_bytes(learned)}

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.common_ = learned["common"]
        inner = self._arm().get_params()
        self.first_ = BoostedArm.restore(inner, part(files, _FIRST))
        self.second_ = None
        if learned["stages"] == 2:
            self.second_ = BoostedArm.restore(inner, part(files, _SECOND))
        rest = tuple(word for word in self.classes_ if word != self.common_)
        among = rest if self.second_ is None else self.second_.classes_
        if self.common_ not in self.classes_ or among != rest:
            raise ValueError("stages of other classes")
        self.first_.classes_.index(self.common_)
