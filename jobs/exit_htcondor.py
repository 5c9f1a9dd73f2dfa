"""HTCondor's job states and hold reason codes.

Source: HTCondor manual 25, "Codes and Other Needed Values": JobStatus, and the table of
HoldReasonCode. Each row is the name and the :class:`~jobmend.jobs.exits.ExitKind` word.
"""

from __future__ import annotations

VERSION = "25"

STATUS_KINDS = {
    1: ("IDLE", ""),
    2: ("RUNNING", ""),
    3: ("REMOVED", "cancelled"),
    4: ("COMPLETED", ""),
    5: ("HELD", "held"),
    6: ("TRANSFERRING_OUTPUT", ""),
    7: ("SUSPENDED", ""),
}

# The words of an execution's end after which the job is still in the queue.
IN_QUEUE = frozenset({"HELD", "VACATED"})

HOLD_KINDS = {
    1: ("UserRequest", "held"),
    3: ("JobPolicy", "held"),
    4: ("CorruptedCredential", "launch_failure"),
    5: ("JobPolicyUndefined", "held"),
    6: ("FailedToCreateProcess", "launch_failure"),
    7: ("UnableToOpenOutput", "launch_failure"),
    8: ("UnableToOpenInput", "launch_failure"),
    12: ("TransferOutputError", "transfer_failure"),
    13: ("TransferInputError", "transfer_failure"),
    14: ("IwdError", "launch_failure"),
    19: ("HookPrepareJobFailure", "launch_failure"),
    21: ("StartdHeldJob", "held"),
    26: ("SystemPolicy", "held"),
    34: ("JobOutOfResources", "out_of_memory"),
    35: ("InvalidDockerImage", "launch_failure"),
    36: ("FailedToCheckpoint", "launch_failure"),
    43: ("PreScriptFailed", "launch_failure"),
    44: ("PostScriptFailed", "launch_failure"),
    45: ("SingularityTestFailed", "launch_failure"),
    46: ("JobDurationExceeded", "timeout"),
    47: ("JobExecuteExceeded", "timeout"),
    48: ("HookShadowPrepareJobFailure", "launch_failure"),
    49: ("CannotSwitchPrimaryGroup", "launch_failure"),
}
