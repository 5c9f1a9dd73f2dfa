"""Linear arms: logistic regression, and a support vector machine whose margins are calibrated.

Both are kept as coefficients and said with numpy, which a test holds equal to scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from ..matrix import BLOCKS, Block
from ..resampling import Resampling, Rows
from .arm import Floats
from .keeping import npz_arrays, npz_bytes
from .labelled import Labels
from .table import Counts, Scaling, TableArm

NEWEST = 0.2  # share of the history that the margins' calibration is held out from
RIDGE = 1e-2  # of that calibration, for classes it saw seldom


class LinearArm(TableArm):
    """An affine map of the rows to one score a class."""

    coefficients_: Floats  # [classes, columns]
    intercept_: Floats  # [classes]

    def __init__(
        self,
        *,
        blocks: Sequence[Block] = BLOCKS,
        fewest: int = 3,
        counts: Counts = "log",
        scaling: Scaling = "none",
        resampling: Resampling = "none",
        strength: float | None = None,
        iterations: int = 300,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """``strength``: inverse of the L2 penalty; ``fewest``: tasks that a column needs."""
        super().__init__(
            blocks=blocks,
            fewest=fewest,
            counts=counts,
            scaling=scaling,
            resampling=resampling,
            seed=seed,
            threads=threads,
        )
        self.strength = self.usual_strength if strength is None else strength
        self.iterations = iterations

    usual_strength: ClassVar[float] = 1.0

    def _margins(self, rows: Rows) -> Floats:
        return np.asarray(rows @ self.coefficients_.T + self.intercept_, dtype=np.float64)

    def _set(self, estimator: Any, present: Labels) -> None:
        """Take an estimator's coefficients; of two classes scikit-learn keeps one row."""
        coefficients, intercept = estimator.coef_, estimator.intercept_
        if len(present) == 2:
            coefficients = np.vstack([-coefficients[0], coefficients[0]]) * self._half
            intercept = np.array([-intercept[0], intercept[0]]) * self._half
        self.coefficients_ = np.zeros((len(self.classes_), coefficients.shape[1]))
        self.intercept_ = np.full(len(self.classes_), intercept.min() - 1.0)  # never seen: last
        self.coefficients_[present] = coefficients
        self.intercept_[present] = intercept

    _half: ClassVar[float] = 0.5  # the sigmoid of m is the softmax of (-m/2, m/2)

    def _kept(self) -> dict[str, bytes]:
        return {"linear.npz": npz_bytes(self._arrays())}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"coefficients": self.coefficients_, "intercept": self.intercept_}

    def _read(self, files: Mapping[str, bytes]) -> None:
        self._read_arrays(npz_arrays(files["linear.npz"]))

    def _read_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.coefficients_, self.intercept_ = arrays["coefficients"], arrays["intercept"]
        shape = (len(self.classes_), self.table_.width)
        if self.coefficients_.shape != shape or self.intercept_.shape != shape[:1]:
            raise ValueError("coefficients of another table")


class LogisticArm(LinearArm):
    """Multinomial logistic regression with an L2 penalty (L-BFGS)."""

    name = "logistic"
    usual_strength = 0.03

    def _learn(self, rows: Rows, labels: Labels) -> None:
        sample = self._sample(rows, labels)
        estimator = LogisticRegression(C=self.strength, max_iter=self.iterations)
        estimator.fit(sample.rows.astype(np.float64), sample.labels, sample.weights)
        self._set(estimator, estimator.classes_)

    def _say(self, rows: Rows) -> Floats:
        result: Floats = softmax(self._margins(rows), axis=1)
        return result


class SvmArm(LinearArm):
    """Linear support vector machine, one class against the rest.

    Margins are no probabilities. A machine fitted on the older 80 % says the margins of the newest
    20 %; one slope and one offset a class are fitted to those by log-loss (softmax, the
    several-class form of Platt 1999), and hold for the machine that is fitted on all.
    """

    name = "svm"
    usual_strength = 0.003
    _half = 1.0

    slope_: float
    offsets_: Floats

    def _learn(self, rows: Rows, labels: Labels) -> None:
        split = len(labels) - max(1, int(NEWEST * len(labels)))
        self.slope_, self.offsets_ = 1.0, np.zeros(len(self.classes_))
        if len(np.unique(labels[:split])) > 1:
            self._fit_machine(rows[:split], labels[:split])
            self._calibrate(self._margins(rows[split:]), labels[split:])
        self._fit_machine(rows, labels)

    def _fit_machine(self, rows: Rows, labels: Labels) -> None:
        sample = self._sample(rows, labels)
        estimator = LinearSVC(C=self.strength, max_iter=self.iterations, random_state=self.seed)
        estimator.fit(sample.rows, sample.labels, sample.weights)
        self._set(estimator, estimator.classes_)

    def _calibrate(self, margins: Floats, labels: Labels) -> None:
        """Fit slope and offsets; the ridge keeps those of classes that were not held out."""
        truth = np.eye(margins.shape[1])[labels]

        def loss(parameters: Floats) -> tuple[float, Floats]:
            logits = np.exp(parameters[0]) * margins + parameters[1:]
            wrong = softmax(logits, axis=1) - truth
            slope = (wrong * margins).sum() * np.exp(parameters[0])
            gradient = np.concatenate([[slope], wrong.sum(axis=0)]) + 2 * RIDGE * parameters
            value = -(log_softmax(logits, axis=1) * truth).sum() + RIDGE * parameters @ parameters
            return float(value), gradient

        found = minimize(loss, np.zeros(1 + margins.shape[1]), jac=True, method="L-BFGS-B").x
        self.slope_, self.offsets_ = float(np.exp(found[0])), found[1:]

    def _say(self, rows: Rows) -> Floats:
        result: Floats = softmax(self.slope_ * self._margins(rows) + self.offsets_, axis=1)
        return result

    def _arrays(self) -> dict[str, NDArray[Any]]:
        more = {"slope": np.array(self.slope_), "offsets": self.offsets_}
        return {**super()._arrays(), **more}

    def _read_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super()._read_arrays(arrays)
        self.slope_, self.offsets_ = float(arrays["slope"]), arrays["offsets"]
        if self.offsets_.shape != (len(self.classes_),):
            raise ValueError("offsets of other classes")
