"""Training the models the brain judges with, out of what there is to learn from."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import BrainConfig, LearningConfig
from ..progress import Tell
from ..store import Store
from .shelf import FAILURES, TRACES

if TYPE_CHECKING:
    from ...classifier.failures.evaluation.tuning import Tuned
    from ...classifier.failures.model import FailureClassifier
    from ...classifier.failures.task import History

TUNING_WINDOWS = 3  # of time, each held out in turn
TRACE_ARM = "autoencoder"  # what a trace model is that somebody trains by hand
EPOCHS_BY_HAND = 200


class TrainingError(Exception):
    """A training that cannot go on; the message names the place and the cure."""


@dataclass(frozen=True)
class Wanted:
    """How a failure classifier is to be trained; empty means the usual."""

    history_file: Path | None = None
    out: Path | None = None
    examples: int = 4000
    label: str = "action"
    arms: tuple[str, ...] = ()
    trials: int = 0
    study: Path | None = None
    report: Path | None = None
    track: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Summary:
    """What came of a training. ``arms`` are rows of Comparison.table(), the champion first."""

    model: str
    origin: str
    synthetic: bool
    tasks: int
    left_out: int
    champion: str
    verdict: str
    arms: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class FailureTraining:
    """A failure classifier that was trained and saved; ``notes`` are for people."""

    path: Path
    words: str
    summary: Summary
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TraceTraining:
    """A trace model that was trained on ``windows``; ``left_out`` had another shape."""

    path: Path
    windows: int
    left_out: int
    calibrated: str  # what new runs are compared with, in words


def train_failures(config: BrainConfig, wanted: Wanted, tell: Tell) -> FailureTraining:
    """Train and save a failure classifier; ValueError where there is too little to learn from."""
    from ...classifier.failures.model import FailureClassifier
    from ...classifier.failures.trust.abstention import Costs

    history = history_of(config, wanted)
    path = wanted.out or config.store.models / FAILURES
    made: dict[str, Any] = {"arms": wanted.arms} if wanted.arms else {}
    made |= {"label": wanted.label, "seed": wanted.seed, "threads": os.cpu_count() or 1}
    made |= {"costs": Costs.from_dict(config.advice.costs.model_dump())}
    tuned = None
    if wanted.trials:
        champion = FailureClassifier(**made).contest(history, tell).champion
        tuned = _tune(champion, history, wanted, tell)
        made |= {"params": {champion: tuned.params}} if tuned is not None else {}
    model = FailureClassifier(**made).fit(history, tell)
    model.save(path)
    notes = _publish(config, wanted, path, model, history, tuned)
    return FailureTraining(path, _words(model), _summary(path, model), notes)


def _tune(champion: str, history: History, wanted: Wanted, tell: Tell) -> Tuned | None:
    """Search the champion's parameters; None where it has none."""
    from ...classifier.failures.arms import catalogue
    from ...classifier.failures.evaluation import search_spaces, splits, tuning
    from ...classifier.failures.model import usable

    if champion not in search_spaces.SPACES:
        return None
    tasks, labels = usable(history, wanted.label)
    folds = splits.expanding(tasks, windows=TUNING_WINDOWS)
    problem = tuning.Problem(
        champion,
        lambda name, **params: catalogue.make(name, seed=wanted.seed, **params),
        search_spaces.SPACES[champion],
        tasks,
        labels,
        folds.folds,
    )
    try:
        return tuning.tune(
            problem,
            trials=wanted.trials,
            file=wanted.study,
            seed=wanted.seed,
            progress=lambda done, total, best: tell(f"tuning {champion} {best}", done, total),
        )
    except tuning.StudyError as error:
        raise TrainingError(str(error)) from error


def _publish(
    config: BrainConfig,
    wanted: Wanted,
    path: Path,
    model: FailureClassifier,
    history: History,
    tuned: Tuned | None,
) -> tuple[str, ...]:
    """Write the report and log to MLflow as wanted; what cannot be logged is a note."""
    if wanted.report is None and not wanted.track:
        return ()
    from ...classifier import tracking
    from ...classifier.failures.history.digest import digest
    from ...classifier.failures.reporting.assembly import Extras, report_of
    from ...classifier.failures.reporting.report import build
    from ...classifier.failures.reporting.tracked import run_of
    from ...classifier.failures.reporting.tracking import log_run

    report = report_of(model, history, Extras(tuned=tuned), now=datetime.now(UTC))
    notes = []
    if wanted.report is not None:
        wanted.report.write_bytes(build(report))
        notes.append(f"{wanted.report}: the report")
    if wanted.track:
        uri = config.learning.mlflow or tracking.default_uri(wanted.out or config.store.models)
        try:
            logged = log_run(uri, run_of(model, history, path, report, digest(history.tasks)))
            notes.append(f"{tracking.public(uri)}: logged as run {logged.run_id}")
        except tracking.TrackingError as error:
            notes.append(str(error))
    return tuple(notes)


def history_of(config: BrainConfig, wanted: Wanted) -> History:
    """What to learn from: the file, else the stored decisions, else synthetic workflows."""
    from ...classifier.failures.history.cms import read_history
    from ...classifier.failures.model import MIN_EXAMPLES
    from ...classifier.failures.synthetic import records as synthetic_records
    from .. import decisions

    if wanted.history_file is not None:
        file = wanted.history_file
        return read_history(file.read_bytes(), str(file)).history
    if config.store.path.exists():
        store = Store(config.store.path)
        try:
            with store.read() as db:
                stored = decisions.history(db, config.advice.site_window_seconds)
        finally:
            store.close()
        actions = {task.decision.action for task in stored.tasks if task.decision}
        if len(stored.tasks) >= MIN_EXAMPLES and len(actions) > 1:
            return stored
    made_up = synthetic_records.generate(wanted.examples, wanted.seed)
    return synthetic_records.as_history(made_up)


def _words(model: FailureClassifier) -> str:
    about = model.about_
    kind = "synthetic " if about.synthetic else ""
    return f"trained on {about.tasks} {kind}tasks ({about.origin}). {about.verdict}"


def _summary(path: Path, model: FailureClassifier) -> Summary:
    about = model.about_
    return Summary(
        str(path),
        about.origin,
        about.synthetic,
        about.tasks,
        about.left_out,
        about.champion,
        about.verdict,
        about.contest,
    )


def train_traces(store: Store, models: Path) -> TraceTraining:
    """Train on stored windows of healthy runs, of the shape told at present, and save.

    ValueError where they are too few.
    """
    from ..learning.traces.examples import is_healthy
    from ..learning.traces.subject import Traces, of_present_shape
    from ..sources.stored import StoredWindows

    settings = LearningConfig(max_examples=sys.maxsize)
    subject = Traces(store, StoredWindows(store), settings, memory=math.inf, epochs=EPOCHS_BY_HAND)
    examples = subject.gather(-math.inf, math.inf)
    healthy = [example for example in examples if is_healthy(example)]
    alike = of_present_shape(healthy)
    model = subject.train(TRACE_ARM, alike, 0, lambda what, done, total: None)
    model.save(models / TRACES)
    calibration = model.calibration_
    words = calibration.reference("", 1).words(calibration.criterion)
    return TraceTraining(models / TRACES, len(alike), len(healthy) - len(alike), words)
