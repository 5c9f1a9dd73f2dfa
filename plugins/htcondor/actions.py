"""What an action is on HTCondor: steps that a person can read, carried out by the bindings.

A step is ``htcondor <verb> <run> <changes>``; the run, ``<GlobalJobId>#<ordinal>``, names schedd,
job and execution. A job that is held or runs stays what it is: it is changed and released. A job
that left the queue is submitted again out of the history.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...jobs.actions import Action, ActionKind
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ...jobs.text import printable
from ..repeating import is_running, latest, to_repeat
from ..scheduler import Refused, Step
from . import changes, ends, splitting
from .changes import DataAccess
from .runs import run_name

PROGRAM = "htcondor"  # the first word of a step that the bindings carry out
REMOVE, HOLD, EDIT, RELEASE, RESUBMIT = "remove", "hold", "edit", "release", "resubmit"
SPLIT = "split"  # followed by the command of the site that does it

# Kinds that change nothing in HTCondor: they are kept by the brain and done by people.
NO_STEPS = frozenset(
    {ActionKind.BYPASS, ActionKind.FORCE_COMPLETE, ActionKind.WAIT, ActionKind.ASK}
)

_RUN = re.compile(
    r"(?P<schedd>[A-Za-z0-9_.@:-]{1,160})"
    r"#(?P<job>[0-9]{1,10}\.[0-9]{1,10})#(?P<submitted>[0-9]{1,12})#(?P<execution>[0-9]{1,9})"
)


@dataclass(frozen=True)
class Address:
    """The job and execution that a run's name means."""

    schedd: str
    job: str  # ClusterId.ProcId
    submitted: int
    execution: int

    @property
    def global_id(self) -> str:
        """GlobalJobId."""
        return f"{self.schedd}#{self.job}#{self.submitted}"


@dataclass(frozen=True)
class Settings:
    """What plans need besides action and runs, all of it from the configuration."""

    site_attributes: Sequence[str] = ()
    data_access: DataAccess = field(default_factory=dict)
    splitting_command: Sequence[str] = ()
    sites: Sequence[str] = ()  # that may stand in for each other; empty: all others


def address(run: str) -> Address:
    """Read the name of a run; Refused where it is none that HTCondor gave."""
    match = _RUN.fullmatch(run)
    if match is None:
        raise Refused(f"{printable(run)!r} names no job of HTCondor")
    return Address(match["schedd"], match["job"], int(match["submitted"]), int(match["execution"]))


def plan(action: Action, records: Sequence[RunRecord], settings: Settings) -> list[Step]:
    """The steps of ``action`` on the last run of each job in ``records``; or Refused."""
    if action.kind in NO_STEPS:
        return []
    chosen = _chosen(action.kind, records)
    if not chosen:
        raise Refused(f"none of the {len(records)} runs is in a state for {action.kind.value}")
    if not action.kind.repeats:
        return [_single(action.kind, record) for record in chosen]
    if action.splitting not in (None, 1):
        return [_split(action, record, settings) for record in chosen]
    return [step for record in chosen for step in _repeat(action, record, settings)]


def _chosen(kind: ActionKind, records: Sequence[RunRecord]) -> list[RunRecord]:
    runs = latest(records, lambda record: _address(record).global_id)
    if kind.repeats:
        return to_repeat(kind, runs)
    if kind is ActionKind.HOLD:
        return [record for record in runs if record.exit is None]
    if kind is ActionKind.RELEASE:
        return [record for record in runs if _is_held(record) or _waits(record)]
    return [record for record in runs if record.exit is None or record.in_queue]


def _waits(record: RunRecord) -> bool:
    return record.exit is None and record.started is None


def _is_held(record: RunRecord) -> bool:
    return record.exit is not None and record.exit.state == ends.WORD_HELD


def _address(record: RunRecord) -> Address:
    found = address(record.run.run)
    if found.job != record.run.job_id:
        raise Refused(f"run {printable(record.run.key)} is of another job than it says")
    return found


# ---- steps ---------------------------------------------------------------------------------------


def _single(kind: ActionKind, record: RunRecord) -> Step:
    job, run = record.run.job_id, record.run.run
    if kind is ActionKind.KILL:
        return Step((PROGRAM, REMOVE, run), f"remove job {job}")
    if kind is ActionKind.RELEASE:
        return _release(record)
    what = "stop job {} and hold it" if is_running(record) else "hold job {} in the queue"
    return Step((PROGRAM, HOLD, run), what.format(job))


def _release(record: RunRecord) -> Step:
    follow_up = record.run if _waits(record) else _next(record)
    argv = (PROGRAM, RELEASE, record.run.run)
    return Step(argv, f"let job {record.run.job_id} run", follow_up)


def _next(record: RunRecord) -> Run:
    """The run that the job's next execution is."""
    found = _address(record)
    name = run_name(found.global_id, found.execution + 1)
    return Run(record.run.cluster, record.run.scheduler, record.run.job_id, name)


def _repeat(action: Action, record: RunRecord, settings: Settings) -> list[Step]:
    job, run = record.run.job_id, record.run.run
    reason = record.exit.reason if record.exit else ""
    words = changes.assignments(
        _within(action, settings), settings.site_attributes, settings.data_access, reason
    )
    shown = f" with {' '.join(words)}" if words else ""
    if record.exit is not None and not record.in_queue:
        again = (PROGRAM, RESUBMIT, run, *words)
        return [Step(again, f"submit job {job} again{shown}")]
    steps = [Step((PROGRAM, HOLD, run), f"stop job {job} and hold it")]
    if _is_held(record):
        steps = []
    if words:
        steps.append(Step((PROGRAM, EDIT, run, *words), f"change job {job}:{shown[5:]}"))
    return [*steps, _release(record)]


def _within(action: Action, settings: Settings) -> Action:
    """``action`` with the sites named that may stand in for those to avoid, where there is such."""
    if action.sites_use or not (settings.sites and action.sites_avoid):
        return action
    left = tuple(site for site in settings.sites if site not in action.sites_avoid)
    if not left:
        avoided = printable(", ".join(action.sites_avoid))
        raise Refused(f"no site is known to stand in for {avoided}: name one to use")
    return Action(**{**vars(action), "sites_use": left})


def _split(action: Action, record: RunRecord, settings: Settings) -> Step:
    if record.exit is None or record.in_queue:
        raise Refused(f"job {record.run.job_id} is still in the queue: remove it, then split it")
    run = record.run.run
    words = splitting.words(
        settings.splitting_command, run, action, record.facts.user, settings.data_access
    )
    purpose = f"submit the work of job {record.run.job_id} in {action.splitting} parts"
    return Step((PROGRAM, SPLIT, run, *words), purpose)
