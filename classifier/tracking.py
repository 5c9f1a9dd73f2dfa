"""MLflow as everything here reaches it: quiet, told where, and its errors in one sentence.

Nothing is sent but to the tracking server that is named; MLflow's own telemetry is off. Secrets
in an address or in MLflow's variables never reach a message.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from ..jobs.text import printable

MAX_VALUE = 500  # characters of a parameter or tag
_SQLITE = "sqlite:///"
_SILENT = "Max retries exceeded"  # in every message of a server that is not there

# Asked for where nobody said otherwise: an unreachable server is told in seconds, not minutes.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",  # no words where git is not installed
}


class TrackingError(Exception):
    """What could not be logged; the message says where and why, without secrets."""


def default_uri(models: Path) -> str:
    """The embedded store: an SQLite file in the models' folder, artifacts beside it."""
    return f"{_SQLITE}{models.absolute() / 'mlflow.db'}"


@contextmanager
def reached(tracking_uri: str, failed: str, cure: str) -> Iterator[ModuleType]:
    """MLflow, set to an address meanwhile.

    TrackingError where the server or the folder is not there or says no: ``failed``, the reason,
    then ``cure``.
    """
    mlflow = _mlflow()
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _tracking(mlflow, tracking_uri), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about type hints of the model's code
            yield mlflow
    except (mlflow.exceptions.MlflowException, SQLAlchemyError, OSError) as error:
        reason = without_secrets(tracking_uri, str(error).partition("\n")[0])
        if _SILENT in str(error):  # what follows is the address of some route, and of no use
            reason = "nothing answers there"
        # Without the cause: its text may hold the address with a password.
        raise TrackingError(
            f"{failed}: MLflow at {public(tracking_uri)}: {reason}; {cure}"
        ) from None


def public(told: str, limit: int = 200) -> str:
    """An address, or a sentence with some, without users and passwords."""
    return printable(re.sub(r"://[^/\s]*@", "://", told), limit)


def without_secrets(tracking_uri: str, text: str) -> str:
    """``text`` without the user and the password of the address and of MLflow's variables."""
    secrets = [urlsplit(tracking_uri).netloc.rpartition("@")[0], urlsplit(tracking_uri).password]
    secrets += [os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("PASSWORD", "TOKEN")]
    for secret in filter(None, secrets):
        text = text.replace(secret, "...")
    return printable(text, 240)


def key(name: str) -> str:
    """A name of a parameter, metric or tag that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)[:200]


def value(told: object) -> str:
    """A parameter or tag as MLflow takes it, without control characters."""
    return printable(str(told), MAX_VALUE)


def experiment(mlflow: ModuleType, uri: str, name: str) -> str:
    """The id of an experiment, which is made where it is missing."""
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    place = None  # a server knows its own
    if uri.startswith(_SQLITE):
        place = Path(uri.removeprefix(_SQLITE)).with_name("mlruns").absolute().as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _mlflow() -> ModuleType:
    """MLflow, with telemetry off from the first import on."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    for name, setting in SETTINGS.items():
        os.environ.setdefault(name, setting)
    import mlflow
    import mlflow.data.meta_dataset
    import mlflow.pyfunc

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every table it makes
    module: ModuleType = mlflow
    return module


@contextmanager
def _tracking(mlflow: ModuleType, uri: str) -> Iterator[None]:
    """MLflow's address is a setting of the process; it is put back."""
    before = mlflow.get_tracking_uri()
    if uri.startswith(_SQLITE):
        Path(uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
