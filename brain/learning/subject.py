"""What is learned: a subject has examples, arms that compete, and a measure of who errs less."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Content = TypeVar("Content")  # of an example: a TraceWindow, or a FailedTask
Numbers = NDArray[np.float64]
Tell = Callable[[str, int, int], None]  # what is done now, steps done, steps in all


@dataclass(frozen=True)
class Example(Generic[Content]):
    """One thing to learn from.

    ``truth`` is what the schedulers and operators say of it: ``healthy`` or ``ailing`` of a
    window, the action decided of a task; empty where nobody knows.
    """

    key: str  # of the window or task: told twice it has the same key
    time: float  # seconds since the epoch
    group: str  # run or workflow: what is of one group is never split
    kind: str  # type of job: the workflow's name
    truth: str
    content: Content
    label: str = ""  # what a person said who vetted it: normal, or the name of an anomaly

    def vetted(self, label: str) -> Example[Content]:
        """The same with a person's word."""
        return replace(self, label=label)


@dataclass(frozen=True)
class Measured:
    """``values`` is ``[examples, features]``, NaN where not measured: what drift tests look at."""

    names: tuple[str, ...]
    values: Numbers


class Model(Protocol):
    """What the steps of a turn ask of a model; the subject knows the rest."""

    def save(self, directory: Path) -> Any:
        """Write it, whole or not at all."""

    def get_params(self) -> dict[str, Any]:
        """What it was made with."""


class Subject(Protocol[Content]):
    """Traces or failures. All that differs between the two in a turn of learning."""

    name: ClassVar[str]  # also the folder below [store] models, and the name in the registry

    @property
    def arms(self) -> Sequence[str]:
        """The arms that compete, by name; the simple ones are among them."""

    def gather(self, since: float, until: float) -> list[Example[Content]]:
        """What the brain got in ``[since, until)``, oldest first."""

    def alike(self, examples: Sequence[Example[Content]]) -> tuple[list[Example[Content]], str]:
        """Those of ``examples``, oldest first, that one model can read; what is left out in a
        sentence, empty where nothing is.
        """

    def length(self, model: Model) -> Mapping[str, float]:
        """How long the examples are that a model reads, as its lineage tells it; or nothing."""

    def write(self, path: Path, examples: Sequence[Example[Content]]) -> None:
        """Keep examples in one file, whole or not at all."""

    def read(self, path: Path) -> list[Example[Content]]:
        """Read them back; ValueError names the file where it is damaged."""

    def measure(self, examples: Sequence[Example[Content]]) -> Measured:
        """A few numbers an example, whose distributions are watched for drift."""

    def train(self, arm: str, train: Sequence[Example[Content]], seed: int, tell: Tell) -> Model:
        """Learn; ValueError says what is too little. Only what may be learned from is looked at:
        healthy windows, decided tasks.
        """

    def load(self, directory: Path) -> Model:
        """Read a saved model; ArtifactError where it is damaged."""

    def losses(self, model: Model, examples: Sequence[Example[Content]]) -> Numbers:
        """``[examples]``: how much the model errs on each, lower is better; NaN: not judged.

        Comparable between arms, and between models trained on other days.
        """

    def novelty(self, model: Model, examples: Sequence[Example[Content]]) -> Numbers:
        """``[examples]``: p-values, small where it is unlike all the model learned from."""

    def compared(self, model: Model, examples: Sequence[Example[Content]]) -> Numbers:
        """``[examples]``: with how many known examples :meth:`novelty` compares each."""

    def suspicion(self, model: Model, examples: Sequence[Example[Content]]) -> Numbers:
        """``[examples]``: p-values, small where truth contradicts what the model is sure of."""

    def describe(self, example: Example[Content]) -> Mapping[str, str]:
        """Facts about an example for the person who vets it: plain text by name, not escaped."""
