"""Records to judge, made by hand, and one failure model fitted on synthetic history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.synthetic.records import LabelledWorkflow, as_history, generate
from jobmend.jobs.actions import ActionKind
from jobmend.jobs.events import EventKind, JobFacts, Request, TraceSummary
from jobmend.jobs.exits import Exit, ExitKind, posix_exit
from jobmend.jobs.identity import Run, SiteStatus, Workflow
from jobmend.jobs.records import RunRecord, WorkflowRecord

MIB = 1024 * 1024

MakeRun = Callable[..., RunRecord]
MakeRecord = Callable[..., WorkflowRecord]


def exit_of(word: str) -> Exit | None:
    """``ok``, ``running``, ``exit:66``, ``signal:11`` or a word of ExitKind."""
    kind, _, number = word.partition(":")
    if kind == "running":
        return None
    if kind == "ok":
        return posix_exit(0, None)
    if kind == "exit":
        return posix_exit(int(number), None)
    if kind == "signal":
        return posix_exit(None, int(number))
    return Exit("slurm", ExitKind(kind))


@pytest.fixture
def make_run() -> MakeRun:
    """``make_run("exit:66", "siteB")``; trace fields by keyword make a trace of 52 seconds."""
    numbers = iter(range(1000))

    def make(
        end: str,
        site: str = "siteA",
        *,
        status: SiteStatus = SiteStatus.UNKNOWN,
        attempt: int = 0,
        request: Request | None = None,
        node: str = "n1",
        warnings: Sequence[EventKind] = (),
        anomaly_p: float | None = None,
        **measured: float | None,
    ) -> RunRecord:
        trace = TraceSummary(duration_seconds=52.0, samples=52)
        return RunRecord(
            Run("c", "local", str(next(numbers)), "0"),
            JobFacts(workflow="wf", site=site, attempt=attempt, request=request or Request()),
            node=node,
            site_status=status,
            exit=exit_of(end),
            trace=replace(trace, **measured) if measured else None,  # type: ignore[arg-type]
            warnings=tuple(warnings),
            anomaly_p=anomaly_p,
        )

    return make


@pytest.fixture
def make_record() -> MakeRecord:
    def make(*runs: RunRecord, tried: tuple[tuple[str, ActionKind], ...] = ()) -> WorkflowRecord:
        return WorkflowRecord(Workflow("c", "wf"), runs, tried)

    return make


@pytest.fixture(scope="session")
def history() -> list[LabelledWorkflow]:
    """Synthetic."""
    return generate(1500, seed=1)


@pytest.fixture(scope="session")
def fitted(history: list[LabelledWorkflow]) -> FailureClassifier:
    """The classifier after a quick contest, on synthetic workflows."""
    return FailureClassifier(arms=("majority", "xgboost")).fit(as_history(history))
