"""Carrying out what an operator approved: plan, audit, step by step, no step twice."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import replace

from ..jobs.actions import ActionKind, Recommendation, State
from ..jobs.records import RunRecord
from ..plugins.scheduler import SchedulerError
from . import audit, executor, ingest, recommendations, runs, steps, verifying, workflows
from .api.answers import Applied
from .schedulers import Schedulers
from .steps import PlannedStep, StepState
from .store import Store

log = logging.getLogger(__name__)

# What is a decision only: nothing is asked of the scheduler.
BOOKKEEPING = frozenset(
    {ActionKind.ASK, ActionKind.WAIT, ActionKind.BYPASS, ActionKind.FORCE_COMPLETE}
)


class CannotAct(Exception):
    """The action cannot be carried out; the message says why, and nothing was done."""


class Acting:
    """Applies and rejects recommendations of one store through the schedulers there are."""

    def __init__(
        self,
        store: Store,
        schedulers: Schedulers,
        clock: Callable[[], float],
        *,
        external: bool = False,
    ) -> None:
        """Keep what is acted with; ``clock`` gives seconds since the epoch.

        Where the executor is external, approved actions wait for it and no scheduler is asked.
        """
        self._store = store
        self._schedulers = schedulers
        self._clock = clock
        self._external = external

    def apply(self, id: int, who: str, *, dry_run: bool = False) -> Applied:
        """Approve a proposal and carry it out, or only show its steps.

        UnknownRecommendation, IllegalMove or CannotAct where nothing was done. A step that failed
        is no exception: the recommendation comes back as failed, the audit says why.
        """
        with self._store.read() as db:
            recommendation = recommendations.get(db, id)
        if recommendation.state is not State.PROPOSED:
            raise recommendations.IllegalMove(
                f"recommendation {id} is {recommendation.state.value}; only a proposed one"
                " can be applied"
            )
        plan = self._plan(recommendation)
        if dry_run:
            return Applied(recommendation, plan, True)
        with self._store.write() as db:
            approved = recommendations.move(
                db, recommendation, State.APPROVED, now=self._clock(), who=who
            )
            steps.keep(db, id, plan)
        if executor.is_left(plan):
            return Applied(approved, plan, False)
        return self._carry_out(id, who)

    def reject(self, id: int, who: str, why: str) -> Recommendation:
        """Turn a proposal down, or take back what an executor has not reported.

        IllegalMove where it is neither.
        """
        now = self._clock()
        with self._store.write() as db:
            current = recommendations.get(db, id)
            waits = current.state is State.APPROVED
            if waits and executor.is_left(steps.of_recommendation(db, id)):
                return executor.take_back(db, current, now=now, who=who, why=why)
            return recommendations.move(db, current, State.REJECTED, now=now, who=who, detail=why)

    def resume(self) -> None:
        """Finish what a stop of the brain interrupted; call it once, at the start.

        Between two steps the plan goes on. A step that had begun may have taken effect, so it is
        never repeated: the recommendation fails and says so. What was left to an executor stays
        with it, whoever carries out actions now.
        """
        with self._store.read() as db:
            interrupted = [
                recommendation.id
                for recommendation in recommendations.in_state(db, State.APPROVED)
                if not executor.is_left(steps.of_recommendation(db, recommendation.id))
            ]
        for id in interrupted:
            self._carry_out(id, "brain")

    # ---- planning --------------------------------------------------------------------------

    def _plan(self, recommendation: Recommendation) -> tuple[PlannedStep, ...]:
        action = recommendation.advice.action
        if action.kind in (executor.KEPT_HERE if self._external else BOOKKEEPING):
            return ()
        records = self._records(recommendation)
        if action.kind.stops and all(verifying.is_stopped(it, action.kind) for it in records):
            return ()
        if self._external:
            return _left_to_the_executor(recommendation)
        plan: list[PlannedStep] = []
        for key, group in itertools.groupby(records, key=_scheduler_of):
            scheduler = self._schedulers.get(key)
            if scheduler is None:
                raise CannotAct(
                    f"no {key[1]} scheduler of cluster {key[0]} is configured in brain.toml"
                )
            try:
                planned = scheduler.plan(action, list(group))
            except SchedulerError as error:
                raise CannotAct(str(error)) from error
            plan.extend(PlannedStep(0, *key, step) for step in planned)
        if not plan:
            raise CannotAct(f"there is nothing left to {action.kind.value}")
        return tuple(replace(step, number=n) for n, step in enumerate(plan, start=1))

    def _records(self, recommendation: Recommendation) -> list[RunRecord]:
        """The runs to act on, by scheduler; CannotAct where one was repeated meanwhile."""
        with self._store.read() as db:
            records = {
                record.run: record for record in runs.of_workflow(db, recommendation.workflow)
            }
        repeated = workflows.successors(records.values())
        for run in recommendation.advice.runs:
            if run not in records:
                raise CannotAct(f"run {run.key} is not known any more")
            if run in repeated:
                raise CannotAct(f"run {run.key} was repeated meanwhile; wait for a new advice")
        chosen = [records[run] for run in recommendation.advice.runs]
        return sorted(chosen, key=lambda record: (_scheduler_of(record), record.run))

    # ---- carrying out ----------------------------------------------------------------------

    def _carry_out(self, id: int, who: str) -> Applied:
        with self._store.read() as db:
            plan = steps.of_recommendation(db, id)
        problem = next(filter(None, (self._do(id, planned, who) for planned in plan)), "")
        return self._finish(id, who, problem)

    def _do(self, id: int, planned: PlannedStep, who: str) -> str:
        """Do one step unless it is done; why it failed, or nothing."""
        name = f"step {planned.number} ({planned.step.purpose})"
        if planned.state is StepState.DONE:
            return ""
        if planned.state is not StepState.PLANNED:
            return f"{name} was interrupted; look whether it took effect, it is not repeated"
        with self._store.write() as db:
            steps.mark(db, id, planned.number, StepState.STARTED)
            audit.note(db, self._clock(), who, "step started", id, name)
        try:
            scheduler = self._schedulers[planned.cluster, planned.scheduler]
            follow_ups = scheduler.execute(planned.step)
        except Exception as error:  # a plugin's surprise must not leave the action half told
            if not isinstance(error, SchedulerError):
                log.exception("recommendation %d: %s", id, name)
            return f"{name} failed: {error or type(error).__name__}"
        with self._store.write() as db:
            steps.mark(db, id, planned.number, StepState.DONE)
            recommendations.add_follow_ups(db, id, follow_ups)
            audit.note(db, self._clock(), who, "step done", id, name)
            if planned.step.repeats is not None:
                ingest.take_over(db, planned.step.repeats, follow_ups, self._clock())
        return ""

    def _finish(self, id: int, who: str, problem: str) -> Applied:
        now = self._clock()
        with self._store.write() as db:
            for planned in steps.of_recommendation(db, id):
                if planned.state is StepState.STARTED:
                    steps.mark(db, id, planned.number, StepState.FAILED)
            state = State.FAILED if problem else State.APPLIED
            current = recommendations.get(db, id)
            moved = recommendations.move(db, current, state, now=now, who=who, detail=problem)
            return Applied(moved, tuple(steps.of_recommendation(db, id)), False)


def _left_to_the_executor(recommendation: Recommendation) -> tuple[PlannedStep, ...]:
    try:
        return executor.plan(recommendation)
    except LookupError as error:
        kind = recommendation.advice.action.kind.value
        raise CannotAct(
            f"an external executor knows no {kind}; do it by hand and reject this, or set"
            ' executor = "brain" in brain.toml'
        ) from error


def _scheduler_of(record: RunRecord) -> tuple[str, str]:
    return record.run.cluster, record.run.scheduler
