"""What the scorer answers: the model it has taken, and the scores of a window."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...jobs.windows import WindowLength
from . import archive
from .model import EdgeModel


class Answers:
    """The model in use, and the answers to the agent's questions."""

    def __init__(self) -> None:
        """Start without a model."""
        self._model: EdgeModel | None = None

    def to(self, asked: dict[str, Any], payload: bytes) -> dict[str, Any]:
        """The answer to one question; SealError or ValueError where there is none."""
        if asked.get("do") == "load":
            return self._load(asked)
        if asked.get("do") == "score":
            return self._score(asked, payload)
        raise ValueError(f"no question: {asked.get('do')!r:.40}")

    def _load(self, asked: dict[str, Any]) -> dict[str, Any]:
        model = EdgeModel(archive.load(str(asked["path"]), str(asked["key_file"])))
        model.check_length(WindowLength(asked["steps"], asked["step_seconds"]))
        self._model = model
        return {
            "model": model.version,
            "name": model.name,
            "steps": model.steps,
            "step_seconds": model.length.step_seconds,
            "features": list(model.features),
        }

    def _score(self, asked: dict[str, Any], payload: bytes) -> dict[str, Any]:
        if self._model is None:
            raise ValueError("there is no model yet")
        shape, features = asked["shape"], asked["features"]
        self._model.check(shape, asked["step_seconds"], features)
        if len(asked["owners"]) != shape[0]:
            raise ValueError(f"{len(asked['owners'])} owners for {shape[0]} threads")
        window = np.frombuffer(payload, np.float32).reshape(shape)
        runs = self._model.judge(window, asked["owners"], asked["kinds"])
        return {"model": self._model.version, "runs": runs}
