"""The metric names of other exporters, so that dashboards made for them go on working.

A table of rows a peer: its name for a metric, and which of our families it is the sum of. Names,
labels and types are the peer's, also where ours differ for a reason (docs/compat.md). What we do
not measure stays absent under a peer's name too. Sources, each read at the commit named:
treydock/cgroup_exporter@03856582 (1.2), plazonic/cgroup_exporter@08487057 with the queries of
PrincetonUniversity/jobstats@dfc9aa0c, ceems-dev/ceems@159e1c7e.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .names import Family
from .page import Page, labels


@dataclass(frozen=True)
class JobView:
    """One live job as a peer would see it; ``values`` are keyed by our family names.

    ``cgroup`` is the path below the root of its hierarchy, without a slash in front. ``unified``
    says whether v2 tells of its memory: two peers mean other things by some names under v1.
    """

    scheduler: str
    job_id: str
    run: str = ""
    node: str = ""  # empty where there is one node per machine
    slot: str = ""
    cgroup: str = ""
    user: str = ""
    uid: int | None = None
    hostname: str = ""
    unified: bool = True
    cpus: tuple[int, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The job id; while nobody told it, the slot or run that the cgroup's path names."""
        return self.job_id or self.slot or self.run


# What the peers' labels are made of. An empty label is the same as none, to Prometheus too.
_LABELS: Mapping[str, Callable[[JobView], str]] = {
    "cgroup": lambda job: f"/{job.cgroup}",
    "jobid": lambda job: job.name,
    "uuid": lambda job: job.name,
    "node": lambda job: job.node,
    "cgrouphostname": lambda job: job.node,
    "username": lambda job: job.user,
    "uid": lambda job: "" if job.uid is None else str(job.uid),
    "manager": lambda job: job.scheduler,
    "hostname": lambda job: job.hostname,
}
_CPUS = "cpus"  # the label of a list of threads; may be longer than a label of a stranger

# Terms that are no family of ours.
ONE, UID, JOBS = "1", "uid", "jobs"
_TOLD: Mapping[str, Callable[[JobView], float | None]] = {
    ONE: lambda job: 1,
    UID: lambda job: job.uid,
}


@dataclass(frozen=True)
class Row:
    """One metric of a peer: the sum of ``terms``, absent where one of them is.

    ``terms_v1`` takes their place where v1 tells of the memory; ``fixed`` are labels that always
    have the same value.
    """

    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    terms: tuple[str, ...]
    terms_v1: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The names of all its labels."""
        return (*self.labels, *(name for name, _ in self.fixed))


class Line(NamedTuple):
    """A series of one job: ``constant``, or where that is None the sum of the families named."""

    name: str
    labels: str
    terms: tuple[str, ...]
    constant: float | None

    def value(self, values: Mapping[str, float]) -> float | None:
        """Its value; None where a term was not measured."""
        if self.constant is not None:
            return self.constant
        parts = [values.get(term) for term in self.terms]
        return None if None in parts else sum(part for part in parts if part is not None)


@dataclass(frozen=True)
class Peer:
    """Another exporter; ``count`` is its metric of how many jobs there are, if it has one."""

    name: str
    rows: tuple[Row, ...]
    count: Row | None = None

    @property
    def families(self) -> Mapping[str, Family]:
        """Its metric families by name."""
        rows = self.rows if self.count is None else (*self.rows, self.count)
        return {row.name: Family(row.name, row.type, row.help, row.all_labels) for row in rows}

    def lines(self, job: JobView) -> tuple[Line, ...]:
        """The series of a job. They change only when its identity or its cpuset does."""
        found = []
        for row in self.rows:
            terms = row.terms if job.unified else row.terms_v1 or row.terms
            told = _TOLD.get(terms[0])
            constant = told(job) if told else None
            if (told and constant is None) or (_CPUS in row.labels and not job.cpus):
                continue  # nobody told
            found.append(Line(row.name, _spell(row, job), terms, constant))
        return tuple(found)

    def add(self, page: Page, job: JobView) -> None:
        """Put the series of one job on a page that has this peer's families."""
        for line in self.lines(job):
            page.add(line.name, line.value(job.values), line.labels)

    def add_count(self, page: Page, jobs: Sequence[JobView]) -> None:
        """Put the number of jobs on the page, where the peer publishes it."""
        if self.count is None:
            return
        for text, number in Counter(_spell(self.count, job) for job in jobs).items():
            page.add(self.count.name, number, text)


def _spell(row: Row, job: JobView) -> str:
    values = {name: _LABELS[name](job) for name in row.labels if name != _CPUS}
    text = labels(**values, **dict(row.fixed))
    if _CPUS in row.labels:
        text += f',{_CPUS}="{",".join(map(str, job.cpus))}"'
    return text


def choose(names: Iterable[str]) -> tuple[Peer, ...]:
    """The peers of these names, each once; ValueError says in a sentence why they cannot be had."""
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in PEERS:
            raise ValueError(f"compat knows {', '.join(PEERS)}, not {name!r}")
    peers = tuple(PEERS[name] for name in wanted)
    owners: dict[str, str] = {}
    for peer in peers:
        for name in peer.families:
            other = owners.setdefault(name, peer.name)
            if other != peer.name:
                raise ValueError(
                    f"compat cannot have both {other} and {peer.name}: they mean different "
                    f"things by {name}; keep one of them"
                )
    return peers


def families(peers: Iterable[Peer]) -> dict[str, Family]:
    """The families of several peers in one table, for a page to stand after ours."""
    return {name: family for peer in peers for name, family in peer.families.items()}


def _job(family: str) -> str:
    return f"jobmend_job_{family}"


_USER, _SYSTEM = _job("cpu_user_seconds_total"), _job("cpu_system_seconds_total")
_ANON, _FILE = _job("memory_anon_bytes"), _job("memory_file_bytes")
_CURRENT, _SWAP = _job("memory_current_bytes"), _job("memory_swap_bytes")
_SHMEM, _LIMIT = _job("memory_shmem_bytes"), _job("memory_limit_bytes")
_OOM, _HITS = _job("memory_oom_events_total"), _job("memory_limit_hits_total")


def _cgroup_rows(cpu_type: str, who: tuple[str, ...], rss: tuple[str, ...]) -> tuple[Row, ...]:
    """What treydock's exporter and its fork for jobstats have in common; ``rss`` is of v2."""
    return (
        Row("cgroup_cpu_user_seconds", cpu_type, "CPU time in user mode.", who, (_USER,)),
        Row("cgroup_cpu_system_seconds", cpu_type, "CPU time in the kernel.", who, (_SYSTEM,)),
        Row("cgroup_cpu_total_seconds", cpu_type, "CPU time of both.", who, (_USER, _SYSTEM)),
        Row("cgroup_cpus", "gauge", "Hardware threads of the cpuset.", who, (_job("cpus"),)),
        Row(
            "cgroup_memory_rss_bytes",
            "gauge",
            "Resident memory, as counted there.",
            who,
            rss,
            (_ANON,),
        ),
        Row("cgroup_memory_cache_bytes", "gauge", "Page cache.", who, (_FILE,)),
        Row("cgroup_memory_used_bytes", "gauge", "Memory charged.", who, (_CURRENT,)),
        Row("cgroup_memory_total_bytes", "gauge", "Limit on memory.", who, (_LIMIT,)),
        Row("cgroup_memory_fail_count", "gauge", "Times out of memory.", who, (_OOM,), (_HITS,)),
        Row("cgroup_memsw_used_bytes", "gauge", "Swap.", who, (_SWAP,), (_CURRENT, _SWAP)),
    )


def _pressure_rows() -> tuple[Row, ...]:
    return tuple(
        Row(
            f"cgroup_{resource}_pressure_seconds_total",
            "counter",
            f"Time in which some, or all, tasks waited for {what}.",
            ("cgroup",),
            (_job(f"pressure_{resource}_{word}_seconds_total"),),
            fixed=(("type", line),),
        )
        for resource, what in (("cpu", "a CPU"), ("memory", "memory"), ("io", "I/O"))
        for line, word in (("some", "waiting"), ("full", "stalled"))
    )


TREYDOCK = Peer(
    "treydock",
    (
        *_cgroup_rows("counter", ("cgroup",), (_ANON, _FILE)),
        Row("cgroup_cpu_info", "gauge", "Which threads.", ("cgroup", _CPUS), (ONE,)),
        *_pressure_rows(),
        Row("cgroup_info", "gauge", "Whose it is.", ("cgroup", "username", "uid", "jobid"), (ONE,)),
    ),
)

# ``node`` is ours: without it two nodes on one machine would have the same series twice.
JOBSTATS = Peer(
    "jobstats",
    (
        *_cgroup_rows("gauge", ("jobid", "node"), (_ANON,)),
        Row("cgroup_memory_shmem_bytes", "gauge", "Shared memory.", ("jobid", "node"), (_SHMEM,)),
        Row("cgroup_uid", "gauge", "User id of the job's owner.", ("jobid", "node"), (UID,)),
    ),
)

_UNIT = ("manager", "hostname", "cgrouphostname", "uuid")


def _unit(
    name: str, type: str, help: str, terms: tuple[str, ...], terms_v1: tuple[str, ...] = ()
) -> Row:
    return Row(f"ceems_compute_unit_{name}", type, help, _UNIT, terms, terms_v1)


CEEMS = Peer(
    "ceems",
    (
        _unit("cpu_user_seconds_total", "counter", "CPU time in user mode.", (_USER,)),
        _unit("cpu_system_seconds_total", "counter", "CPU time in the kernel.", (_SYSTEM,)),
        _unit("cpus", "gauge", "Hardware threads of the cpuset.", (_job("cpus"),)),
        _unit("memory_rss_bytes", "gauge", "Anonymous memory.", (_ANON,)),
        _unit("memory_cache_bytes", "gauge", "Page cache.", (_FILE,)),
        _unit("memory_used_bytes", "gauge", "Memory charged.", (_CURRENT,)),
        _unit("memory_total_bytes", "gauge", "Limit on memory.", (_LIMIT,)),
        _unit("memory_fail_count", "gauge", "Times out of memory.", (_OOM,), (_HITS,)),
        _unit("memsw_used_bytes", "gauge", "Swap.", (_SWAP,), (_CURRENT, _SWAP)),
        _unit(
            "cpu_psi_seconds",
            "gauge",
            "Time in which all tasks waited for a CPU.",
            (_job("pressure_cpu_stalled_seconds_total"),),
        ),
        _unit(
            "memory_psi_seconds",
            "gauge",
            "Time in which all tasks waited for memory.",
            (_job("pressure_memory_stalled_seconds_total"),),
        ),
    ),
    count=Row("ceems_compute_units", "gauge", "Jobs on this host.", _UNIT[:2], (JOBS,)),
)

PEERS: Mapping[str, Peer] = {peer.name: peer for peer in (TREYDOCK, JOBSTATS, CEEMS)}
