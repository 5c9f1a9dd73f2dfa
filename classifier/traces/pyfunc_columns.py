"""The columns of the trace model as MLflow serves it, and a window that fits a model."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...jobs.windows import TraceWindow
from ...jobs.wire import window_body

if TYPE_CHECKING:
    from .model import TraceModel

INPUT = "window"  # JSON of one window, as the wire has it; its values may be nested lists

# Name -> type, as they are answered.
COLUMNS: Mapping[str, str] = {
    "score": "double",  # of the oddest thread, higher is more abnormal; missing if none was judged
    "p": "double",  # of the oddest run; missing as above
    "judged": "string",  # JSON: score by thread, p-value by run
}


def usual_window(model: TraceModel) -> str:
    """A window of one thread whose numbers stand at the median of what ``model`` learned from."""
    if model.scaling_ is None:
        return ""
    values = array("f", model.scaling_.median.astype("float32").tolist() * model.steps_)
    step = model.step_seconds_
    window = TraceWindow("example", 0.0, step, (0,), ("example",), values, model.features_)
    return json.dumps(window_body(window))
