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

# Every state and flag as words for people with a category of exit_meanings. Flags that only tell
# of a step on the way (COMPLETING, CONFIGURING, RESIZING and the like) are no ends and left out.
STATES = {
    "BOOT_FAIL": ("the node did not boot", "site"),
    "CANCELLED": ("cancelled by a person", "killed"),
    "COMPLETED": ("ended with code 0", "other"),
    "DEADLINE": ("its deadline passed", "time"),
    "FAILED": ("ended with another code than 0", "program"),
    "GETENV_FAILED": ("the user's environment cannot be read", "site"),
    "LAUNCH_FAILED": ("could not be launched on its nodes", "site"),
    "NODE_FAIL": ("a node failed", "site"),
    "OUT_OF_MEMORY": ("out of memory", "memory"),
    "PENDING": ("waits in the queue", "other"),
    "PREEMPTED": ("gave way to another job", "killed"),
    "RECONFIG_FAIL": ("the node could not be set up for it", "site"),
    "REQUEUED": ("put back into the queue", "other"),
    "REQUEUE_FED": ("put back into the queue by the federation", "other"),
    "REQUEUE_HOLD": ("put back into the queue and held", "other"),
    "RESV_DEL_HOLD": ("held, its reservation is gone", "other"),
    "REVOKED": ("a sibling on another cluster took over", "killed"),
    "RUNNING": ("runs", "other"),
    "SPECIAL_EXIT": ("held for a special exit code", "program"),
    "STOPPED": ("stopped and keeps its nodes", "other"),
    "SUSPENDED": ("suspended", "other"),
    "TIMEOUT": ("reached its time limit", "time"),
}

# Reasons that tell of a failure, as squeue and sacct print them: "Job Reason Codes"
# (doc/html/job_reason_codes.shtml) and the FAIL_ words of slurm/slurm.h.
REASONS = {
    "BadConstraints": ("no node can ever satisfy the request", "other"),
    "BurstBufferOperation": ("an operation of the burst buffer failed", "site"),
    "DeadLine": ("its deadline cannot be met", "time"),
    "InactiveLimit": ("inactive for too long", "time"),
    "InvalidAccount": ("the account is not valid", "other"),
    "InvalidQOS": ("the quality of service is not valid", "other"),
    "JobHoldMaxRequeue": ("requeued too often", "other"),
    "JobLaunchFailure": ("could not be launched", "site"),
    "NodeDown": ("a node is down", "site"),
    "NonZeroExitCode": ("ended with another code than 0", "program"),
    "OutOfMemory": ("out of memory", "memory"),
    "PartitionDown": ("the partition is down", "site"),
    "RaisedSignal": ("died of a signal", "program"),
    "SystemFailure": ("failure of Slurm, the file system or the network", "site"),
    "TimeLimit": ("reached its time limit", "time"),
}
