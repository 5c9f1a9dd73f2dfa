"""The failure model: gradient-boosted trees over the failure matrix and the workflow features.

An absent cell and a zero are one thing to it (``missing=0`` in XGBoost's words), so a dense and a
sparse matrix of the same counts predict the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from scipy.special import softmax

from ...jobs.actions import ActionKind
from ...jobs.records import WorkflowRecord
from .. import artifact
from .calibration import Floats, fit_temperature
from .features import FEATURES, encode, features
from .labels import LabelledWorkflow
from .matrix import Vocabulary, count
from .resampling import oversample

KIND = "failures"
VERSION = 1
MIN_EXAMPLES = 50
_UNFITTED = "the failure model is not fitted: call fit() or load() first"


@dataclass(frozen=True)
class Contribution:
    """One column that speaks for a prediction; ``weight`` in log-odds."""

    text: str
    weight: float


class FailureModel:
    """Probabilities over operators' actions, learned from labelled workflows."""

    def __init__(
        self,
        *,
        rounds: int = 100,
        depth: int = 4,
        max_bin: int = 32,
        learning_rate: float = 0.15,
        smote_share: float = 1.0,
        held_out: float = 0.2,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """Keep the parameters; SMOTE raises classes to ``smote_share`` of the largest class."""
        self.rounds = rounds
        self.depth = depth
        self.max_bin = max_bin
        self.learning_rate = learning_rate
        self.smote_share = smote_share
        self.held_out = held_out
        self.seed = seed
        self.threads = threads
        self.vocabulary_: Vocabulary | None = None
        self.booster_: xgboost.Booster | None = None
        self.classes_: tuple[ActionKind, ...] = ()
        self.temperature_ = 1.0

    def get_params(self) -> dict[str, Any]:
        """The parameters it was made with, by name."""
        return {name: value for name, value in vars(self).items() if not name.endswith("_")}

    def fit(self, examples: Sequence[LabelledWorkflow]) -> FailureModel:
        """Learn from ``examples`` in time order; the newest ``held_out`` share calibrates.

        ValueError where there are too few, or only one action was ever taken.
        """
        split = len(examples) - int(self.held_out * len(examples))
        older, newer = examples[:split], examples[split:]
        kinds = {example.action for example in older}
        if len(examples) < MIN_EXAMPLES or len(kinds) < 2:
            raise ValueError(
                f"{len(examples)} examples with {len(kinds)} actions: at least {MIN_EXAMPLES} "
                "with 2 different actions are needed to train a failure model"
            )
        self.classes_ = tuple(kind for kind in ActionKind if kind in kinds)
        self.vocabulary_ = Vocabulary.learn([example.record for example in older])
        matrix, labels = self._table(older)
        more, more_labels = oversample(matrix, labels, self.smote_share, self.seed)
        self.booster_ = self._train(more, more_labels)
        known = [example for example in newer if example.action in kinds]
        self.temperature_ = 1.0
        if known:
            newer_matrix, newer_labels = self._table(known)
            self.temperature_ = fit_temperature(self._margins(newer_matrix), newer_labels)
        return self

    def _table(self, examples: Sequence[LabelledWorkflow]) -> tuple[csr_matrix, NDArray[np.intp]]:
        index = {kind: number for number, kind in enumerate(self.classes_)}
        labels = np.array([index[example.action] for example in examples], dtype=np.intp)
        return self.matrix([example.record for example in examples]), labels

    def _train(self, matrix: csr_matrix, labels: NDArray[np.intp]) -> xgboost.Booster:
        parameters = {
            "objective": "multi:softprob",
            "num_class": len(self.classes_),
            "tree_method": "hist",
            "max_bin": self.max_bin,
            "max_depth": self.depth,
            "eta": self.learning_rate,
            "seed": self.seed,
            "nthread": self.threads,
        }
        data = xgboost.DMatrix(matrix, label=labels, missing=0.0, nthread=self.threads)
        return xgboost.train(parameters, data, self.rounds)

    def matrix(self, records: Sequence[WorkflowRecord]) -> csr_matrix:
        """What the trees see: ``[workflows, cells + features]``, float32 CSR."""
        if self.vocabulary_ is None:
            raise ValueError(_UNFITTED)
        parts = [count(records, self.vocabulary_), encode(records)]
        return csr_matrix(hstack(parts, format="csr"))

    def _margins(self, matrix: csr_matrix | NDArray[np.float32]) -> Floats:
        if self.booster_ is None:
            raise ValueError(_UNFITTED)
        data = xgboost.DMatrix(matrix, missing=0.0, nthread=self.threads)
        return np.asarray(self.booster_.predict(data, output_margin=True), dtype=np.float64)

    def probabilities(self, matrix: csr_matrix | NDArray[np.float32]) -> Floats:
        """``[workflows, classes]``, calibrated, rows sum to 1; ``matrix`` sparse or dense."""
        result: Floats = softmax(self._margins(matrix) / self.temperature_, axis=1)
        return result

    def predict_proba(self, record: WorkflowRecord) -> dict[ActionKind, float]:
        """Probabilities over the actions it has seen; they sum to 1."""
        row = self.probabilities(self.matrix([record]))[0]
        return {kind: float(p) for kind, p in zip(self.classes_, row, strict=True)}

    def top_cells(self, record: WorkflowRecord, n: int = 3) -> list[Contribution]:
        """The ``n`` columns of the record that speak most for the likeliest action, in words."""
        matrix = self.matrix([record])
        likeliest = int(self.probabilities(matrix)[0].argmax())
        assert self.booster_ is not None and self.vocabulary_ is not None
        data = xgboost.DMatrix(matrix, missing=0.0, nthread=self.threads)
        weights = self.booster_.predict(data, pred_contribs=True)[0, likeliest, :-1]
        speaking = [index for index in matrix.indices if weights[index] > 0]
        speaking.sort(key=lambda index: -weights[index])
        return [
            Contribution(self._describe(int(index), record, matrix), float(weights[index]))
            for index in speaking[:n]
        ]

    def _describe(self, index: int, record: WorkflowRecord, matrix: csr_matrix) -> str:
        assert self.vocabulary_ is not None
        if index < self.vocabulary_.width:
            return f"{self.vocabulary_.column(index).describe()}: {matrix[0, index]:.0f} run(s)"
        name = FEATURES[index - self.vocabulary_.width]
        return f"{name} {features(record)[name]:.3g}"

    def save(self, directory: Path) -> None:
        """Write the model into ``directory``, replacing an older one there."""
        if self.booster_ is None or self.vocabulary_ is None:
            raise ValueError(_UNFITTED)
        learned = {
            "parameters": self.get_params(),
            "features": FEATURES,
            "classes": [kind.value for kind in self.classes_],
            "temperature": self.temperature_,
        }
        files = {
            "trees.ubj": bytes(self.booster_.save_raw("ubj")),
            "vocabulary.json": self.vocabulary_.to_json(),
            "learned.json": json.dumps(learned).encode(),
        }
        artifact.write(directory, KIND, VERSION, files)

    @classmethod
    def load(cls, directory: Path) -> FailureModel:
        """Read a saved model; ArtifactError where it is damaged or of another format."""
        files = artifact.read(directory, KIND, VERSION)
        try:
            learned = json.loads(files["learned.json"])
            model = cls(**learned["parameters"])
            model.vocabulary_ = Vocabulary.from_json(files["vocabulary.json"])
            model.classes_ = tuple(ActionKind(word) for word in learned["classes"])
            model.temperature_ = float(learned["temperature"])
            model.booster_ = xgboost.Booster({"nthread": model.threads})
            model.booster_.load_model(bytearray(files["trees.ubj"]))
        except (KeyError, TypeError, ValueError, xgboost.core.XGBoostError) as error:
            raise artifact.ArtifactError(f"{directory}: damaged; train the model anew") from error
        columns = model.vocabulary_.width + len(FEATURES)
        if learned["features"] != list(FEATURES) or model.booster_.num_features() != columns:
            raise artifact.ArtifactError(f"{directory}: other features; train the model anew")
        return model
