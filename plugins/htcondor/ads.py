"""A job's ad as the queue, the history and the epochs have it, as far as the brain needs it.

Only the attributes named here are asked for: a job's environment and arguments may hold secrets.
Sources: the manual's appendix "Job ClassAd Attributes", and what 25.14 was seen to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import runs

# Field of JobAd, and the attribute that it is.
_TEXTS = {
    "global_id": "GlobalJobId",
    "hold_reason": "HoldReason",
    "vacate_reason": "VacateReason",
    "remove_reason": "RemoveReason",
    "owner": "Owner",
    "account": "AcctGroup",
    "batch_name": "JobBatchName",
    "parent": "JobmendParent",
    "workflow": "JobmendWorkflow",
}
_WHOLE = {
    "cluster": "ClusterId",
    "proc": "ProcId",
    "status": "JobStatus",
    "last_status": "LastJobStatus",
    "code": "ExitCode",
    "signal": "ExitSignal",
    "hold_code": "HoldReasonCode",
    "vacate_code": "VacateReasonCode",
}
_AMOUNTS = {  # above 0; times in seconds since the epoch, 0 there: not yet
    "submitted": "QDate",
    "entered": "EnteredCurrentStatus",
    "completed": "CompletionDate",
    "started": "JobCurrentStartDate",
    "written": "EpochWriteDate",
    "cpus": "RequestCpus",
    "memory_mb": "RequestMemory",
    "execute_seconds": "AllowedExecuteDuration",
    "job_seconds": "AllowedJobDuration",
}
_STARTS, _RECONNECTS, _BY_SIGNAL = "NumShadowStarts", "NumJobReconnects", "ExitBySignal"
_HOSTS = ("RemoteHost", "LastRemoteHost")

ATTRIBUTES = (
    *_TEXTS.values(),
    *_WHOLE.values(),
    *_AMOUNTS.values(),
    *(_STARTS, _RECONNECTS, _BY_SIGNAL, *_HOSTS),
)

_NAMES = (str, int)  # what jobs can be told apart by


@dataclass(frozen=True)
class JobAd:
    """One ad of a job. Times are seconds since the epoch, None where the ad has none."""

    cluster: int
    proc: int
    global_id: str
    status: int  # JobStatus; in an epoch's ad 2, whatever came of it
    last_status: int
    execution: int  # the ordinal of the last execution; 0: it never started
    submitted: float
    entered: float  # when it came into its status
    completed: float | None
    started: float | None  # the last execution
    written: float | None  # of an epoch: when it ended
    code: int | None
    signal: int | None
    hold_code: int | None
    vacate_code: int | None
    hold_reason: str
    vacate_reason: str
    remove_reason: str
    owner: str
    account: str
    batch_name: str
    parent: str  # the run that this job repeats, as jobmend wrote it down
    workflow: str  # what that run's workflow is called, likewise
    cpus: float | None
    memory_mb: float | None
    execute_seconds: float | None
    job_seconds: float | None
    names: Mapping[str, str | int]  # further attributes: what workflows and sites are named after

    @property
    def job_id(self) -> str:
        """``ClusterId.ProcId``, unique on its schedd."""
        return f"{self.cluster}.{self.proc}"

    @property
    def memory_bytes(self) -> int | None:
        """What it asked for."""
        return None if self.memory_mb is None else int(self.memory_mb * 2**20)

    @property
    def schedd(self) -> str:
        """The name of the job's schedd, which its GlobalJobId begins with."""
        return self.global_id.partition("#")[0]


def wanted(further: Sequence[str]) -> tuple[str, ...]:
    """The attributes to ask for, with ``further`` ones that workflows and sites are named after."""
    return tuple(dict.fromkeys((*ATTRIBUTES, *further)))


def read(values: Mapping[str, Any], further: Sequence[str] = ()) -> JobAd | None:
    """The ad in evaluated attributes; None where it does not say which job it is.

    Users write into their ads, so a value of another type than HTCondor's own is none.
    """
    fields: dict[str, Any] = {
        **{field: _text(values.get(name)) for field, name in _TEXTS.items()},
        **{field: _whole(values.get(name)) for field, name in _WHOLE.items()},
        **{field: _amount(values.get(name)) for field, name in _AMOUNTS.items()},
    }
    if None in (fields["cluster"], fields["proc"]) or not fields["global_id"]:
        return None
    fields["submitted"] = fields["submitted"] or 0.0
    fields["entered"] = fields["entered"] or fields["submitted"]
    for field in ("status", "last_status"):
        fields[field] = fields[field] or 0
    # One of both may be left of the execution before.
    fields["code" if values.get(_BY_SIGNAL) is True else "signal"] = None
    starts, reconnects = (_whole(values.get(name)) or 0 for name in (_STARTS, _RECONNECTS))
    names = {name: values[name] for name in (*further, *_HOSTS) if type(values.get(name)) in _NAMES}
    return JobAd(**fields, execution=runs.ordinal(starts, reconnects), names=names)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < 2**62 else None


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < 2**43 else None
