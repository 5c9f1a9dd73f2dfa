"""What Slurm's prologs and epilogs call: one datagram to the agent, exit 0, silence, no waiting.

A hook that fails, waits or prints can drain a node or delay a job, so this one gives up after
:data:`LIMIT_SECONDS` and exits 0 whatever happened. It imports no dataclass of the vocabulary:
that would double its start. A test holds its event and the vocabulary's together.
"""

from __future__ import annotations

import os
import time

from ...jobs.exit_posix import signal_of_shell_code
from ...jobs.exit_slurm import OOM_MARKER
from ..hook import MAX_NAME, end_within, is_name, tell

TYPE_CHECKING = False  # typing itself would take a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LIMIT_SECONDS = 0.08  # wall time after which nothing is told any more

# Everything that is read of the environment; the rest of it may hold users' secrets.
# Source: "Prolog and Epilog Guide" (doc/html/prolog_epilog.html), what each of the hooks sees.
VARIABLES = {
    "context": "SLURM_SCRIPT_CONTEXT",
    "cluster": "SLURM_CLUSTER_NAME",
    "job_id": "SLURM_JOB_ID",
    "sluid": "SLURM_JOB_SLUID",  # Slurm 25.11 and later
    "restarts": "SLURM_JOB_RESTART_COUNT",
    "node": "SLURMD_NODENAME",
    "name": "SLURM_JOB_NAME",  # on the controller alone
    "user": "SLURM_JOB_USER",
    "account": "SLURM_JOB_ACCOUNT",
    "site": "SLURM_JOB_PARTITION",
    "comment": "SLURM_JOB_COMMENT",
    "exit": "SLURM_JOB_EXIT_CODE2",  # code:signal
    "status": "SLURM_JOB_EXIT_CODE",  # as wait(2) tells it
}
KINDS = {"prolog_slurmd": "start", "epilog_slurmd": "end"}
# The controller's: before the job starts on its nodes, and when it has left them or they are lost.
CONTROLLER_KINDS = {"prolog_slurmctld": "queued", "epilog_slurmctld": "end"}
CONTROLLER = "slurmctld"  # its ends are told by the node ``slurmctld@<host>``, which is no node

MAX_COMMENT = 512  # characters: in JSON they take up to 12 bytes each, of 16 KiB in all


def main() -> None:
    """Tell the agent what the environment says; the process ends here, with status 0."""
    try:
        end_within(LIMIT_SECONDS)
        body = event_body(os.environ, time.time())
        if body is not None:
            tell(body)
    finally:
        os._exit(0)


def event_body(environ: Mapping[str, str], now: float) -> dict[str, Any] | None:
    """The QUEUED, START or END event of a hook's environment, as jobs.wire reads it.

    None in any other hook, and where job or cluster have no usable name. ``now`` is in seconds
    since the epoch. The exit is the hook's view: TIMEOUT, CANCELLED and NODE_FAIL are success; the
    controller's success is left out, so that it is told of no run whose node was lost. Of a job
    that was requeued it tells no end: Slurm counts a requeue before the end of what it stopped.
    """
    told = {word: _text(environ, variable) for word, variable in VARIABLES.items()}
    kind = KINDS.get(told["context"]) or CONTROLLER_KINDS.get(told["context"])
    controller = told["context"] in CONTROLLER_KINDS
    run = {
        "cluster": told["cluster"],
        "scheduler": "slurm",
        "job_id": told["job_id"],
        "run": told["sluid"] or told["restarts"] or "0",
    }
    if kind is None or not all(is_name(word) for word in run.values()):
        return None
    if controller and kind == "end" and told["restarts"] not in ("", "0"):
        return None
    node = _controller(kind) if controller else told["node"][:MAX_NAME]
    body = {"kind": kind, "run": run, "time": now, "node": node, "facts": _facts(told)}
    end = _exit(told) if kind == "end" else None
    if end is None or (controller and end["kind"] == "success"):
        return body
    return {**body, "exit": end}


def _facts(told: Mapping[str, str]) -> dict[str, Any]:
    names = ("name", "user", "account", "site")
    facts: dict[str, Any] = {word: told[word][:MAX_NAME] for word in names if told[word]}
    if told["comment"]:
        facts["comment"] = told["comment"][:MAX_COMMENT]
    if told["restarts"].isascii() and told["restarts"].isdigit():
        facts["attempt"] = int(told["restarts"][:9])
    return facts


def _controller(kind: str) -> str:
    """Who tells it: that a run waits is told for the whole cluster, an end by no node of it."""
    return f"{CONTROLLER}@{os.uname().nodename}"[:MAX_NAME] if kind == "end" else ""


def _text(environ: Mapping[str, str], variable: str) -> str:
    # The environment is bytes that users wrote; what is no UTF-8 becomes U+FFFD.
    return os.fsencode(environ.get(variable, "")).decode("utf-8", "replace")


def _exit(told: Mapping[str, str]) -> dict[str, Any] | None:
    """What jobs.exits.slurm_exit("", code, signal) says; None where the end is not known."""
    try:
        if told["exit"]:
            code, number = (int(part) for part in told["exit"].split(":"))
        else:
            status = int(told["status"])
            code, number = status >> 8 & 0xFF, status & 0x7F
    except ValueError:
        return None
    if number == OOM_MARKER:
        return {"source": "slurm", "kind": "out_of_memory", "code": code}
    number = number or signal_of_shell_code(code) or 0
    if number:
        return {"source": "slurm", "kind": "signal", "code": code, "signal": number}
    return {"source": "slurm", "kind": "error" if code else "success", "code": code}
