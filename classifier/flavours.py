"""How each kind of model is kept in MLflow: as code and data that load anywhere, without a pickle.

MLflow calls this "models from code": a script beside the model's files, run where it is loaded.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from .failures.reporting import pyfunc_columns as of_failures
from .traces import pyfunc_columns as of_traces

MODEL = "model"  # name of the logged model
REQUIREMENTS = ("jobmend[brain]",)
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Flavour:
    """One column of text in, ``columns`` (name -> string or double) out."""

    name: str  # also of the folder with the model's files
    script: Path
    input: str
    columns: Mapping[str, str]


FAILURES = Flavour(
    "failures",
    _HERE / "failures" / "reporting" / "pyfunc.py",
    of_failures.INPUT,
    of_failures.COLUMNS,
)
TRACES = Flavour("traces", _HERE / "traces" / "pyfunc.py", of_traces.INPUT, of_traces.COLUMNS)
FLAVOURS: Mapping[str, Flavour] = {one.name: one for one in (FAILURES, TRACES)}


def log_model(mlflow: ModuleType, flavour: Flavour, directory: Path, example: str) -> str:
    """Log the model saved in ``directory`` to the active run; the id of the logged model.

    ``example`` is one row of the input, which MLflow tries the model on.
    """
    import pandas
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    types = {"string": DataType.string, "double": DataType.double}
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, flavour.input)]),
        outputs=Schema([ColSpec(types[kind], name) for name, kind in flavour.columns.items()]),
    )
    with tempfile.TemporaryDirectory(prefix="jobmend-model-") as name:
        folder = Path(name, flavour.name)
        shutil.copytree(directory, folder)
        info = mlflow.pyfunc.log_model(
            name=MODEL,
            python_model=str(flavour.script),
            artifacts={flavour.name: str(folder)},
            signature=signature,
            input_example=pandas.DataFrame({flavour.input: [example]}),
            pip_requirements=list(REQUIREMENTS),
        )
    return str(info.model_id)


def example_of(flavour: Flavour, directory: Path) -> str:
    """An input that the model saved in ``directory`` reads, made of nobody's data.

    A window of one thread that does the usual, or a task with one failure.
    """
    if flavour is TRACES:
        from .traces.model import TraceModel
        from .traces.pyfunc_columns import usual_window

        return usual_window(TraceModel.load(directory))
    return of_failures.EXAMPLE
