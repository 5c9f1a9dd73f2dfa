"""What is logged of the training of a failure classifier: its parameters, figures and lineage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....jobs.version import VERSION
from ... import artifact
from ...environment import environment
from ..evaluation.scores import PER_CLASS, Said, score
from ..history.cms import write_history
from ..task import FailedTask, History
from .assembly import judged
from .report import Report, build
from .tracking import Run

if TYPE_CHECKING:
    from ..model import FailureClassifier


def run_of(
    model: FailureClassifier, history: History, directory: Path, report: Report, sha256: str
) -> Run:
    """The run of ``model``, fitted on ``history`` and saved in ``directory``.

    ``sha256`` is :func:`~..history.digest.digest` of the history's tasks.
    """
    about = model.about_
    params = {name: value for name, value in model.get_params().items() if name != "params"}
    arm = {f"arm.{name}": value for name, value in model.action_.arm.get_params().items()}
    kind = "synthetic" if about.synthetic else "recorded"
    return Run(
        name=f"{about.champion} on {about.tasks} {kind} tasks",
        model=directory,
        example=_example(history),
        digest=sha256,
        params={**params, "champion": about.champion, **arm},
        metrics={**_contest(about.contest), **_by_class(model, history)},
        report=build(report),
        pictures=report.pictures,
        tags={**_tags(model, history), "jobmend.digest": artifact.digest(directory)},
    )


def _example(history: History) -> str:
    """The smallest task that has a failure, without what was done about it."""
    smallest = min((task for task in history.tasks if task.cells), key=lambda one: len(one.cells))
    task = FailedTask(smallest.name, smallest.cells)
    return write_history(History([task], "input example", history.synthetic)).decode()


def _contest(rows: Any) -> dict[str, float]:
    return {
        f"arms/{row['arm']}/{name}": float(told[0])
        for row in rows
        for name, told in row.items()
        if isinstance(told, (list, tuple)) and told[0] is not None
    }


def _by_class(model: FailureClassifier, history: History) -> dict[str, float]:
    """Of the calibrated probabilities of held-out tasks."""
    _, labels = judged(model, history)
    scores = score(Said(labels, model.held_out_), model.classes)
    found = {"log_loss": scores.log_loss, "macro_f1": scores.macro_f1, "ece": scores.ece}
    for word, one in scores.of_class.items():
        found |= {f"class/{word}/{name}": float(getattr(one, name)) for name in PER_CLASS}
    return found


def _tags(model: FailureClassifier, history: History) -> Mapping[str, str]:
    about = model.about_
    return {
        "data.origin": history.origin,
        "data.kind": "synthetic" if about.synthetic else "recorded",
        "data.tasks": str(about.tasks),
        "data.first": str(about.first),  # seconds since the epoch
        "data.last": str(about.last),
        "jobmend.version": VERSION,
        "verdict": about.verdict,
        **{f"environment.{name}": version for name, version in environment().items()},
    }
