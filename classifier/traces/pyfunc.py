"""The trace model as a model that MLflow loads and serves.

MLflow copies this file beside the model and runs it there, so it imports jobmend by its name, and
jobmend has to be installed where the model is loaded.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
from mlflow.pyfunc import PythonModel

from jobmend.classifier.traces.model import TraceModel
from jobmend.classifier.traces.pyfunc_columns import COLUMNS, INPUT
from jobmend.jobs.fields import Fields, WireError
from jobmend.jobs.windows import TraceWindow
from jobmend.jobs.wire import read_window


class TracePyfunc(PythonModel):  # type: ignore[misc]
    """One row a window in, one row of scores out; see :mod:`.pyfunc_columns`."""

    def load_context(self, context: Any) -> None:
        """Read the model that lies beside this file."""
        self.model = TraceModel.load(Path(context.artifacts["traces"]))

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: Any = None
    ) -> pandas.DataFrame:
        """Scores in the order of the rows; ValueError names the row that is no window of ours."""
        rows = [self._judged(text, row) for row, text in enumerate(model_input[INPUT], start=1)]
        return pandas.DataFrame(rows, columns=list(COLUMNS))

    def _judged(self, text: str, row: int) -> tuple[float, float, str]:
        window = _window(text, row)
        try:
            scores = self.model.score_samples(window)
            runs = self.model.run_p_values(window)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from error
        threads = {
            str(thread): _number(s) for thread, s in zip(window.threads, scores, strict=True)
        }
        told = {"threads": threads, "runs": {key: _number(p) for key, p in runs.items()}}
        measured = [float(score) for score in scores if math.isfinite(score)]
        known = [p for p in runs.values() if math.isfinite(p)]
        return max(measured, default=math.nan), min(known, default=math.nan), json.dumps(told)


def _number(number: float) -> float | None:
    """JSON has no NaN."""
    return float(number) if math.isfinite(number) else None


def _window(text: str, row: int) -> TraceWindow:
    try:
        body = json.loads(text)
        if isinstance(body, dict) and isinstance(body.get("values"), list):
            values = np.asarray(body["values"], dtype="<f4")  # None is "not measured"
            body["values"] = base64.b64encode(values.tobytes()).decode()
        return read_window(Fields(body, "window"))
    except (WireError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"row {row}: is no window ({error})") from error


mlflow.models.set_model(TracePyfunc())
