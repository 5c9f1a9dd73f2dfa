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

# Names and numbers: src/condor_utils/condor_holdcodes.h. Codes that are a limit or a wish of a user
# or an administrator are "held": neither a place nor another try has to do with them.
HOLD_KINDS = {
    0: ("Unspecified", "held"),
    1: ("UserRequest", "held"),
    2: ("GlobusGramError", "launch_failure"),
    3: ("JobPolicy", "held"),
    4: ("CorruptedCredential", "launch_failure"),
    5: ("JobPolicyUndefined", "held"),
    6: ("FailedToCreateProcess", "launch_failure"),
    7: ("UnableToOpenOutput", "launch_failure"),
    8: ("UnableToOpenInput", "launch_failure"),
    9: ("UnableToOpenOutputStream", "launch_failure"),
    10: ("UnableToOpenInputStream", "launch_failure"),
    11: ("InvalidTransferAck", "transfer_failure"),
    12: ("TransferOutputError", "transfer_failure"),
    13: ("TransferInputError", "transfer_failure"),
    14: ("IwdError", "launch_failure"),
    15: ("SubmittedOnHold", "held"),
    16: ("SpoolingInput", "held"),
    17: ("JobShadowMismatch", "launch_failure"),
    18: ("InvalidTransferGoAhead", "transfer_failure"),
    19: ("HookPrepareJobFailure", "launch_failure"),
    20: ("MissedDeferredExecutionTime", "held"),
    21: ("StartdHeldJob", "held"),
    22: ("UnableToInitUserLog", "held"),
    23: ("FailedToAccessUserAccount", "launch_failure"),
    24: ("NoCompatibleShadow", "launch_failure"),
    25: ("InvalidCronSettings", "held"),
    26: ("SystemPolicy", "held"),
    27: ("SystemPolicyUndefined", "held"),
    28: ("GlexecChownSandboxToUser", "launch_failure"),
    29: ("PrivsepChownSandboxToUser", "launch_failure"),
    30: ("GlexecChownSandboxToCondor", "launch_failure"),
    31: ("PrivsepChownSandboxToCondor", "launch_failure"),
    32: ("MaxTransferInputSizeExceeded", "held"),
    33: ("MaxTransferOutputSizeExceeded", "held"),
    34: ("JobOutOfResources", "out_of_memory"),
    35: ("InvalidDockerImage", "launch_failure"),
    36: ("FailedToCheckpoint", "launch_failure"),
    37: ("EC2UserError", "held"),
    38: ("EC2InternalError", "held"),
    39: ("EC2AdminError", "held"),
    40: ("EC2ConnectionProblem", "launch_failure"),
    41: ("EC2ServerError", "launch_failure"),
    42: ("EC2InstancePotentiallyLost", "node_failure"),
    43: ("PreScriptFailed", "launch_failure"),
    44: ("PostScriptFailed", "launch_failure"),
    45: ("SingularityTestFailed", "launch_failure"),
    46: ("JobDurationExceeded", "timeout"),
    47: ("JobExecuteExceeded", "timeout"),
    48: ("HookShadowPrepareJobFailure", "launch_failure"),
    49: ("CannotSwitchPrimaryGroup", "launch_failure"),
}

# What the reason is about where the kind does not tell: a category of exit_meanings.
HOLD_CATEGORIES = {
    7: "output",
    8: "input",
    9: "output",
    10: "input",
    12: "output",
    13: "input",
    16: "input",
    32: "input",
    33: "output",
    43: "program",
    44: "program",
}

# HoldReasonSubCode of 34 names the resource, which the code alone does not.
HOLD_SUBCODES = {
    (34, 102): ("memory", "memory"),
    (34, 104): ("disk", "output"),
}
