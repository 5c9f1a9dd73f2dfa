"""The failure classifier: the champion among the arms, calibrated, and honest about its doubts.

What it is asked is one label scheme (the action). Beside it, simple answers about the parameters
(splitting, memory, data access) are learned where the history has enough of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from .. import artifact
from ..parameters import Parametrised
from .arms import catalogue
from .arms.arm import Arm, Floats
from .calibrated import FOLDS, CalibratedArm
from .evaluation.comparison import Comparison, compare
from .evaluation.splits import Folds, newest, stratified
from .labels import DEFAULT, PARTS_ONLY, SCHEMES
from .matrix import Vocabulary
from .prediction import ABSTAIN, Prediction
from .task import FailedTask, History
from .trust.abstention import Choice, Costs, abstentions, choose
from .trust.conformal import ALPHA
from .trust.explanation import Asked, Explainer
from .trust.neighbours import Neighbours
from .trust.novelty import Novelty, within

KIND = "failures"
VERSION = 2
STATE, WORDS = "model.json", "vocabulary.json"
MIN_EXAMPLES = 50
ARMS: Final = ("majority", "rules-cms", "logistic", "xgboost", "mixture")
PARAMETERS: Final = ("splitting", "memory", "data_access")
PARAMETER_ARM = "xgboost"
MIN_OF_PARAMETER = 20  # tasks that changed it; fewer teach nothing
# Share of known tasks that a person may be asked about. What the costs leave of it sets the p-value
# from which on a task is called novel, at least this.
ASKED = 0.09
LEAST_NOVEL = 0.02
EVIDENCE = 5  # cells for and against
RESAMPLES = 100
PAST = 3

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class About:
    """What the model was trained on, for people and for lineage."""

    origin: str
    synthetic: bool
    tasks: int
    left_out: int  # without a decision or without a failure
    shares: Mapping[str, float]
    first: float | None  # time of the oldest and the newest decision, seconds since the epoch
    last: float | None
    champion: str = ""
    verdict: str = ""  # who won and who cannot be told from it, in sentences
    contest: Sequence[Mapping[str, Any]] = ()  # a row an arm, as Comparison.table() has it


class FailureClassifier(Parametrised):
    """Answers what to do about failed tasks, or that a person should."""

    def __init__(
        self,
        *,
        arms: Sequence[str] = ARMS,
        params: Mapping[str, Mapping[str, Any]] | None = None,
        label: str = "action",
        costs: Costs | None = None,
        alpha: float = ALPHA,
        asked: float = ASKED,
        seed: int = 0,
        threads: int = 1,
        resamples: int = RESAMPLES,
    ) -> None:
        """Keep the parameters; ``params`` are those of single arms, by their name.

        ``resamples`` are those of the bootstrap behind the intervals of the contest; without any
        only the log-loss has one.
        """
        self.arms = tuple(arms)
        self.params = {name: dict(of) for name, of in (params or {}).items()}
        self.label = label
        self.costs = costs or Costs()
        self.alpha = alpha
        self.asked = asked
        self.seed = seed
        self.threads = threads
        self.resamples = resamples

    about_: About
    comparison_: Comparison  # only after fit()
    action_: CalibratedArm
    parameters_: dict[str, CalibratedArm]
    vocabulary_: Vocabulary
    novelty_: Novelty
    novel_: float  # p-value from which on a task is called novel
    neighbours_: Neighbours
    held_out_: Floats  # [tasks, classes], honest, of tasks the arm had not seen

    def get_params(self) -> dict[str, Any]:
        """What it was made with, by name; JSON values."""
        return {**super().get_params(), "costs": self.costs.to_dict()}

    def fit(self, history: History, tell: Tell = lambda what, done, total: None) -> Self:
        """Learn from a history; ValueError says what it lacks. ``tell`` hears of the progress."""
        tasks, labels = self._learnable(history)
        shares = Counter(labels)
        self.comparison_ = self._compete(tasks, labels, tell)
        champion = self.comparison_.champion
        self.action_, self.held_out_ = self._fit_arm(champion, tasks, labels, tell)
        self.parameters_ = self._fit_parameters(tasks, tell)
        self.vocabulary_ = Vocabulary.learn(tasks)
        tell("what is usual", 0, 1)
        self.novelty_ = Novelty.fit(tasks, self.seed)
        failed = [bool(task.cells) for task in tasks]
        unsure = abstentions(choose(self.held_out_[failed], self.classes, self.costs))
        level = within(self.asked, self.novelty_.held_out, unsure)
        self.novel_ = max(level, LEAST_NOVEL)
        self.neighbours_ = Neighbours.fit(tasks)
        times = [task.time for task in tasks if task.time is not None]
        self.about_ = About(
            history.origin,
            history.synthetic,
            len(tasks),
            len(history.tasks) - len(tasks),
            {word: count / len(tasks) for word, count in sorted(shares.items())},
            min(times, default=None),
            max(times, default=None),
            champion,
            self.comparison_.told(),
            self.comparison_.table(resamples=self.resamples),
        )
        return self

    def contest(self, history: History, tell: Tell = lambda what, done, total: None) -> Comparison:
        """How the arms do on the newest tasks, without training any for good; ValueError as fit."""
        return self._compete(*self._learnable(history), tell)

    def _learnable(self, history: History) -> tuple[list[FailedTask], list[str]]:
        """The tasks and answers to learn from; ValueError where they are too few."""
        tasks, labels = usable(history, self.label)
        different = len(set(labels))
        if len(tasks) < MIN_EXAMPLES or different < 2:
            raise ValueError(
                f"{history.origin}: {len(tasks)} decided tasks with {different} different "
                f"answers: at least {MIN_EXAMPLES} with 2 are needed to train on"
            )
        return tasks, labels

    def _compete(
        self, tasks: Sequence[FailedTask], labels: Sequence[str], tell: Tell
    ) -> Comparison:
        return compare(
            {name: self._maker(name) for name in self.arms},
            tasks,
            labels,
            held_out(tasks, labels, self.seed),
            lambda done, total, what: tell(what, done, total),
        )

    def _maker(self, name: str) -> Callable[[], Arm]:
        params = {"seed": self.seed, "threads": self.threads, **self.params.get(name, {})}
        return lambda: catalogue.make(name, **params)

    def _fit_arm(
        self, name: str, tasks: Sequence[FailedTask], labels: Sequence[str], tell: Tell
    ) -> tuple[CalibratedArm, Floats]:
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            tell(f"calibrating {name}", done, FOLDS + 1)

        return CalibratedArm.fit(
            self._maker(name), tasks, labels, alpha=self.alpha, seed=self.seed, step=step
        )

    def _fit_parameters(self, tasks: Sequence[FailedTask], tell: Tell) -> dict[str, CalibratedArm]:
        fitted = {}
        for name in PARAMETERS:
            labels = [SCHEMES[name](task.decision) for task in tasks if task.decision]
            changed = sum(word != DEFAULT for word in labels)
            if changed >= MIN_OF_PARAMETER and len(set(labels)) > 1:
                fitted[name], _ = self._fit_arm(PARAMETER_ARM, tasks, labels, tell)
        return fitted

    # ---- saying ----------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """The actions it knows, in the order of the columns."""
        return self.action_.classes

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes]``, calibrated; rows sum to 1."""
        return self.action_.predict_proba(tasks)

    def predict(self, tasks: Sequence[FailedTask]) -> list[Prediction]:
        """What it says about each task, with the evidence; it abstains where nothing failed."""
        if not tasks:
            return []
        explainer = Explainer(self.action_.arm)
        asked = [explainer.ask(task) for task in tasks]
        shares = self.action_.calibration.apply(np.stack([one.probabilities for one in asked]))
        novelty = self.novelty_.p_values(tasks)
        choices = choose(shares, self.classes, self.costs, novelty <= self.novel_)
        sets = self.action_.sets.sets(shares)
        parameters = {name: arm.predict_proba(tasks) for name, arm in self.parameters_.items()}
        return [
            self._said(
                task,
                asked[row],
                shares[row],
                choices[row],
                float(novelty[row]),
                sets[row],
                {name: table[row] for name, table in parameters.items()},
            )
            for row, task in enumerate(tasks)
        ]

    def _said(
        self,
        task: FailedTask,
        asked: Asked,
        shares: Floats,
        choice: Choice,
        novelty: float,
        places: Sequence[int],
        parameters: Mapping[str, Floats],
    ) -> Prediction:
        answer, unseen = self.action_.answer(shares), self.vocabulary_.unseen(task)
        action, doubt = choice.action, choice.reason
        novel = novelty <= self.novel_
        if not task.troubled:
            action, doubt = ABSTAIN, "it has no failure"
        elif novel:
            doubt = self.novelty_.reason(task)
        changes = parameters if action in PARTS_ONLY else {}
        return Prediction(
            task=task.name,
            action=action,
            probabilities=answer.probabilities,
            doubt=doubt,
            conformal_set=tuple(self.classes[place] for place in places),
            novelty_p=novelty,
            novel=novel,
            unseen_codes=unseen.codes,
            unseen_sites=unseen.sites,
            evidence=asked.weigh(answer.value, EVIDENCE),
            past=self.neighbours_.nearest(task, PAST),
            parameters={name: self.parameters_[name].answer(row) for name, row in changes.items()},
        )

    # ---- keeping ---------------------------------------------------------------------------------

    def save(self, directory: Path) -> None:
        """Write the model into ``directory``, replacing an older one there."""
        state = {
            "params": self.get_params(),
            "about": asdict(self.about_),
            "parameters": sorted(self.parameters_),
            "novel": self.novel_,
        }
        parts = {
            "": {STATE: json.dumps(state).encode(), WORDS: self.vocabulary_.to_json()},
            "action.": self.action_.files(),
            "novelty.": self.novelty_.files(),
            "past.": self.neighbours_.files(),
            **{f"{name}.": arm.files() for name, arm in self.parameters_.items()},
        }
        files = {head + name: data for head, part in parts.items() for name, data in part.items()}
        artifact.write(directory, KIND, VERSION, files)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved model; ArtifactError where it is damaged or of another format."""
        files = artifact.read(directory, KIND, VERSION)
        try:
            state = json.loads(files[STATE])
            params = {**state["params"], "costs": Costs.from_dict(state["params"]["costs"])}
            model = cls(**params)
            model.about_ = About(**state["about"])
            model.novel_ = float(state["novel"])
            model.action_ = CalibratedArm.restore(_part(files, "action."))
            model.parameters_ = {
                name: CalibratedArm.restore(_part(files, f"{name}."))
                for name in state["parameters"]
            }
            model.vocabulary_ = Vocabulary.from_json(files[WORDS])
            model.novelty_ = Novelty.restore(_part(files, "novelty."))
            model.neighbours_ = Neighbours.restore(_part(files, "past."))
        except (KeyError, TypeError, ValueError) as error:
            raise artifact.ArtifactError(f"{directory}: damaged; train the model anew") from error
        return model


def _part(files: Mapping[str, bytes], head: str) -> dict[str, bytes]:
    return {name[len(head) :]: data for name, data in files.items() if name.startswith(head)}


def usable(history: History, label: str) -> tuple[list[FailedTask], list[str]]:
    """The tasks of a history with something to decide and a decision, and the answers."""
    decided = [
        (task, SCHEMES[label](task.decision))
        for task in history.tasks
        if task.troubled and task.decision is not None and task.decision.action
    ]
    return [task for task, _ in decided], [word for _, word in decided]


def held_out(tasks: Sequence[FailedTask], labels: Sequence[str], seed: int) -> Folds:
    """What arms are judged on: the newest fifth; where times are not known, each fifth in turn."""
    if all(task.time is not None for task in tasks):
        return newest(tasks)
    return stratified(tasks, labels, FOLDS, (seed,))
