"""What HTCondor's starter calls before, during and after a job: one datagram to the agent, exit 0.

It runs as the job's user, with the job's ad on its standard input. A PREPARE_JOB that fails holds
the job and one that prints changes it, so this one gives up after :data:`LIMIT_SECONDS`, prints
nothing and exits 0 whatever happened. It imports no dataclass of the vocabulary: that would double
its start. A test holds its event and the vocabulary's together.
"""

from __future__ import annotations

import os
import sys
import time

from ...jobs.exit_htcondor import HOLD_KINDS, STATUS_KINDS
from ...jobs.exit_posix import signal_of_shell_code
from ..hook import MAX_NAME, UNTOLD_CLUSTER, end_within, is_name, tell
from .job_ad import parse
from .runs import ordinal, run_name

TYPE_CHECKING = False  # typing itself would take a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .job_ad import Ad

LIMIT_SECONDS = 0.08  # wall time after which nothing is told any more
MAX_AD_BYTES = 1 << 20
MAX_GLOBAL_ID = 1024  # characters: run_name takes the end of a long one

# Everything that is read of the environment; the rest of it may hold secrets.
SLOT = "_CONDOR_SLOT"
# Everything that is read of the ad, which holds the job's environment and arguments too.
# Source: the manual, "Job ClassAd Attributes".
ATTRIBUTES = frozenset(
    {
        "clusterid",
        "procid",
        "globaljobid",
        "numshadowstarts",
        "numjobreconnects",
        "jobcurrentstartdate",
        "remotehost",
        "jobpid",
        "jobstate",
        "owner",
        "acctgroup",
        "jobbatchname",
        "requestcpus",
        "requestmemory",
        "allowedexecuteduration",
        "allowedjobduration",
        "exitbysignal",
        "exitcode",
        "exitsignal",
        "holdreasoncode",
        "match_glidein_site",
        "match_exp_job_glidein_site",
        "glidein_site",
    }
)
# Where the pool tells the site of a job, the surest first.
SITES = ("match_glidein_site", "match_exp_job_glidein_site", "glidein_site")

# The first argument of JOB_EXIT, and the JobStatus that says the same.
# Source: the manual, "Hooks", <Keyword>_HOOK_JOB_EXIT. HTCondor 25.14 says ``hold`` where the
# starter itself holds the job, over its memory say, and ``evict`` also of condor_hold, condor_rm.
STATUS_OF_END = {"exit": 4, "remove": 3, "hold": 5}
EVICT = "evict"


def main() -> None:
    """Tell the agent what the ad says; the process ends here, with status 0."""
    try:
        end_within(LIMIT_SECONDS)
        ad = parse(_standard_input(), ATTRIBUTES)
        body = event_body(sys.argv[1:], ad, os.environ.get(SLOT, ""), time.time())
        if body is not None:
            tell(body)
    finally:
        os._exit(0)


def _standard_input() -> bytes:
    parts, size = [], 0
    while size < MAX_AD_BYTES:
        part = os.read(0, MAX_AD_BYTES - size)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def event_body(arguments: Sequence[str], ad: Ad, slot: str, now: float) -> dict[str, Any] | None:
    """The START or END event of a hook's arguments, ad and slot, as jobs.wire reads it.

    None where the job has no usable name. ``now`` is in seconds since the epoch. The cluster and
    the node are the agent's to fill in.
    """
    how = arguments[0] if arguments else ""
    ends = how == EVICT or how in STATUS_OF_END
    cluster_id, proc_id, execution = _count(ad, "clusterid"), _count(ad, "procid"), _execution(ad)
    global_id = _text(ad, "globaljobid", MAX_GLOBAL_ID)
    if cluster_id is None or proc_id is None or not global_id:
        return None
    run = {
        "cluster": UNTOLD_CLUSTER,
        "scheduler": "htcondor",
        "job_id": f"{cluster_id}.{proc_id}",
        "run": run_name(global_id, execution),
    }
    if not all(is_name(word) for word in run.values()):
        return None
    pid = 0 if ends else _pid(ad)
    body = {
        "kind": "end" if ends else "start",
        "run": run,
        # Told again while the job runs it is still the same start.
        "time": min(float(_count(ad, "jobcurrentstartdate") or now), now) if pid else now,
        "node": "",
        "facts": {**_facts(ad), **_place(ad, slot, pid), "attempt": max(execution - 1, 0)},
    }
    return {**body, "exit": _exit(how, ad)} if ends else body


def _execution(ad: Ad) -> int:
    return ordinal(_count(ad, "numshadowstarts") or 0, _count(ad, "numjobreconnects") or 0)


def _facts(ad: Ad) -> dict[str, Any]:
    """What the job is called and asked for."""
    words = {
        "name": _text(ad, "jobbatchname"),
        "user": _text(ad, "owner"),
        "account": _text(ad, "acctgroup"),
        "site": next(filter(None, (_text(ad, name) for name in SITES)), ""),
    }
    facts: dict[str, Any] = {word: value for word, value in words.items() if value}
    memory = _count(ad, "requestmemory")  # in MB
    limits = [_count(ad, name) for name in ("allowedexecuteduration", "allowedjobduration")]
    request = {
        "cpus": _count(ad, "requestcpus"),
        "memory_bytes": None if memory is None or memory >= 1 << 40 else memory << 20,
        "walltime_seconds": min((limit for limit in limits if limit), default=None),
    }
    asked = {word: value for word, value in request.items() if value is not None}
    return {**facts, "request": asked} if asked else facts


def _place(ad: Ad, slot: str, pid: int) -> dict[str, Any]:
    """The slot, with the machine where the ad speaks of the same one, and the first process."""
    remote = _text(ad, "remotehost")
    if not slot or remote.partition("@")[0] == slot:
        slot = remote or slot
    place: dict[str, Any] = {"slot": slot[:MAX_NAME]} if slot else {}
    return {**place, "pid": pid} if pid else place


def _pid(ad: Ad) -> int:
    """The job's first process, which the starter tells of while it runs."""
    pid = _count(ad, "jobpid") if _text(ad, "jobstate") else None
    return pid if pid is not None and pid < 1 << 31 else 0


def _exit(how: str, ad: Ad) -> dict[str, Any]:
    """What jobs.exits.htcondor_exit says of the same; ExitStatus is 0 always and not read."""
    by_signal = ad.get("exitbysignal") is True
    code = None if by_signal else _count(ad, "exitcode")
    number = _count(ad, "exitsignal") if by_signal else None
    state, kind = "EVICTED", "preempted"
    if how != EVICT:
        state, kind = STATUS_KINDS[STATUS_OF_END[how]]
    if how == "hold":
        kind = HOLD_KINDS.get(_count(ad, "holdreasoncode") or 0, ("", kind))[1]
    if not kind:
        number = number or signal_of_shell_code(code or 0)
        kind = _kind(code, number)
    told = {"source": "htcondor", "kind": kind, "state": state, "code": code, "signal": number}
    return {word: value for word, value in told.items() if value is not None}


def _kind(code: int | None, number: int | None) -> str:
    if number:
        return "signal"
    if code is None:
        return "unknown"
    return "error" if code else "success"


def _text(ad: Ad, name: str, limit: int = MAX_NAME) -> str:
    value = ad.get(name)
    return value[:limit] if isinstance(value, str) else ""


def _count(ad: Ad, name: str) -> int | None:
    value = ad.get(name)
    if isinstance(value, (bool, str)) or value is None or value < 0 or value % 1:
        return None
    return int(value)
