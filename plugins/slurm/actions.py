"""What an action is on Slurm: the commands that carry it out, as a plan that a person can read.

A run that failed is repeated under its own job id: requeued and held, changed, released. Only
whole numbers and names of a strict pattern get into a command.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ...jobs.actions import Action, ActionKind
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ...jobs.text import printable
from ..scheduler import Refused, Step

_ADDRESS = re.compile(r"[0-9]{1,10}(_[0-9]{1,10})?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # of a partition or a node

# Kinds that change nothing in Slurm: they are kept by the brain and done by people.
NO_STEPS = frozenset(
    {ActionKind.BYPASS, ActionKind.FORCE_COMPLETE, ActionKind.WAIT, ActionKind.ASK}
)


def plan(
    action: Action,
    records: Sequence[RunRecord],
    addresses: Mapping[str, str],
    sites: Sequence[str] = (),
) -> list[Step]:
    """The steps of ``action`` on the last run of each job in ``records``.

    ``addresses`` says how commands name a job id (``40_2`` for a task of an array; its bare
    number may mean the whole array), ``sites`` the partitions that may stand in for each other.
    Refused where Slurm cannot do it.
    """
    if action.kind in NO_STEPS:
        return []
    chosen = _chosen(action.kind, records)
    if not chosen:
        raise Refused(f"none of the {len(records)} runs is in a state for {action.kind.value}")
    if action.kind.repeats:
        changes = _changes(action, sites)
        return [
            step
            for record in chosen
            for step in _repeat(record, _address(record, addresses), changes)
        ]
    return [_single(action.kind, record, _address(record, addresses)) for record in chosen]


def _chosen(kind: ActionKind, records: Sequence[RunRecord]) -> list[RunRecord]:
    last: dict[str, RunRecord] = {}
    for record in sorted(records, key=lambda record: record.facts.attempt):
        last[record.run.job_id] = record
    runs = list(last.values())
    if kind is ActionKind.RECOVER:
        return [record for record in runs if record.failed]
    if kind is ActionKind.RESUBMIT:  # a run that hangs is repeated too; one that waits is not
        return [r for r in runs if not r.succeeded and (r.exit is not None or _is_running(r))]
    if kind is ActionKind.CLONE:
        active = sum(record.exit is None for record in runs)
        if active:
            raise Refused(f"{active} runs have not ended: kill them or wait, then clone")
        return runs
    if kind is ActionKind.RELEASE:
        return runs
    return [record for record in runs if record.exit is None]  # kill, hold


def _is_running(record: RunRecord) -> bool:
    return record.exit is None and record.started is not None


def _address(record: RunRecord, addresses: Mapping[str, str]) -> str:
    address = addresses.get(record.run.job_id)
    if address is None:
        raise Refused(
            f"job {printable(record.run.job_id)} is not known from accounting here, so it could be"
            " a whole array: ask for the history from before its end"
        )
    if not _ADDRESS.fullmatch(address):
        raise Refused(f"job {printable(address)} is no single job or task")
    return address


# ---- what is changed ---------------------------------------------------------------------------


def _changes(action: Action, sites: Sequence[str]) -> list[str]:
    """The changes as ``scontrol update`` takes them."""
    if action.splitting not in (None, 1):
        raise Refused("Slurm cannot split a job's work: submit the parts as jobs of their own")
    if action.data_access:
        raise Refused("Slurm knows nothing of data access: change it in the job's own settings")
    # Without it a requeued job waits for two minutes (Reason=BeginTime).
    changes = ["StartTime=now"]
    if action.memory_bytes is not None:
        changes.append(f"MinMemoryNode={_positive(action.memory_bytes / 2**20)}")  # MB
    if action.walltime_seconds is not None:
        changes.append(f"TimeLimit={_positive(action.walltime_seconds / 60)}")  # minutes
    partitions = _partitions(action, sites)
    if partitions:
        changes.append("Partition=" + ",".join(partitions))
    if action.nodes_avoid:
        changes.append("ExcNodeList=" + ",".join(_name(node) for node in action.nodes_avoid))
    return changes


def _partitions(action: Action, sites: Sequence[str]) -> list[str]:
    if not (action.sites_use or action.sites_avoid):
        return []
    left = [site for site in action.sites_use or sites if site not in action.sites_avoid]
    if not left:
        avoided = printable(", ".join(action.sites_avoid))
        raise Refused(f"no partition is known to stand in for {avoided}: name one to use")
    return [_name(site) for site in left]


def _positive(amount: float) -> int:
    if not 0 < amount < 2**31:
        raise Refused(f"{amount:g} is no amount that Slurm can take")
    return math.ceil(amount)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refused(f"{printable(name)!r} is no name of a partition or a node")
    return name


# ---- steps -------------------------------------------------------------------------------------


def _repeat(record: RunRecord, address: str, changes: Sequence[str]) -> list[Step]:
    update = ("scontrol", "update", f"JobId={address}", *changes)
    return [
        Step(("scontrol", "requeuehold", address), f"requeue job {address} and hold it"),
        Step(update, f"change job {address}: {' '.join(changes)}"),
        Step(("scontrol", "release", address), f"let job {address} run", _next(record.run)),
    ]


def _single(kind: ActionKind, record: RunRecord, address: str) -> Step:
    if kind is ActionKind.KILL:
        return Step(("scancel", address), f"cancel job {address}")
    if kind is ActionKind.RELEASE:
        ended = record.exit is not None
        follow_up = _next(record.run) if ended else None
        return Step(("scontrol", "release", address), f"let job {address} run", follow_up)
    if _is_running(record):
        return Step(("scontrol", "requeuehold", address), f"stop job {address}, requeue and hold")
    return Step(("scontrol", "hold", address), f"hold job {address} in the queue")


def _next(run: Run) -> Run | None:
    """The run a requeue brings about; None where runs are SLUIDs, which nobody knows before."""
    if not run.run.isdigit():
        return None
    return Run(run.cluster, run.scheduler, run.job_id, str(int(run.run) + 1))
