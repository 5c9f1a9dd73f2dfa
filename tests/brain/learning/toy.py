"""The smallest subject there is: numbers, learned as one number that is to lie near them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from jobmend.brain.learning.subject import Example, Measured, Numbers, Tell
from jobmend.classifier import artifact

KIND, VERSION = "toy", 1


@dataclass
class Constant:
    """Expects ``value``, give or take ``spread``."""

    arm: str
    value: float
    spread: float

    def save(self, directory: Path) -> None:
        data = json.dumps(vars(self)).encode()
        artifact.write(directory, KIND, VERSION, {"learned.json": data})

    def get_params(self) -> dict[str, Any]:
        return {"arm": self.arm}


@dataclass
class Toy:
    """Numbers by time; healthy ones are learned from. A loss is the squared distance."""

    name: ClassVar[str] = "toy"
    told: list[Example[float]] = field(default_factory=list)
    arms: Sequence[str] = ("zero", "mean", "picky")

    def tell(self, time: float, value: float, group: str, truth: str = "healthy") -> None:
        self.told.append(Example(f"{group}/{time}", time, group, "kind", truth, value))

    def gather(self, since: float, until: float) -> list[Example[float]]:
        return [one for one in self.told if since <= one.time < until]

    def alike(self, examples: Sequence[Example[float]]) -> tuple[list[Example[float]], str]:
        """Whole numbers are written in another way."""
        kept = [one for one in examples if not isinstance(one.content, int)]
        left_out = len(examples) - len(kept)
        return kept, f"{left_out} whole numbers are left out" if left_out else ""

    def length(self, model: Any) -> Mapping[str, float]:
        return {"steps": 3, "step_seconds": 1.0}

    def write(self, path: Path, examples: Sequence[Example[float]]) -> None:
        beside = path.with_name(f".{path.name}.tmp")
        beside.write_text(json.dumps([vars(one) for one in examples]))
        beside.replace(path)

    def read(self, path: Path) -> list[Example[float]]:
        try:
            return [Example(**one) for one in json.loads(path.read_text())]
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: damaged") from error

    def measure(self, examples: Sequence[Example[float]]) -> Measured:
        values = np.array([[one.content, abs(one.content)] for one in examples]).reshape(-1, 2)
        return Measured(("value", "size"), values)

    def train(self, arm: str, train: Sequence[Example[float]], seed: int, tell: Tell) -> Constant:
        values = [one.content for one in train if one.truth == "healthy" or one.label == "normal"]
        if len(values) < 5 or arm == "picky":
            raise ValueError(f"{len(values)} numbers: too few for {arm}")
        tell(arm, 1, 1)
        centre = 0.0 if arm == "zero" else float(np.mean(values))
        return Constant(arm, centre, float(np.std(values)) or 1.0)

    def load(self, directory: Path) -> Constant:
        return Constant(**json.loads(artifact.read(directory, KIND, VERSION)["learned.json"]))

    def losses(self, model: Any, examples: Sequence[Example[float]]) -> Numbers:
        return np.array([(one.content - model.value) ** 2 for one in examples])

    def novelty(self, model: Any, examples: Sequence[Example[float]]) -> Numbers:
        return np.array([_p(model, one.content) for one in examples])

    def compared(self, model: Any, examples: Sequence[Example[float]]) -> Numbers:
        return np.full(len(examples), 1e6)

    def suspicion(self, model: Any, examples: Sequence[Example[float]]) -> Numbers:
        return np.array([1.0 if one.truth == "healthy" else 0.5 for one in examples])

    def describe(self, example: Example[float]) -> Mapping[str, str]:
        return {"value": str(example.content)}


def _p(model: Constant, value: float) -> float:
    """Two-sided, of a normal distribution."""
    return math.erfc(abs(value - model.value) / model.spread / math.sqrt(2))


def days(toy: Toy, first: int, last: int, centre: float, seed: int = 0, begin: float = 0.0) -> Toy:
    """Sixty numbers a day near ``centre``, three of each group."""
    rng = np.random.default_rng(seed)
    for day in range(first, last):
        for place in range(60):
            time = begin + 86400 * day + place * 1000
            toy.tell(time, float(rng.normal(centre, 0.3)), f"d{day}-g{place // 3}")
    return toy
