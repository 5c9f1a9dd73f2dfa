"""What slurmrestd answers, as rows of accounting and node_states of nodes.

The shapes differ by version of the API: a number is plain, or ``{set, infinite, number}`` since
v0.0.39; a state is a word, or a list of words since v0.0.40. They are read as they are found.
Source: "REST API Reference" (doc/html/rest_api.html) of each release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .accounting import AccountingError, Row
from .nodes import NodeState

# Versions of the API that can be read, and the release of Slurm each came with.
VERSIONS = {
    "v0.0.38": "22.05",
    "v0.0.39": "23.02",
    "v0.0.40": "23.11",
    "v0.0.41": "24.05",
    "v0.0.42": "24.11",
    "v0.0.43": "25.05",
    "v0.0.44": "25.11",
}
# These say return_code 0 of jobs that failed: seen on 22.05.8, where sacct --json does the same.
UNTRUE_CODES = frozenset(("v0.0.38",))

_NO_VALUE = 0xFFFFFFFC  # Slurm's words for infinite and not set are the highest of 32 bits


@dataclass(frozen=True)
class Known:
    """What the controller knows of the newest run of a job."""

    submitted: float
    restarts: int
    code: int | None  # None while it has not ended
    signal: int | None


def job_rows(answer: Mapping[str, Any], version: str, cluster: str) -> list[Row]:
    """The rows of ``GET /slurmdb/<version>/jobs``; AccountingError where a job has no number.

    A database may keep the jobs of several clusters, under the same numbers.
    """
    jobs = _objects(answer, "jobs")
    return [_row(job, version) for job in jobs if job.get("cluster", cluster) == cluster]


def known_jobs(answer: Mapping[str, Any]) -> dict[str, Known]:
    """What ``GET /slurm/<version>/jobs`` says of each job, by job id."""
    found = {}
    for job in _objects(answer, "jobs"):
        restarts, submitted = _number(job.get("restart_cnt")), _number(job.get("submit_time"))
        job_id = _number(job.get("job_id"))
        if None not in (restarts, submitted, job_id):
            code, signal = _exit(job.get("exit_code"))
            found[str(job_id)] = Known(float(submitted or 0), restarts or 0, code, signal)
    return found


def completed(rows: Iterable[Row], known: Mapping[str, Known], version: str) -> list[Row]:
    """The rows with what the controller knows better: restarts, and codes that are untrue."""
    made = []
    for row in rows:
        told = known.get(row.job_id)
        if told is not None and told.submitted == row.submitted:
            row = replace(row, restarts=told.restarts)
            if version in UNTRUE_CODES and row.state == "FAILED":
                row = replace(row, code=told.code, signal=told.signal)
        made.append(row)
    return made


def node_states(answer: Mapping[str, Any]) -> list[NodeState]:
    """Each node in each of its partitions, out of ``GET /slurm/<version>/nodes``."""
    found = []
    for node in _objects(answer, "nodes"):
        words = [*_words(node.get("state")), *_words(node.get("state_flags"))]
        since = _number(node.get("reason_changed_at")) or None
        name, state = _text(node.get("name")), "+".join(words).upper()
        for site in _words(node.get("partitions")):
            found.append(NodeState(name, site, state, since, _text(node.get("reason"))))
    return found


def _row(job: Mapping[str, Any], version: str) -> Row:
    times = _object(job, "time")
    job_id, submitted = _number(job.get("job_id")), _number(times.get("submission"))
    if job_id is None or submitted is None:
        raise AccountingError("slurmrestd told of a job without a number or a time of submission")
    state = next(iter(_words(_object(job, "state").get("current"))), "")
    killer = _text(job.get("kill_request_user"))
    code, signal = _exit(job.get("exit_code"))
    if version in UNTRUE_CODES and not code and signal is None and state != "COMPLETED":
        code = None
    minutes, ended = _number(times.get("limit")), _number(times.get("end")) or None
    return Row(
        job_id=str(job_id),
        address=_address(job, job_id),
        name=_text(job.get("name")),
        user=_text(job.get("user")) or _text(_object(job, "association").get("user")),
        account=_text(job.get("account")),
        partition=_text(job.get("partition")),
        state=f"{state} by {killer}" if state == "CANCELLED" and killer else state,
        code=code if ended is not None else None,
        signal=signal if ended is not None else None,
        submitted=submitted,
        started=_number(times.get("start")) or None,
        ended=ended,
        memory_bytes=_memory_per_node(job),
        walltime_seconds=None if minutes is None else 60.0 * minutes,
        cpus=_number(_object(job, "required").get("CPUs")),
        comment=_text(_object(job, "comment").get("job")),
        wckey=_wckey(job.get("wckey")),
        restarts=_number(job.get("restart_cnt")),
    )


def _address(job: Mapping[str, Any], job_id: int) -> str:
    array = _object(job, "array")
    array_id, task = _number(array.get("job_id")), _number(array.get("task_id"))
    if not array_id:
        return str(job_id)
    waiting = _text(array.get("task"))
    return f"{array_id}_[{waiting}]" if task is None else f"{array_id}_{task}"


def _memory_per_node(job: Mapping[str, Any]) -> int | None:
    """Bytes on each node: the requested resource ``mem`` is the whole job's, in MB."""
    wanted = {
        _text(tres.get("type")): _number(tres.get("count"))
        for tres in _objects(_object(job, "tres"), "requested")
    }
    megabytes, nodes = wanted.get("mem"), wanted.get("node") or 1
    return int(megabytes * 2**20 / nodes) if megabytes else None


def _wckey(value: object) -> str:
    """As sacct prints it: a star before one that the user did not ask for."""
    if not isinstance(value, Mapping):
        return _text(value)
    default = "ASSIGNED_DEFAULT" in _words(value.get("flags"))
    return ("*" if default else "") + _text(value.get("wckey"))


def _exit(value: object) -> tuple[int | None, int | None]:
    """Code and signal of an exit: of an object, or of a status as wait(2) tells it."""
    if not isinstance(value, Mapping):
        status = _number(value)
        return (None, None) if status is None else (status >> 8 & 0xFF, status & 0x7F or None)
    told = _object(value, "signal")
    signal = _number(told.get("signal_id", told.get("id")))
    return _number(value.get("return_code")), signal or None


def _number(value: object) -> int | None:
    """A whole number, plain or as ``{set, infinite, number}``; None where it is not set."""
    if isinstance(value, Mapping):
        wanted = value.get("set", True) is True and value.get("infinite", False) is not True
        value = value.get("number") if wanted else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < _NO_VALUE else None


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return [word for word in value.split(",") if word]
    items: Sequence[object] = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, str)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, Mapping) else {}


def _objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = holder.get(name)
    items: Sequence[object] = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, Mapping)]
