"""How a local job ended, in the words all schedulers share and in those of a shell."""

from __future__ import annotations

from ...jobs.exits import Exit, ExitKind, posix_exit
from ...jobs.text import printable
from .job import Ending, JobState

SOURCE = "local"

# Reasons of FAILED jobs that have neither exit code nor signal.
SUPERVISOR_DIED = "supervisor died"
LAUNCH_FAILED = "cannot be started"

# COMPLETED and FAILED are told by exit code and signal; states of jobs that go on have no exit.
STATE_KINDS = {
    JobState.OUT_OF_MEMORY: ExitKind.OUT_OF_MEMORY,
    JobState.TIMEOUT: ExitKind.TIMEOUT,
    JobState.CANCELLED: ExitKind.CANCELLED,
}

# What `run` returns: 137 is a shell's word for SIGKILL, 124 timeout(1)'s, 143 SIGTERM's; 127 is
# "command not found", 70 EX_SOFTWARE.
SHELL_CODES = {
    ExitKind.OUT_OF_MEMORY: 137,
    ExitKind.TIMEOUT: 124,
    ExitKind.CANCELLED: 143,
    ExitKind.LAUNCH_FAILURE: 127,
    ExitKind.NODE_FAILURE: 70,
}


def local_exit(ending: Ending) -> Exit:
    """The exit of a job that has ended."""
    code, signal, reason = ending.exit_code, ending.signal, ending.reason
    kind = STATE_KINDS.get(ending.state)
    if kind is None and code is None and signal is None:
        kind = ExitKind.NODE_FAILURE if reason == SUPERVISOR_DIED else ExitKind.LAUNCH_FAILURE
    if kind is not None:
        return Exit(SOURCE, kind, code, signal, ending.state.value, reason)
    return posix_exit(code, signal, source=SOURCE, state=ending.state.value, reason=reason)


def complaint(ending: Ending) -> str:
    """Why a job did not end by itself, for who sees its exit code alone; empty where it did."""
    told = local_exit(ending)
    if told.kind not in SHELL_CODES:
        return ""
    return printable(told.describe() + (f": {told.reason}" if told.reason else ""), 400)


def shell_code(ending: Ending) -> int:
    """What a shell would call it: the job's own code, ``128+n`` after signal ``n``."""
    told = local_exit(ending)
    if told.kind in SHELL_CODES:
        return SHELL_CODES[told.kind]
    return 128 + ending.signal if ending.signal else ending.exit_code or 0
