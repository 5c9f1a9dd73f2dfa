"""The search for an arm's best parameters: Bayesian optimisation that can be stopped and resumed.

A Gaussian process says which parameters to try next (optuna's GPSampler). A trial whose log-loss
over the folds so far is worse than the median of the others at that fold is pruned: it ends there.
Optuna's process never hears of trials in the state PRUNED and would ask for the same again and
again; so a pruned trial ends as complete, with what its value would probably have become, and with
a mark. Each trial is written to a SQLite file, one study an arm, so a stopped search goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from ..arms.arm import Arm
from ..task import FailedTask
from .comparison import Progress
from .scores import Floats, Said, align
from .search_spaces import Space
from .splits import Fold

RANDOM_TRIALS = 8  # before the Gaussian process has something to go by
FEWEST_TO_RANK = 4  # finished trials that an importance rests on at least
_DIGEST = "digest"
_PRUNED = "pruned_after_folds"


class StudyError(Exception):
    """A study that cannot be used or gave nothing; the message names the place and the cure."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is searched: the parameters of ``make``'s arm that say held-out tasks best."""

    name: str  # of the arm
    make: Callable[..., Arm]
    space: Space
    tasks: Sequence[FailedTask]
    labels: Sequence[str]
    folds: Sequence[Fold]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The words that were said, sorted."""
        return tuple(sorted(set(self.labels)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the data, folds and limits: trials of another problem mean nothing here."""
        told = hashlib.sha256(repr((self.name, sorted(self.space.items()))).encode())
        for task, label in zip(self.tasks, self.labels, strict=True):
            told.update(json.dumps([task.name, task.time, task.failures, label]).encode())
        for fold in self.folds:
            told.update(fold.train.tobytes() + b"|" + fold.test.tobytes())
        return told.hexdigest()

    def losses(self, arm: Arm, fold: Fold) -> Floats:
        """Fit ``arm`` on a fold: the log-loss of each held-out task, in nats."""
        arm.fit([self.tasks[p] for p in fold.train], [self.labels[p] for p in fold.train])
        said = arm.predict_proba([self.tasks[place] for place in fold.test])
        truth = np.array([self.classes.index(self.labels[p]) for p in fold.test], dtype=np.intp)
        return Said(truth, align(said, arm.classes_, self.classes)).losses


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a search found. ``params`` are for ``make``; ``log_loss`` in nats, over all folds.

    ``values`` and ``pruned`` are of all trials that ended, in order; the value of a pruned one is
    an estimate. ``importances``: share of the differences between trials that each
    parameter explains, by fANOVA (Hutter, Hoos and Leyton-Brown 2014); empty after few trials.
    """

    params: Mapping[str, Any]
    log_loss: float
    values: Floats
    pruned: NDArray[np.bool_]
    importances: Mapping[str, float]
    study: optuna.Study


def tune(
    problem: Problem,
    *,
    trials: int = 50,
    file: Path | None = None,
    patience: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Search until ``trials`` have ended, or ``patience`` of them brought nothing better.

    What ``file`` holds already counts. The arm's own defaults are tried first, so the result is
    never worse. One process at a time may use a file. StudyError where the file is none, holds
    another problem, or no trial could be fitted.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _storage_errors(file):
        study = _open(problem, file, seed)
        _take_up(study, problem)

        left = trials - len(_ended(study))
        if left > 0 and _since_best(_ended(study)) < patience:
            study.optimize(
                lambda trial: _objective(trial, problem),
                n_trials=left,
                catch=ValueError,
                callbacks=[_watch(trials, patience, progress)],
            )
        return _result(study, problem)


def _watch(
    trials: int, patience: int, progress: Progress | None
) -> Callable[[optuna.Study, FrozenTrial], None]:
    """What is done after each trial: tell, and stop where nothing better comes."""

    def watch(study: optuna.Study, _: FrozenTrial) -> None:
        ended = _ended(study)
        if progress is not None:
            progress(len(ended), trials, _best_so_far(ended))
        if _since_best(ended) >= patience:
            study.stop()

    return watch


def _objective(trial: optuna.Trial, problem: Problem) -> float:
    params = {name: limits.draw(trial, name) for name, limits in problem.space.items()}
    seen: list[Floats] = []
    for number, fold in enumerate(problem.folds, start=1):
        try:
            seen.append(problem.losses(problem.make(problem.name, **params), fold))
        except ValueError as error:
            trial.set_user_attr("failure", str(error)[:400])
            raise
        mean = float(np.concatenate(seen).mean())
        trial.report(mean, number)
        if number < len(problem.folds) and trial.should_prune():
            trial.set_user_attr(_PRUNED, number)
            return mean + _still_to_come(trial.study, number)
    return mean


def _still_to_come(study: optuna.Study, folds: int) -> float:
    """By how much the finished trials' log-loss changed, in the median, after so many folds."""
    finished = _finished(_ended(study))
    return float(np.median([_value(one) - one.intermediate_values[folds] for one in finished]))


def _open(problem: Problem, file: Path | None, seed: int) -> optuna.Study:
    study = optuna.create_study(
        study_name=problem.name,
        storage=None if file is None else _storage(file),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        load_if_exists=True,
    )
    held = study.user_attrs.get(_DIGEST, problem.digest if not study.trials else "")
    if held != problem.digest:
        raise StudyError(
            f"{file}: its study of {problem.name} is of another history or other limits; give "
            "another file, or remove this one"
        )
    if any(set(trial.params) != set(problem.space) for trial in _ended(study)):
        raise StudyError(f"{file}: its study of {problem.name} is damaged; remove the file")
    study.set_user_attr(_DIGEST, problem.digest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.GPSampler(
            seed=seed + len(study.trials),  # else a resumed search would draw the same again
            n_startup_trials=RANDOM_TRIALS,
            deterministic_objective=True,
        )
    return study


def _take_up(study: optuna.Study, problem: Problem) -> None:
    """Try the defaults first; what a stop cut short is tried again."""
    if not study.trials:
        study.enqueue_trial(_defaults(problem))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _defaults(problem: Problem) -> dict[str, Any]:
    held = problem.make(problem.name).get_params()
    words = {name: limits.word(held.get(name)) for name, limits in problem.space.items()}
    return {name: word for name, word in words.items() if word is not None}


def _storage(file: Path) -> optuna.storages.RDBStorage:
    """The file as optuna's storage; StudyError where it is something else, untouched."""
    if file.exists() and file.stat().st_size:
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as base:
                names = {name for (name,) in base.execute("SELECT name FROM sqlite_master")}
        except sqlite3.Error as error:
            raise StudyError(f"{file}: no file of studies ({error}); give another") from error
        if not {"studies", "trials"} <= names:
            raise StudyError(f"{file}: a database, but of no studies; give another file")
    url = URL.create("sqlite", database=str(file.absolute()))
    return optuna.storages.RDBStorage(url.render_as_string())


@contextmanager
def _storage_errors(file: Path | None) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(getattr(error, "orig", None) or error.__cause__ or error).splitlines()[0]
        raise StudyError(f"{file}: the study cannot be kept there ({reason})") from error


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return list(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _is_pruned(trial: FrozenTrial) -> bool:
    return _PRUNED in trial.user_attrs


def _finished(ended: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in ended if not _is_pruned(trial)]


def _since_best(ended: Sequence[FrozenTrial]) -> int:
    """How many trials ended after the best one."""
    values = [math.inf if _is_pruned(trial) else _value(trial) for trial in ended]
    return len(values) - 1 - int(np.argmin(values)) if values else 0


def _best_so_far(ended: Sequence[FrozenTrial]) -> str:
    best = min(map(_value, _finished(ended)), default=math.inf)
    return f"best log-loss {best:.4f}" if math.isfinite(best) else "no trial has finished"


def _result(study: optuna.Study, problem: Problem) -> Tuned:
    ended = _ended(study)
    finished = _finished(ended)
    if not finished:
        reasons = [trial.user_attrs.get("failure", "") for trial in study.get_trials()]
        raise StudyError(
            f"no trial of {problem.name} could be fitted: {next(filter(None, reasons), 'none ran')}"
        )
    best = min(finished, key=_value)
    fixed = optuna.trial.FixedTrial(best.params)
    return Tuned(
        params={name: limits.draw(fixed, name) for name, limits in problem.space.items()},
        log_loss=_value(best),
        values=np.array([_value(trial) for trial in ended], dtype=np.float64),
        pruned=np.array([_is_pruned(trial) for trial in ended], dtype=np.bool_),
        importances=_importances(study) if len(finished) >= FEWEST_TO_RANK else {},
        study=study,
    )


def _value(trial: FrozenTrial) -> float:
    return math.inf if trial.value is None else float(trial.value)


def _importances(study: optuna.Study) -> dict[str, float]:
    shares = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    return {name: float(share) for name, share in shares.items()}
