"""What a report tells of a failure classifier, put together from the model and a history.

Right after a training the report rests on what the arms said of tasks they had not learned from.
With a saved model it rests on the history that is given, which the model must not have learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ....jobs.text import printable
from ....jobs.version import VERSION
from ...environment import environment
from ..arms.boosted import BoostedArm
from ..evaluation.comparison import Comparison
from ..evaluation.learning_curve import LearningCurve
from ..evaluation.scores import Posterior, Said, align
from ..evaluation.splits import Indices
from ..history.digest import digest
from ..labels import SCHEMES
from ..task import FailedTask, History
from .looks import looks_section, tuning_section
from .report import Report, Section, Table, Value
from .scores import arms_section, champion_section
from .trust import Trust, outcome_of, trust_section

if TYPE_CHECKING:
    from ..evaluation.tuning import Tuned
    from ..model import FailureClassifier


@dataclass(frozen=True, eq=False)
class Extras:
    """What a report may tell beyond the model itself; each is left out where it is None."""

    curve: LearningCurve | None = None
    tuned: Tuned | None = None
    posterior: Posterior | None = None  # the best possible answer, a row a usable task
    command: str = ""


NO_EXTRAS = Extras()


@dataclass(frozen=True, eq=False)
class _Ground:
    """What all sections rest on."""

    model: FailureClassifier
    history: History
    tasks: Sequence[FailedTask]  # of the history, those that can be scored
    said: Said
    comparison: Comparison | None  # only right after a training
    synthetic: bool

    @property
    def left_out(self) -> int:
        return len(self.history.tasks) - len(self.tasks)

    @cached_property
    def trust(self) -> Trust:
        """After a training, tasks have the novelty they would have had if they were new."""
        model, fitted = self.model, self.comparison is not None
        known = model.novelty_.held_out if fitted else model.novelty_.p_values(self.tasks)
        return Trust(
            model.action_.calibration,
            model.action_.sets,
            model.costs,
            model.novel_,
            known if len(known) == len(self.tasks) else None,
            fitted_here=fitted,
        )


def report_of(
    model: FailureClassifier, history: History, extras: Extras = NO_EXTRAS, *, now: datetime
) -> Report:
    """The report on ``model``: after ``fit(history)``, or on a ``history`` it did not learn from.

    ValueError where no task of the history has a failure and an action that the model knows.
    """
    tasks, labels = judged(model, history)
    comparison: Comparison | None = getattr(model, "comparison_", None)
    told = model.predict_proba(tasks) if comparison is None else model.held_out_
    said = Said(labels, align(told, model.classes, model.classes))
    synthetic = history.synthetic or model.about_.synthetic
    ground = _Ground(model, history, tasks, said, comparison, synthetic)
    return Report(
        title="Failure classifier" + (" (synthetic data)" if synthetic else ""),
        verdict=_verdict(ground),
        sections=_sections(ground, extras),
        synthetic=synthetic,
        made=f"Made {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC by jobmend {VERSION}.",
    )


def _sections(ground: _Ground, extras: Extras) -> list[Section]:
    model, synthetic = ground.model, ground.synthetic
    about = model.about_
    lines = _best(ground.comparison, extras.posterior)
    return [
        _data(ground),
        arms_section(
            about.contest, about.champion, about.verdict, synthetic=synthetic, lines=lines
        ),
        champion_section(
            ground.said,
            model.classes,
            about.champion,
            synthetic=synthetic,
            comparison=ground.comparison,
            curve=extras.curve,
        ),
        trust_section(ground.said, model.classes, ground.trust, synthetic=synthetic),
        *_looks(ground),
        *([tuning_section(extras.tuned, synthetic=synthetic)] if extras.tuned else []),
        _making(model, extras.command),
    ]


def judged(model: FailureClassifier, history: History) -> tuple[list[FailedTask], Indices]:
    """The tasks that can be scored and their labels as columns; ValueError where there is none."""
    numbers = {word: number for number, word in enumerate(model.classes)}
    scheme = SCHEMES[model.label]
    pairs = [
        (task, numbers[scheme(task.decision)])
        for task in history.tasks
        if task.troubled
        and task.decision is not None
        and task.decision.action
        and scheme(task.decision) in numbers
    ]
    if not pairs:
        raise ValueError(
            f"{printable(history.origin)}: no task has a failure and an action that the model "
            "knows; give a history with decisions"
        )
    return [task for task, _ in pairs], np.array([n for _, n in pairs], dtype=np.intp)


def _verdict(ground: _Ground) -> list[str]:
    model, tasks = ground.model, len(ground.tasks)
    outcome = outcome_of(ground.said, model.classes, ground.trust)
    if ground.comparison is not None:
        rests = f"Learned from {tasks} tasks; the figures are of tasks held out."
    else:
        rests = (
            f"A saved model, judged on {tasks} tasks; the figures are honest only where it did not "
            "learn from them. Arms are shown as they were compared at the training."
        )
    return [
        model.about_.verdict,
        f"It answers {1 - outcome.abstained:.1%} of the tasks, {outcome.precision:.1%} of them as "
        "it was done, and asks a person about the rest.",
        rests,
    ]


def _data(ground: _Ground) -> Section:
    model, tasks = ground.model, ground.tasks
    vocabulary = model.vocabulary_
    unseen = [vocabulary.unseen(task) for task in tasks]
    facts: dict[str, Value] = {
        "origin": ground.history.origin,
        "kind": "synthetic" if ground.history.synthetic else "as recorded",
        "tasks": len(tasks),
        "left out": f"{ground.left_out} without a failure, or without an action that is known",
        "failures": sum(task.failures for task in tasks),
        "decided": _span([task.time for task in tasks]),
        "digest (SHA-256)": digest(ground.history.tasks),
        "codes with columns": len(vocabulary.codes),
        "sites with columns": len(vocabulary.sites),
        "columns": vocabulary.width,
        "failures under other codes": sum(one.codes for one in unseen),
        "failures at other sites": sum(one.sites for one in unseen),
    }
    return Section("data", "Data", facts=facts, tables=[_shares(ground)])


def _shares(ground: _Ground) -> Table:
    classes, tasks = ground.model.classes, len(ground.tasks)
    learned = ground.model.about_.shares
    counts = np.bincount(ground.said.labels, minlength=len(classes))
    rows: list[list[Value]] = [
        [word, int(count), float(count / tasks), float(learned.get(word, 0.0))]
        for word, count in zip(classes, counts, strict=True)
    ]
    return Table(["class", "tasks", "share", "share in training"], rows, "What was done.")


def _span(times: Sequence[float | None]) -> str:
    known = [time for time in times if time is not None]
    if not known:
        return "times are not known"
    first, last = (datetime.fromtimestamp(one, UTC) for one in (min(known), max(known)))
    missing = len(times) - len(known)
    rest = f", {missing} at unknown times" if missing else ""
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}{rest}"


def _best(comparison: Comparison | None, posterior: Posterior | None) -> dict[str, float]:
    """The log-loss of the best possible answer on the tasks that the arms were held out from."""
    if comparison is None or posterior is None:
        return {}
    best = align(posterior.probabilities, posterior.classes, comparison.classes)
    folds = comparison[comparison.champion].folds
    losses = [Said(fold.labels, best[fold.test]).losses for fold in folds]
    return {"best possible log-loss": float(np.concatenate(losses).mean())}


def _looks(ground: _Ground) -> list[Section]:
    """What the trees look at: the champion's, or those of an arm fitted for this."""
    model, tasks, labels = ground.model, ground.tasks, ground.said.labels
    arm = model.action_.arm
    paragraphs = []
    if not isinstance(arm, BoostedArm):
        if len(np.unique(labels)) < 2:
            return []
        words = [model.classes[number] for number in labels]
        arm = BoostedArm(seed=model.seed, threads=model.threads).fit(tasks, words)
        paragraphs = [
            f"The champion, {model.about_.champion}, has no trees: these are of an XGBoost arm "
            "fitted on the same tasks. They show what the data holds, not what the champion does."
        ]
    return [
        looks_section(arm, tasks, labels, model.classes, paragraphs, synthetic=ground.synthetic)
    ]


def _making(model: FailureClassifier, command: str) -> Section:
    champion, params = model.about_.champion, model.action_.arm.get_params()
    facts: dict[str, Value] = {
        "command": command or None,
        **{name: str(value) for name, value in model.get_params().items()},
        **{f"{champion}: {name}": str(value) for name, value in params.items()},
        **environment(),
    }
    return Section("making", "How it was made", facts=facts)
