"""Events out of ads: when executions of jobs began, how they ended, what waits.

Each execution is a run of its own, told apart by its ordinal. An epoch is written when an
execution's shadow goes; the job itself comes into the history once, when it leaves the queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...jobs.events import EventKind, JobEvent, JobFacts, Request
from ...jobs.exits import Exit
from ...jobs.fields import MAX_NAME
from ...jobs.identity import Run
from . import ends
from .ads import JobAd
from .runs import run_name

_IDLE = 1
_ENDED = (ends.REMOVED, ends.COMPLETED)


@dataclass(frozen=True)
class Naming:
    """What a pool's runs, workflows and sites are named after: ClassAd attributes, the first wins.

    ``RemoteHost`` stands for the name of the machine, also where a job ran last.
    """

    cluster: str
    workflow_from: Sequence[str]
    site_from: Sequence[str]

    def run(self, ad: JobAd, execution: int) -> Run:
        """The run that is this execution of the ad's job, from 1 on."""
        name = run_name(ad.global_id, execution)
        return Run(self.cluster, "htcondor", ad.job_id, name)

    def workflow(self, ad: JobAd) -> str:
        """The owner and the first name there is: nobody's jobs join another user's workflow.

        A job that jobmend submitted again keeps the name of the first; its owner may set that name
        too, among his own workflows.
        """
        name = ad.workflow or self.workflow_name(ad)
        return f"{ad.owner}/{name}"[:MAX_NAME] if name else ""

    def workflow_name(self, ad: JobAd) -> str:
        """The workflow's name without its owner, by the ad's own attributes.

        A number, such as ClusterId, is one of its schedd's.
        """
        found = (ad.names.get(name, "") for name in self.workflow_from)
        name = next((name for name in found if name != ""), "")
        return name if isinstance(name, str) else f"{name}@{ad.schedd}"

    def site(self, ad: JobAd) -> str:
        """Where the ad's last execution is or was; nothing where it never started."""
        for name in self.site_from:
            value = str(ad.names.get(name, ""))
            if name == "RemoteHost":
                value = host(value or str(ad.names.get("LastRemoteHost", "")))
            if value:
                return value[:MAX_NAME]
        return ""


def host(slot: str) -> str:
    """The machine of a slot: ``node1`` of ``slot1_1@node1``."""
    return slot.rpartition("@")[2]


def of_queue(ad: JobAd, naming: Naming) -> Iterator[JobEvent]:
    """What an ad in the queue says of the job's last execution, or of the one it waits for."""
    if ad.status in ends.RUNNING:
        yield from _start(ad, naming, ad.execution)
    elif ad.status == ends.COMPLETED:  # LeaveJobInQueue
        yield from of_history(ad, naming)
    elif ad.status == ends.HELD and is_held_while_running(ad):
        yield from _start(ad, naming, ad.execution)
        yield _end(ad, naming, ad.execution, ad.entered, ends.of_job(ad))
    elif ad.status in (_IDLE, ends.HELD):
        waiting = ad.execution + 1
        since = ad.entered if ad.execution else ad.submitted
        facts = _facts(ad, naming, waiting, site="")
        yield JobEvent(EventKind.QUEUED, naming.run(ad, waiting), since, facts=facts)


def is_held_while_running(ad: JobAd) -> bool:
    """Was the job held while it ran, rather than while it waited?"""
    return ad.execution > 0 and ad.last_status in ends.RUNNING


def of_history(ad: JobAd, naming: Naming) -> Iterator[JobEvent]:
    """What the ad of a job that left the queue says of its last execution.

    A job that was removed while it waited, held or not, never began the execution it waited for.
    """
    if ad.status not in _ENDED:
        return
    ended = ad.completed or ad.entered
    waited = ad.status == ends.REMOVED and ad.last_status not in ends.RUNNING
    if waited:  # what the ad says of an exit is of the execution before
        exit = ends.of_job(replace(ad, code=None, signal=None))
        yield _end(ad, naming, ad.execution + 1, ended, exit, site="")
        return
    execution = max(ad.execution, 1)
    yield from _start(ad, naming, execution)
    yield _end(ad, naming, execution, ended, ends.of_job(ad))


def of_epoch(ad: JobAd, naming: Naming) -> Iterator[JobEvent]:
    """What an epoch says: one execution, from its beginning to its end."""
    if ad.execution and ad.written is not None:
        yield from _start(ad, naming, ad.execution)
        yield _end(ad, naming, ad.execution, ad.written, ends.of_execution(ad))


def _start(ad: JobAd, naming: Naming, execution: int) -> Iterator[JobEvent]:
    if ad.started is not None:
        facts = _facts(ad, naming, execution)
        yield JobEvent(EventKind.START, naming.run(ad, execution), ad.started, facts=facts)


def _end(
    ad: JobAd, naming: Naming, execution: int, time: float, exit: Exit, site: str | None = None
) -> JobEvent:
    facts = _facts(ad, naming, execution, site)
    return JobEvent(EventKind.OUTCOME, naming.run(ad, execution), time, facts=facts, exit=exit)


def _facts(ad: JobAd, naming: Naming, execution: int, site: str | None = None) -> JobFacts:
    limits = [limit for limit in (ad.execute_seconds, ad.job_seconds) if limit is not None]
    return JobFacts(
        workflow=naming.workflow(ad),
        site=naming.site(ad) if site is None else site,
        name=ad.batch_name[:MAX_NAME],
        user=ad.owner[:MAX_NAME],
        account=ad.account[:MAX_NAME],
        attempt=max(execution - 1, 0),
        parent=_parent(ad, naming, execution),
        request=Request(ad.cpus, ad.memory_bytes, min(limits, default=None)),
    )


def _parent(ad: JobAd, naming: Naming, execution: int) -> str:
    if execution > 1:
        return naming.run(ad, execution - 1).key
    try:
        parent = Run.from_key(ad.parent)
    except ValueError:
        return ""
    # Only a run of this pool: the owner may write what he likes into his ad.
    ours = (parent.cluster, parent.scheduler) == (naming.cluster, "htcondor")
    return parent.key if ours and len(parent.key) <= MAX_NAME * 2 else ""
