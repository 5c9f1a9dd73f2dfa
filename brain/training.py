"""Training the models the brain judges with, out of what there is to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import windows
from .models import FAILURES, TRACES
from .store import Store

if TYPE_CHECKING:
    from ..classifier.failures.report import Score

HELD_OUT = 0.2  # the newest share is kept for the report


@dataclass(frozen=True)
class FailureTraining:
    """A failure model that was trained on ``examples`` synthetic workflows, and its report."""

    path: Path
    examples: int
    held_out: int
    scores: list[Score]


@dataclass(frozen=True)
class TraceTraining:
    """A trace model that was trained on ``windows``; ``left_out`` had another shape."""

    path: Path
    windows: int
    left_out: int


def train_failures(models: Path, n: int, seed: int) -> FailureTraining:
    """Train on ``n`` synthetic workflows and save; ValueError where they are too few."""
    from ..classifier.failures.model import FailureModel
    from ..classifier.failures.report import compare
    from ..classifier.failures.synthetic import generate

    history = generate(n, seed)
    split = len(history) - int(HELD_OUT * len(history))
    older, newer = history[:split], history[split:]
    model = FailureModel(seed=seed).fit(older)
    model.save(models / FAILURES)
    return FailureTraining(models / FAILURES, len(older), len(newer), compare(model, older, newer))


def train_traces(store: Store, models: Path) -> TraceTraining:
    """Train on stored windows of healthy runs, of the newest one's shape, and save.

    ValueError where they are too few.
    """
    from ..classifier.traces.model import TraceModel

    with store.read() as db:
        healthy = list(windows.of_healthy_runs(db))
    alike = [
        window
        for window in healthy
        if (window.steps, window.features) == (healthy[-1].steps, healthy[-1].features)
    ]
    TraceModel().fit(alike).save(models / TRACES)
    return TraceTraining(models / TRACES, len(alike), len(healthy) - len(alike))
