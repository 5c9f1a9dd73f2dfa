"""A job that left the queue, submitted again out of its ad in the history.

What a job asked for is copied, what HTCondor wrote down while it ran is not. The ad was written by
the job's user: its values go into the new job as they are and are interpreted by nobody here.
Sources: the manual's appendix "Job ClassAd Attributes", and of condor_submit My.<attribute> and
$(DOLLAR).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..scheduler import Refused

PARENT, WORKFLOW = "JobmendParent", "JobmendWorkflow"

VANILLA = "5"  # JobUniverse; container and docker jobs are vanilla jobs too

# Not copied: who the job was, what became of it, and what is made anew for each job.
_STATE = re.compile(
    r"""(?ix)
    ClusterId|ProcId|GlobalJobId|QDate|User|OsUser|MyType|TargetType|ServerTime|JobUniverse
    |JobStatus|LastJobStatus|EnteredCurrentStatus|CompletionDate|JobFinishedHookDone|TerminationPending
    |SubmitVersion|CondorVersion|CondorPlatform|JobSubmitMethod|JobSubmitFile|TotalSubmitProcs
    |SUBMIT_.*|AuthToken.*|AutoCluster.*|JobMaterialize.*|Jobmend(Parent|Workflow)
    |Activation.*Duration|(Cumulative|Committed)(RemoteSysCpu|RemoteUserCpu|SlotTime|SuspensionTime|Time)
    |(Recent)?Block(Read|Write)(s|Kbytes|Bytes)|(Recent)?StatsLifetimeStarter|Bytes(Sent|Recvd)
    |Num(Ckpts|JobCompletions|JobMatches|JobReconnects|JobStarts|Restarts|ShadowExceptions|ShadowStarts)
    |Num(SystemHolds|Holds|Vacates|HoldsByReason|VacatesByReason|InputTransferStarts|Pids)
    |Num(OutputTransferStarts|CkptTransferStarts)|JobRunCount|RunInstanceId|EpochWriteDate|EpochAdType
    |JobCurrent.*|JobStartDate|JobLastStartDate|JobDisconnectedDate|JobState|JobPid|JobDuration
    |FirstJobMatchDate|InitialWaitDuration|CurrentHosts|TotalSuspensions|TotalJobReconnectAttempts
    |Last(Match|Suspension|JobLeaseRenewal|Vacate|RejMatch|Hold|Release|Remote|PublicClaim).*
    |Hold(Reason|ReasonCode|ReasonSubCode)|Remove(Reason)|Release(Reason)|Vacate(Reason.*|Code)
    |Exit(BySignal|Code|Signal|Status|Reason)|ToE|Remote(Host|SlotID|SysCpu|UserCpu|WallClockTime)
    |(Public)?ClaimIds?|(Startd|Shadow)(IpAddr|Principal|Name|Bday|Version)|StarterIpAddr|TransferSocket
    |MachineAttr.*[0-9]+|MATCH_.*|(Cpus|Memory|Disk|GPUs|Swap)(Provisioned|Usage)|ProvisionedResources
    |Assigned.*|ResidentSetSize(_RAW)?|ProportionalSetSize.*|ImageSize(_RAW)?|DiskUsage(_RAW)?
    |ScratchDirFileCount|ExecuteDirWasEncrypted|(NumCkpts|ExecutableSize)_RAW|MyAddress|UidDomain
    |Transfer(In|Out)(put)?(Started|Finished|Queued|Stats|FileCounts)|SpooledOutputFiles
    |Peak(Memory|Disk).*|LeaveJobInQueueTime
    """
)

# What submitting would expand: $(NAME), $ENV(NAME), $INT(NAME) … It leaves $$(NAME) and $$([…]) to
# the schedd, as it did the first time. More dollars than that it takes for something else.
_MACRO = re.compile(r"(?<!\$)\$(?=\w*\()")
_UNTELLABLE = re.compile(r"\(DOLLAR\)|\$\$\$|\$\$\w+\(", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}")

# Where the job cannot be repeated by its ad alone, and why.
_HINDRANCES = {
    "DAGManJobId": "it is a node of a DAG, which knows nothing of other jobs: submit the DAG again,"
    " it goes on where it stopped",
    "StageInStart": "its input files were spooled and went with it: its user must submit it again",
    "Env": "its environment is written in the syntax of before HTCondor 7: its user must submit it"
    " again",
}


def attributes(
    ad: Mapping[str, str | None], changes: Mapping[str, str], parent: str, workflow: str
) -> dict[str, str]:
    """The attributes of the new job, as expressions; Refused where the ad does not suffice.

    ``ad`` holds expressions, None for what is no UTF-8; ``parent`` and ``workflow`` are literals.
    """
    if ad.get("JobUniverse") != VANILLA:
        raise Refused(f"jobs of universe {ad.get('JobUniverse')} cannot be submitted again")
    for name, why in _HINDRANCES.items():
        if name in ad:
            raise Refused(f"the job cannot be submitted again: {why}")
    copied = {name: value for name, value in ad.items() if not _STATE.fullmatch(name)}
    bad = [name for name, value in copied.items() if not _can_be_told(name, value)]
    if bad:
        raise Refused(
            f"the job's ad has {len(bad)} attributes that cannot be told again, such as {bad[0]!r}"
        )
    whole = {name: value for name, value in copied.items() if value is not None}
    return {**whole, **changes, PARENT: parent, WORKFLOW: workflow}


def _can_be_told(name: str, value: str | None) -> bool:
    # Each is a line of a submit description.
    if value is None or "\n" in value or _UNTELLABLE.search(value):
        return False
    return bool(_ATTRIBUTE.fullmatch(name))


def description(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes as a submit description, in which nothing of theirs is expanded."""
    plain = {f"My.{name}": _literally(value) for name, value in attributes.items()}
    # What must stand there, and is replaced by the job's own Cmd.
    return {"executable": "/bin/true", "skip_filechecks": "true", **plain}


def _literally(expression: str) -> str:
    return _MACRO.sub("$(DOLLAR)", expression)
