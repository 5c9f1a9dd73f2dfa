"""The models the brain judges with: read when they are there, read again when they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...classifier.artifact import MANIFEST, digest

if TYPE_CHECKING:
    from ...classifier.advice import Models

log = logging.getLogger(__name__)

FAILURES = "failures"
TRACES = "traces"


class ModelShelf:
    """The models in one directory: ``failures/`` and ``traces/``, either of which may be absent.

    A model that cannot be read leaves the one before it in use and is said once in the log.
    """

    def __init__(self, directory: Path) -> None:
        """Read nothing yet: the libraries behind models are slow to import."""
        self._directory = directory
        self._lock = threading.Lock()
        self._read: dict[str, Any] = {FAILURES: None, TRACES: None}
        self._stamps: dict[str, int] = {FAILURES: 0, TRACES: 0}
        self._digests: dict[str, str] = {}

    def current(self) -> Models:
        """The models as they lie there now."""
        from ...classifier.advice import Models

        with self._lock:
            self._refresh(FAILURES, _load_failures)
            self._refresh(TRACES, _load_traces)
            return Models(self._read[FAILURES], self._read[TRACES], dict(self._digests))

    def present(self) -> dict[str, bool]:
        """Which models lie there; does not read them."""
        return {name: bool(_stamp(self._directory / name)) for name in (FAILURES, TRACES)}

    def _refresh(self, name: str, load: Callable[[Path], Any]) -> None:
        path = self._directory / name
        stamp = _stamp(path)
        if stamp == self._stamps[name]:
            return
        self._stamps[name] = stamp
        try:
            before = digest(path) if stamp else ""
            self._read[name] = load(path) if stamp else None
        except Exception as error:  # whatever a damaged file does to a library
            log.warning("%s: the model cannot be read, the one before stays: %s", path, error)
            return
        self._digests.pop(name, None)
        if before:
            self._digests[name] = before
        if _stamp(path) != stamp:  # another one was put there meanwhile
            self._refresh(name, load)


def version_of(subject: str) -> int:
    """The version of saved models that can be read; slow at first, as it imports who reads them."""
    if subject == TRACES:
        from ...classifier.traces.model import VERSION as TRACES_VERSION

        return TRACES_VERSION
    from ...classifier.failures.model import VERSION as FAILURES_VERSION

    return FAILURES_VERSION


def _stamp(path: Path) -> int:
    """When the model was saved (its manifest is written last), in ns; 0 where there is none."""
    try:
        return (path / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def _load_failures(path: Path) -> Any:
    from ...classifier.failures.model import FailureClassifier

    return FailureClassifier.load(path)


def _load_traces(path: Path) -> Any:
    from ...classifier.traces.model import TraceModel

    return TraceModel.load(path)
