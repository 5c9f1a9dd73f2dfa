"""The failure classifier as a model that MLflow loads and serves.

MLflow copies this file beside the model and runs it there, so it imports jobmend by its name, and
jobmend has to be installed where the model is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas
from mlflow.pyfunc import PythonModel

from jobmend.classifier.failures.history.cms import read_history
from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.reporting.pyfunc_columns import COLUMNS, INPUT
from jobmend.classifier.failures.task import FailedTask


class FailurePyfunc(PythonModel):  # type: ignore[misc]
    """One row a task in, one row a prediction out; see :mod:`.pyfunc_columns`."""

    def load_context(self, context: Any) -> None:
        """Read the model that lies beside this file."""
        self.model = FailureClassifier.load(Path(context.artifacts["failures"]))

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: Any = None
    ) -> pandas.DataFrame:
        """Predictions in the order of the rows; ValueError names the row that is no task."""
        tasks = [_task(text, row) for row, text in enumerate(model_input[INPUT], start=1)]
        answers = [prediction.as_dict() for prediction in self.model.predict(tasks)]
        rows = [
            (answer["action"], max(answer["probabilities"].values()), json.dumps(answer))
            for answer in answers
        ]
        return pandas.DataFrame(rows, columns=list(COLUMNS))


def _task(text: str, row: int) -> FailedTask:
    tasks = read_history(text.encode(), f"row {row}").history.tasks
    if len(tasks) != 1:
        raise ValueError(f"row {row}: holds {len(tasks)} tasks; give one task a row")
    return tasks[0]


mlflow.models.set_model(FailurePyfunc())
