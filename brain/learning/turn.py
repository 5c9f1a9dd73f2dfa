"""One turn: gather, vet, split, train, evaluate, compare, promote, publish, register."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from ...classifier.environment import environment
from ..store import Store
from .course import Course
from .incumbents import Incumbents, find
from .registry import made_by
from .steps import promoting, sifting, splitting
from .steps.comparing import Decision, compare
from .steps.evaluating import FILE as LOSSES
from .steps.evaluating import Evaluated, contest_of, evaluate, read_losses
from .steps.gathering import FILE as EXAMPLES
from .steps.gathering import Gathered, examples_of, gather
from .steps.promoting import Promoted, Published
from .steps.sifting import Sifted
from .steps.splitting import Parts
from .steps.telling import Registered, Told, register
from .steps.training import ARMS, Trained, train_arm
from .subject import Content, Example
from .turns import TurnState
from .work import NothingToLearn, OutOfTime, Work

if TYPE_CHECKING:
    from .registry.registry import Registry

STATES = {
    "first": TurnState.PROMOTED,
    "promote": TurnState.PROMOTED,
    "shadow": TurnState.SHADOW,
    "keep": TurnState.KEPT,
    "rollback": TurnState.ROLLED_BACK,
}


@dataclass(frozen=True)
class Ended:
    """How a turn ended; ``body`` is that of :class:`.turns.TurnRecord`."""

    state: TurnState
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """``losses`` are means of champion and challenger, ``band`` that of a model promoted now."""

    decision: Decision
    losses: dict[str, float]
    band: list[float] | None


class Turn(Generic[Content]):
    """The steps of one turn, each handed what those before it gave."""

    def __init__(
        self,
        work: Work[Content],
        store: Store,
        course: Course,
        registry: Registry | None,
        remember: Callable[[], Sequence[Example[Content]]],
    ) -> None:
        """Do nothing yet. ``remember`` gives the reservoir of older examples."""
        self._work, self._store, self._course = work, store, course
        self._registry, self._remember = registry, remember

    def go(self) -> Ended:
        """All steps. NothingToLearn where there is too little."""
        gathered = self._course.step(
            "gather",
            Gathered,
            lambda: gather(self._work, self._store, self._remember()),
            [EXAMPLES],
        )
        sifted = self._course.step("vet", Sifted, self._sift, [sifting.FILE])
        if sifted.whole:
            return self._quarantined(gathered, sifted)
        if not sifted.newest and (sifted.older == 0 or self.incumbents.champion):
            raise NothingToLearn(
                f"{self._work.subject.name}: nothing new to learn from since the turn before "
                f"({sifted.quarantined} quarantined); the champion stays"
            )
        return self._compete(_about(gathered, sifted))

    def _compete(self, about: Mapping[str, Any]) -> Ended:
        """From the split on: challengers against the champion."""
        step = self._course.step
        parts = step("split", Parts, lambda: splitting.described_all(self.parts))
        trained = self._train()
        evaluated = step("evaluate", Evaluated, lambda: self._judge(trained), [LOSSES])
        compared = step("compare", Compared, lambda: self._compare(evaluated))
        promoted = step(
            "promote", Promoted, lambda: self._promote(parts, trained, evaluated, compared)
        )
        step("publish", Published, lambda: promoting.publish(self._work, self._store))
        decision, left_out = compared.decision, {one.arm: one.why_not for one in trained}
        told = Told(
            STATES[decision.action],
            decision.why,
            parts.all(),
            trained,
            evaluated.validation,
            decision.figures,
            promoted.shadow,
        )
        body = {
            **about,
            "arm": decision.arm,
            "losses": compared.losses,
            "validation": evaluated.validation,
            "figures": decision.figures,
            "left_out": {arm: why for arm, why in left_out.items() if why},
        }
        return self._ended(told, promoted.before, promoted.after, body)

    def _ended(self, told: Told, before: int, after: int, about: Mapping[str, Any]) -> Ended:
        """Tell the registry, and sum the turn up."""
        work = self._work
        registered = self._course.step(
            "register",
            Registered,
            lambda: register(work, self._store, self._registry, told, self._course.now()),
        )
        body = {
            **about,
            "why": told.why,
            "before": before,
            "after": after,
            "shadow": vars(told.shadow) if told.shadow else None,
            "notes": [*about["notes"], *registered.notes],
        }
        return Ended(told.state, body)

    @cached_property
    def incumbents(self) -> Incumbents:
        """The models there were when the turn began."""
        with self._store.read() as db:
            return find(self._work, db)

    @cached_property
    def examples(self) -> list[Example[Content]]:
        """All that was gathered."""
        return examples_of(self._work)

    @cached_property
    def parts(self) -> dict[str, list[Example[Content]]]:
        """What was left by vetting, by part."""
        kept = sifting.kept_of(self._work, self.examples)
        is_new = self._work.is_new
        lot = f"{self._work.seed}/{self._work.begun:.0f}"  # another one each turn
        return splitting.parts_of(splitting.split(kept, is_new, lot), kept, is_new)

    def _sift(self) -> Sifted:
        return sifting.sift(self._work, self._store, self.examples, self.incumbents.champion)

    def _quarantined(self, gathered: Gathered, sifted: Sifted) -> Ended:
        waiting, number = self.incumbents.waiting, self.incumbents.number
        told = Told(TurnState.QUARANTINED, sifted.why, shadow=waiting)
        return self._ended(told, number, number, _about(gathered, sifted))

    def _train(self) -> list[Trained]:
        trained = [
            self._course.step(
                f"train/{arm}",
                Trained,
                lambda arm=arm: train_arm(  # type: ignore[misc]
                    self._work, arm, self.parts[splitting.TRAIN], self._course.left
                ),
                lambda one: () if one.why_not else [f"{ARMS}/{one.arm}"],
            )
            for arm in self._work.subject.arms
        ]
        if not any(not one.why_not for one in trained):
            reasons = "; ".join(dict.fromkeys(one.why_not for one in trained))
            if self._course.left() <= 0:
                raise OutOfTime(f"no arm was trained: {reasons}")
            raise NothingToLearn(f"{self._work.subject.name}: no arm can learn yet: {reasons}")
        return trained

    def _judge(self, trained: Sequence[Trained]) -> Evaluated:
        arms = [one.arm for one in trained if not one.why_not]
        return evaluate(self._work, arms, self.parts, self.incumbents)

    def _compare(self, evaluated: Evaluated) -> Compared:
        learning, losses = self._work.config.learning, read_losses(self._work)
        contest = contest_of(self._work, evaluated, losses)
        found = compare(contest, learning.margin, learning.shadow_turns, learning.seed)
        finite = {name: one for name, one in found.figures.items() if math.isfinite(one)}
        return Compared(
            replace(found, figures=finite),
            promoting.mean_losses(losses, learning.seed),
            promoting.band(found, losses, learning.band, learning.seed),
        )

    def _promote(
        self,
        parts: Parts,
        trained: Sequence[Trained],
        evaluated: Evaluated,
        compared: Compared,
    ) -> Promoted:
        params = {one.arm: one.params for one in trained}
        lengths = {one.arm: one.length for one in trained}
        lineage = {
            "arm": evaluated.best,
            "length": lengths.get(evaluated.best, {}),
            "params": params.get(evaluated.best, {}),
            "turn": self._work.id,
            "parts": [vars(part) for part in parts.all()],
            "code": made_by.code(),
            "environment": environment(),
            "band": compared.band,
            "figures": dict(compared.decision.figures),
        }
        return promoting.promote(
            self._work,
            self._store,
            compared.decision,
            evaluated,
            lineage,
            self.incumbents.waiting,
        )


def _about(gathered: Gathered, sifted: Sifted) -> dict[str, Any]:
    return {
        "since": gathered.since,
        "newest_since": gathered.newest_since,
        "until": gathered.until,
        "examples": gathered.newest + gathered.older + gathered.replayed,
        "late": gathered.late,
        "notes": gathered.notes,
        "newest": sifted.newest,
        "quarantined": sifted.quarantined,
        "waiting": sifted.waiting,
        "drifted": sifted.drifted,
        "odd_share": sifted.odd_share,
        "suspect_share": sifted.suspect_share,
    }
