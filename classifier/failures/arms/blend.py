"""A blend of other arms: the weighted mean of what they say, weights found on the newest tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..resampling import Resampling
from ..task import FailedTask
from .arm import Arm, Floats
from .boosted import BoostedArm
from .keeping import KeptArm, json_bytes, part, unfitted
from .labelled import floored, numbered
from .linear import LogisticArm
from .mixture import MixtureArm

NEWEST = 0.2  # share of the history that the weights are found on
FEWEST = 40  # tasks held out for that; with fewer all members weigh the same
STEPS = 200
PRIOR = 1.0  # tasks that each member is thought to have said best

MEMBERS: Mapping[str, type[Any]] = {arm.name: arm for arm in (MixtureArm, BoostedArm, LogisticArm)}


class BlendArm(KeptArm):
    """A linear opinion pool of different arms.

    Members fitted on the older 80 % say the newest 20 %; the weights that make the pool's log-loss
    least there are found by expectation and maximisation, which cannot fail as the problem is
    convex. Then the members are fitted on all.
    """

    name = "blend"

    weights_: Floats
    members_: list[Arm]

    def __init__(
        self,
        *,
        members: Sequence[str] = tuple(MEMBERS),
        resampling: Resampling = "none",
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """``members``: names in :data:`MEMBERS`; ValueError for another."""
        strange = [name for name in members if name not in MEMBERS]
        if strange or not members:
            raise ValueError(f"a blend is made of {', '.join(MEMBERS)}, not of {strange}")
        self.members = tuple(members)
        self.resampling: Resampling = resampling
        self.seed = seed
        self.threads = threads

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Learn from tasks in time order; ValueError says what they lack."""
        self.classes_, numbers = numbered(tasks, labels)
        split = len(tasks) - int(NEWEST * len(tasks))
        self.weights_ = np.full(len(self.members), 1 / len(self.members))
        if len(tasks) - split >= FEWEST and len(set(labels[:split])) > 1:
            older = [arm.fit(tasks[:split], labels[:split]) for arm in self._make()]
            said = [self._spread(arm, arm.predict_proba(tasks[split:])) for arm in older]
            places = np.arange(len(tasks) - split)
            self.weights_ = pool_weights(
                np.column_stack([p[places, numbers[split:]] for p in said])
            )
        self.members_ = [arm.fit(tasks, labels) for arm in self._make()]
        return self

    def _make(self) -> list[Arm]:
        return [MEMBERS[name](**self._inner()) for name in self.members]

    def _inner(self) -> dict[str, Any]:
        return {"resampling": self.resampling, "seed": self.seed, "threads": self.threads}

    def _spread(self, arm: Arm, said: Floats) -> Floats:
        """What ``arm`` says, in the blend's classes: it may not have seen the rarest."""
        wide = np.zeros((len(said), len(self.classes_)))
        wide[:, [self.classes_.index(word) for word in arm.classes_]] = said
        return floored(wide)

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``; rows sum to 1."""
        if not hasattr(self, "members_"):
            raise unfitted(self.name)
        said = [arm.predict_proba(tasks) for arm in self.members_]
        return floored(np.einsum("m,mnc->nc", self.weights_, np.stack(said)))

    def files(self) -> dict[str, bytes]:
        """The members' files, each name led by the member's, and the weights."""
        if not hasattr(self, "members_"):
            raise unfitted(self.name)
        learned = {"classes": list(self.classes_), "weights": self.weights_.tolist()}
        files = {"arm.json": json_bytes(learned)}
        for name, arm in zip(self.members, self.members_, strict=True):
            files |= {f"{name}-{file}": data for file, data in arm.files().items()}
        return files

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.weights_ = np.array(learned["weights"], dtype=np.float64)
        made = zip(self.members, self._make(), strict=True)
        self.members_ = [
            MEMBERS[name].restore(member.get_params(), part(files, f"{name}-"))
            for name, member in made
        ]
        fitting = all(member.classes_ == self.classes_ for member in self.members_)
        if not fitting or self.weights_.shape != (len(self.members_),):
            raise ValueError("members of other classes")


def pool_weights(said: Floats) -> Floats:
    """Weights of the members whose pool gives what came the most likelihood; they sum to 1.

    ``said`` is ``[tasks, members]``: the probability each gave to what came.
    """
    weights = np.full(said.shape[1], 1 / said.shape[1])
    for _ in range(STEPS):
        shares = said * weights
        counts = (shares / shares.sum(axis=1, keepdims=True)).sum(axis=0) + PRIOR
        weights = counts / counts.sum()
    return weights
