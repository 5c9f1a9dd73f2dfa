"""Which parameters of an arm are worth searching, and between what limits: one table an arm.

The limits are judgement: an order of magnitude around the defaults. Seeds, threads and the rounds
of boosting (they end by themselves) are not searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from optuna.trial import BaseTrial

from ..matrix import BLOCKS


@dataclass(frozen=True)
class Real:
    """A real number from ``low`` to ``high``; ``log``: even in its logarithm.

    ``usual`` is what an arm takes that was made with None.
    """

    low: float
    high: float
    log: bool = False
    usual: float | None = None

    def draw(self, trial: BaseTrial, name: str) -> float:
        """The trial's value."""
        drawn: float = trial.suggest_float(name, self.low, self.high, log=self.log)
        return drawn

    def word(self, value: object) -> float | None:
        """``value`` as the study keeps it; None where it lies outside."""
        held = self.usual if value is None else value
        return held if isinstance(held, float) and self.low <= held <= self.high else None


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``, both possible.

    ``usual`` is what an arm takes that was made with None.
    """

    low: int
    high: int
    log: bool = False
    usual: int | None = None

    def draw(self, trial: BaseTrial, name: str) -> int:
        """The trial's value."""
        drawn: int = trial.suggest_int(name, self.low, self.high, log=self.log)
        return drawn

    def word(self, value: object) -> int | None:
        """``value`` as the study keeps it; None where it lies outside."""
        held = self.usual if value is None else value
        return held if isinstance(held, int) and self.low <= held <= self.high else None


@dataclass(frozen=True)
class Choice:
    """One of some values, each by a word: a study keeps words."""

    values: Mapping[str, Any]

    def draw(self, trial: BaseTrial, name: str) -> Any:
        """The trial's value."""
        return self.values[trial.suggest_categorical(name, list(self.values))]

    def word(self, value: object) -> str | None:
        """``value`` as the study keeps it; None where it is none of these."""
        wanted = tuple(value) if isinstance(value, list) else value
        return next((word for word, held in self.values.items() if held == wanted), None)


Space = Mapping[str, Real | Whole | Choice]

_BLOCKS: Final = Choice({"compact": ("codes", "sites", "summary"), "all": BLOCKS})
_RESAMPLING: Final = Choice({word: word for word in ("none", "weights", "over", "smote")})
_FEWEST: Final = Whole(1, 20, log=True)
_COUNTS: Final = Choice({word: word for word in ("raw", "log")})

SPACES: Final[Mapping[str, Space]] = {
    "logistic": {
        "strength": Real(3e-4, 3.0, log=True),
        "blocks": _BLOCKS,
        "fewest": _FEWEST,
        "counts": _COUNTS,
        "resampling": _RESAMPLING,
    },
    "svm": {
        "strength": Real(1e-4, 0.3, log=True),
        "blocks": _BLOCKS,
        "fewest": _FEWEST,
        "counts": _COUNTS,
        "resampling": _RESAMPLING,
    },
    "forest": {
        "leaf": Whole(1, 30, log=True),
        "columns_share": Real(0.02, 0.6, log=True),
        "blocks": _BLOCKS,
        "fewest": _FEWEST,
        "resampling": _RESAMPLING,
    },
    "gradient-boosting": {
        "leaves": Whole(3, 32, log=True),
        "learning_rate": Real(0.02, 0.3, log=True),
        "fewest": _FEWEST,
        "resampling": _RESAMPLING,
    },
    "xgboost": {
        "depth": Whole(2, 8, usual=4),
        "learning_rate": Real(0.02, 0.3, log=True, usual=0.1),
        "leaf_weight": Real(0.3, 30.0, log=True),
        "ridge": Real(0.1, 100.0, log=True),
        "rows_share": Real(0.5, 1.0),
        "columns_share": Real(0.1, 1.0, log=True, usual=1.0),
        "blocks": _BLOCKS,
        "fewest": _FEWEST,
        "resampling": _RESAMPLING,
    },
    "network": {
        "hidden": Whole(16, 256, log=True),
        "dropout": Real(0.0, 0.6),
        "learning_rate": Real(1e-4, 1e-2, log=True),
        "decay": Real(1e-5, 1e-1, log=True),
        "fewest": _FEWEST,
        "resampling": _RESAMPLING,
    },
    "cascade": {
        "learning_rate": Real(0.02, 0.3, log=True, usual=0.1),
        "fewest": _FEWEST,
        "resampling": _RESAMPLING,
    },
    "mixture": {
        "depth": Whole(2, 6),
        "learning_rate": Real(0.02, 0.2, log=True),
        "leaf_weight": Real(0.3, 30.0, log=True),
        "rows_share": Real(0.5, 1.0),
        "columns_share": Real(0.1, 1.0, log=True),
        "resampling": _RESAMPLING,
    },
}
