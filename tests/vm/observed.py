"""What came out of the guest, in a form that tests can ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent


@dataclass(frozen=True)
class Sample:
    """One line of a page."""

    name: str
    labels: dict[str, str]
    value: float


class Page:
    """One page of metrics; prometheus-client's parser must accept it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [
            Sample(sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def find(self, name: str, **labels: str) -> list[Sample]:
        """The samples of a name with at least these labels."""
        return [
            sample
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def one(self, name: str, **labels: str) -> Sample:
        """The one sample of a name with these labels."""
        found = self.find(name, **labels)
        alike = [line for line in self.text.splitlines() if line.startswith(name)]
        assert len(found) == 1, f"{len(found)} samples of {name}{labels}; there are {alike}"
        return found[0]

    def value(self, name: str, **labels: str) -> float:
        """The value of the one sample of a name with these labels."""
        return self.one(name, **labels).value

    def names(self, job_id: str) -> set[str]:
        """The names under which a job has samples."""
        return {sample.name for sample in self.samples if sample.labels.get("jobid") == job_id}


@dataclass(frozen=True)
class Job:
    """A job of the guest: what Slurm said of its end, and what it measured of itself.

    ``used`` are the CPU seconds by which the cgroup above all jobs grew while it ran.
    """

    id: str
    state: str
    exit_code: str
    own: dict[str, Any] | None
    used: float


@dataclass(frozen=True)
class Observed:
    """Everything that was written down in the guest."""

    jobs: dict[str, Job]
    pages: dict[str, Page]
    events: list[JobEvent]
    kernel: dict[str, dict[str, Any]]
    agent: dict[str, str]  # /proc/<pid>/status of the agent
    failures: dict[str, str]
    log: str
    folder: Path  # with the logs of Slurm's daemons

    @classmethod
    def read(cls, document: dict[str, Any], folder: Path) -> Observed:
        """Out of the guest's JSON."""
        events = [wire.loads(body.encode()) for body in document.get("events", ())]
        return cls(
            jobs={name: Job(**job) for name, job in document["jobs"].items()},
            pages={name: Page(text) for name, text in document["pages"].items()},
            events=[event for event in events if isinstance(event, JobEvent)],
            kernel=document["kernel"],
            agent=document.get("agent", {}),
            failures=document["failures"],
            log=document["log"],
            folder=folder,
        )

    def event(self, kind: EventKind, job: str) -> JobEvent:
        """The one event of a kind that was told of a job."""
        job_id = self.jobs[job].id
        found = [one for one in self.events if one.kind is kind and one.run.job_id == job_id]
        assert len(found) == 1, f"{len(found)} {kind.value} events of {job}; the log:\n{self.log}"
        return found[0]
