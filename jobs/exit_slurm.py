"""Slurm's job states and what kind of end each is.

Source: "Job State Codes" (doc/html/job_state_codes.shtml) and "Job Exit Codes"
(doc/html/job_exit_code.shtml) of Slurm 26.11. Values are :class:`~jobmend.jobs.exits.ExitKind`
words; a state that is missing here (COMPLETED, FAILED, SPECIAL_EXIT) is told by its exit code.
"""

from __future__ import annotations

VERSION = "26.11"

# ExitCode 0:125 is no signal: Slurm marks a step the kernel's OOM killer touched that way.
OOM_MARKER = 125

STATE_KINDS = {
    "BOOT_FAIL": "node_failure",
    "CANCELLED": "cancelled",
    "DEADLINE": "timeout",
    "LAUNCH_FAILED": "launch_failure",
    "NODE_FAIL": "node_failure",
    "OUT_OF_MEMORY": "out_of_memory",
    "PREEMPTED": "preempted",
    "RECONFIG_FAIL": "launch_failure",
    "REVOKED": "cancelled",
    "TIMEOUT": "timeout",
}
