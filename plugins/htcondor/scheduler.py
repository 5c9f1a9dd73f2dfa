"""HTCondor as a scheduler: history from its schedds, actions through its Python bindings."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.events import JobEvent
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ..scheduler import Nodes, Step
from . import actions, ads, ends, history
from .ads import JobAd
from .carrying import Carrier
from .event_log import EventLog
from .history import Naming
from .machines import Machines, site_attributes
from .pool import Pool

# An execution's end is told in two steps: the shadow writes an epoch, then once more where the job
# is held, and the schedd acts on it.
SETTLE_SECONDS = 5.0
REMEMBERED = 1000  # executions; the ads of one are written within a moment


class HTCondorScheduler:
    """One HTCondor pool, by the schedds that its collector knows."""

    name = "htcondor"

    def __init__(
        self,
        cluster: str,
        *,
        pool: str = "",
        schedds: Sequence[str] = (),
        config: str = "",
        token_dir: str = "",
        workflow_from: Sequence[str] = ("DAGManJobId", "JobBatchName", "ClusterId"),
        site_from: Sequence[str] = ("MATCH_GLIDEIN_Site", "RemoteHost"),
        event_log: str = "",
        splitting_command: Sequence[str] = (),
        data_access: Mapping[str, Mapping[str, str]] | None = None,
        sites: Sequence[str] = (),
    ) -> None:
        """Talk to the collector ``pool`` and its ``schedds`` (empty: this machine's pool, all).

        ``config`` and ``token_dir`` replace CONDOR_CONFIG and the user's directory of tokens,
        ``workflow_from`` and ``site_from`` are ClassAd attributes of a job in order of preference.
        ModuleNotFoundError where the bindings are not installed.
        """
        if importlib.util.find_spec("htcondor2") is None:
            raise ModuleNotFoundError("the HTCondor bindings are missing", name="htcondor2")
        self._schedds = tuple(schedds)
        self._pool = Pool(pool, config, token_dir)
        self._naming = Naming(cluster, tuple(workflow_from), tuple(site_from))
        self._further = (*workflow_from, *site_from)
        self._machines = Machines(site_from)
        self._log = EventLog(self._pool, event_log, self._further) if event_log else None
        self._carrier = Carrier(self._pool, self._naming)
        self._settings = actions.Settings(
            site_attributes(site_from), data_access or {}, tuple(splitting_command), tuple(sites)
        )

    def history(self, since: float, until: float = math.inf) -> Iterator[JobEvent]:
        """QUEUED, START and OUTCOME events of executions between these epoch seconds.

        Without ``until`` also of jobs in the queue. Lazy; SchedulerError where a schedd cannot be
        asked, after what the others said.
        """
        now = time.time()
        if self._log is not None:
            yield from self._log.events(since, until, now, self._naming)
        yield from self._of_schedds(since, until, now)

    def _of_schedds(self, since: float, until: float, now: float) -> Iterator[JobEvent]:
        open_executions: set[tuple[str, int]] = set()
        told: dict[tuple[str, int], None] = {}
        answers = self._pool.ask(
            "jobs",
            schedds=self._schedds,
            attributes=ads.wanted(self._further),
            since=since,
            until=min(until, now + 3600.0),
            queue=until == math.inf,
            epochs=self._log is None,
        )
        for answer in answers:
            ad = ads.read(answer["ad"], self._further)
            if ad is None:
                continue
            if answer["source"] == "queue":
                if ad.status in ends.RUNNING or history.is_held_while_running(ad):
                    open_executions.add((ad.global_id, ad.execution))
                yield from history.of_queue(ad, self._naming)
            elif answer["source"] == "history":
                yield from history.of_history(ad, self._naming)
            elif _is_final(ad, open_executions, now) and _is_new(ad, told):
                yield from history.of_epoch(ad, self._naming)

    def nodes(self, since: float) -> Nodes:
        """The nodes there are now and their outages of now: HTCondor keeps no history of nodes."""
        answers = self._pool.ask("machines", attributes=self._machines.attributes)
        return self._machines.nodes((answer["ad"] for answer in answers), time.time())

    def plan(self, action: Action, runs: Sequence[RunRecord]) -> list[Step]:
        """The steps of ``action`` on ``runs``; Refused where HTCondor cannot do it."""
        return actions.plan(action, runs, self._settings)

    def execute(self, step: Step) -> tuple[Run, ...]:
        """Do what is left of a step and return the runs it brought about; or SchedulerError."""
        return self._carrier.carry_out(step)


def _is_final(epoch: JobAd, open_executions: Iterable[tuple[str, int]], now: float) -> bool:
    """Is it the last word on its execution? The queue's is, where the schedd is still at it."""
    written = epoch.written or now
    return (
        written < now - SETTLE_SECONDS and (epoch.global_id, epoch.execution) not in open_executions
    )


def _is_new(epoch: JobAd, told: dict[tuple[str, int], None]) -> bool:
    """Is it the newest ad of its execution? Newer ones come first; an older one knew less."""
    key = (epoch.global_id, epoch.execution)
    if key in told:
        return False
    told[key] = None
    if len(told) > REMEMBERED:
        del told[next(iter(told))]
    return True
