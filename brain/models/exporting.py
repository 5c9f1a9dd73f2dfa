"""The trace model as nodes get it: exported and signed when it changed, and kept until it does."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import NamedTuple

from ...classifier.artifact import MANIFEST, ArtifactError
from ...jobs.sealing import read_seal
from .. import tokens
from ..config import StoreConfig
from .shelf import TRACES

log = logging.getLogger(__name__)


class Exported(NamedTuple):
    """A sealed model, and its version, which is its tag in HTTP."""

    version: str
    data: bytes


class Exporter:
    """Exports the trace model that lies in the brain's store. Any thread may ask."""

    def __init__(self, store: StoreConfig) -> None:
        """Read nothing yet."""
        self._directory = store.models / TRACES
        self._key = store.tokens / tokens.SCORER_KEY
        self._lock = threading.Lock()
        self._stamp = 0
        self._exported: Exported | None = None

    def current(self) -> Exported | None:
        """The model as it lies there now; None where there is none that nodes can use.

        One that cannot be exported leaves the one before it in use and is said once in the log.
        """
        with self._lock:
            stamp = _stamp(self._directory)
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._exported = self._export() if stamp else None
                except (ArtifactError, tokens.TokenError, OSError, ValueError) as error:
                    log.warning("the trace model is not exported, one before stays: %s", error)
            return self._exported

    def _export(self) -> Exported:
        from ...classifier.traces.export import export, of_trace_model
        from ...classifier.traces.model import TraceModel

        key = tokens.read(self._key)
        data = export(of_trace_model(TraceModel.load(self._directory)), key.encode())
        return Exported(read_seal(data).version, data)


def _stamp(directory: Path) -> int:
    """When the model was saved (its manifest is written last), in ns; 0 where there is none."""
    try:
        return (directory / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0
