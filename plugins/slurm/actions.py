"""What an action is on Slurm: the commands that carry it out, as a plan that a person can read.

A run that failed is repeated under its own job id: requeued and held, changed, released. Jobs
that are treated alike share a command. Only whole numbers and names of a strict pattern get into
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...jobs.actions import Action, ActionKind
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ...jobs.text import printable
from ..repeating import is_running, latest, to_repeat
from ..scheduler import Refused, Step
from . import anew
from .addresses import expand, join, numbers
from .changes import Changes, changes_of

# For some of these changes the controller waits for its database, job by job, while it answers
# nobody else: 60 tasks took 9 s, and clients give up after MessageTimeout, 10 s by default.
JOBS_PER_COMMAND = 50
_NAMED = 60  # characters of a job list in a sentence

# Kinds that change nothing in Slurm: they are kept by the brain and done by people.
NO_STEPS = frozenset(
    {ActionKind.BYPASS, ActionKind.FORCE_COMPLETE, ActionKind.WAIT, ActionKind.ASK}
)


@dataclass(frozen=True)
class _Job:
    """One chosen run, and the single jobs and tasks that commands know it by."""

    record: RunRecord
    addresses: tuple[str, ...]  # several only where an array waits that no task has left


@dataclass(frozen=True)
class _Group:
    """Jobs that stand alike: the same command does for all of them."""

    jobs: str
    count: int
    running: bool
    requeued: bool  # a requeue keeps a job back for two minutes
    run: Run | None  # the next run of the first; the others' have the same ordinal

    @property
    def name(self) -> str:
        """The jobs, in a sentence."""
        if self.count == 1:
            return f"job {self.jobs}"
        cut = self.jobs if len(self.jobs) <= _NAMED else self.jobs[: _NAMED - 1] + "…"
        return f"{self.count} jobs ({cut})"


def plan(
    action: Action,
    records: Sequence[RunRecord],
    addresses: Mapping[str, str],
    sites: Sequence[str] = (),
    *,
    splitting_command: Sequence[str] = (),
    data_access: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Step]:
    """The steps of ``action`` on the last run of each job in ``records``.

    ``addresses`` says how commands name a job id (``40_2`` for a task of an array; its bare
    number may mean the whole array), ``sites`` the partitions that may stand in for each other.
    ``splitting_command`` is the argument vector that submits a job's work anew, ``data_access``
    the environment variables of each word for an access to data. A step's ``follow_up`` is the
    run of its first job; the others' have the same ordinal. Refused where Slurm cannot do it.
    """
    if action.kind in NO_STEPS:
        return []
    chosen = _chosen(action.kind, records)
    if not chosen:
        raise Refused(f"none of the {len(records)} runs is in a state for {action.kind.value}")
    jobs = [_Job(record, _addresses(record, addresses)) for record in chosen]
    if not action.kind.repeats:
        return [
            step for group in _groups(action.kind, jobs) for step in _single(action.kind, group)
        ]
    changes = changes_of(action, sites)
    if anew.wanted(action):
        whole = sorted(_ended(jobs), key=lambda job: numbers(job[0]))
        return anew.plan(action, whole, changes, splitting_command, data_access or {})
    return [step for group in _groups(action.kind, jobs) for step in _repeat(group, changes)]


# ---- which runs --------------------------------------------------------------------------------


def _chosen(kind: ActionKind, records: Sequence[RunRecord]) -> list[RunRecord]:
    runs = latest(records, lambda record: record.run.job_id)
    if kind.repeats:
        return to_repeat(kind, runs)
    if kind is ActionKind.RELEASE:  # one that was held while it ran has ended, and waits anew
        return [record for record in runs if not (record.succeeded or is_running(record))]
    return [record for record in runs if record.exit is None]  # kill, hold


def _addresses(record: RunRecord, addresses: Mapping[str, str]) -> tuple[str, ...]:
    address = addresses.get(record.run.job_id)
    if address is None:
        raise Refused(
            f"job {printable(record.run.job_id)} is not known from accounting here, so it could be"
            " a whole array: ask for the history from before its end"
        )
    try:
        singles = expand(address)
    except ValueError:
        raise Refused(f"job {printable(address)} is no job or task") from None
    if len(singles) > 1 and (record.exit is not None or is_running(record)):
        raise Refused(f"job {printable(address)} is a whole array, not the task that is meant")
    return tuple(singles)


def _ended(jobs: Iterable[_Job]) -> Iterator[tuple[str, str, Run]]:
    """Address, user and run of jobs whose work can be submitted anew."""
    for job in jobs:
        if job.record.exit is None:
            raise Refused(
                f"job {job.addresses[0]} still runs, its work would be done twice: kill it first"
            )
        yield job.addresses[0], job.record.facts.user, job.record.run


# ---- jobs that stand alike ---------------------------------------------------------------------


def _groups(kind: ActionKind, jobs: Iterable[_Job]) -> list[_Group]:
    alike: dict[tuple[bool, bool, str], list[_Job]] = {}
    for job in jobs:
        alike.setdefault(_alikeness(kind, job.record), []).append(job)
    return [
        group
        for (running, requeued, _), of_kind in sorted(alike.items(), key=lambda item: item[0])
        for group in _parts(kind, of_kind, running, requeued)
    ]


def _alikeness(kind: ActionKind, record: RunRecord) -> tuple[bool, bool, str]:
    if kind is ActionKind.KILL:
        return False, False, ""
    run = _brought_about(kind, record)
    requeued = record.exit is not None or record.facts.attempt > 0
    return is_running(record), requeued, run.run if run else ""


def _parts(
    kind: ActionKind, jobs: Iterable[_Job], running: bool, requeued: bool
) -> Iterator[_Group]:
    singles = {address: job.record for job in jobs for address in job.addresses}
    ordered = sorted(singles, key=numbers)
    for start in range(0, len(ordered), JOBS_PER_COMMAND):
        part = ordered[start : start + JOBS_PER_COMMAND]
        run = _brought_about(kind, singles[part[0]])
        yield _Group(join(part), len(part), running, requeued, run)


def _brought_about(kind: ActionKind, record: RunRecord) -> Run | None:
    """The run that a requeue or a release brings about; None where runs are SLUIDs: unknown yet.

    A run that waits is released itself; after one that ended or is stopped comes the next.
    """
    run = record.run
    if kind is ActionKind.KILL or not run.run.isdigit():
        return None
    if record.exit is None and not is_running(record):
        return run if kind is ActionKind.RELEASE else None
    return Run(run.cluster, run.scheduler, run.job_id, str(int(run.run) + 1))


# ---- steps -------------------------------------------------------------------------------------


def _repeat(group: _Group, changes: Changes) -> list[Step]:
    return [_requeue(group), _update(group, changes), _release(group)]


def _single(kind: ActionKind, group: _Group) -> list[Step]:
    if kind is ActionKind.KILL:
        return [Step(("scancel", group.jobs), f"cancel {group.name}")]
    if kind is ActionKind.RELEASE:
        return [*([_update(group, Changes())] if group.requeued else []), _release(group)]
    if group.running:
        return [_requeue(group)]
    return [Step(("scontrol", "hold", group.jobs), f"hold {group.name} in the queue")]


def _requeue(group: _Group) -> Step:
    them = "it" if group.count == 1 else "them"
    if not group.running:
        does = f"requeue {group.name} and hold {them}"
        return Step(("scontrol", "requeuehold", group.jobs), does, group.run)
    # "Incomplete": Slurm passes over a job that has ended meanwhile, and does not run it again.
    does = f"stop {group.name}, requeue and hold {them}"
    return Step(("scontrol", "requeuehold", "Incomplete", group.jobs), does, group.run)


def _update(group: _Group, changes: Changes) -> Step:
    words = changes.update()
    return Step(
        ("scontrol", "update", f"JobId={group.jobs}", *words),
        f"change {group.name}: {' '.join(words)}",
    )


def _release(group: _Group) -> Step:
    return Step(("scontrol", "release", group.jobs), f"let {group.name} run", group.run)
