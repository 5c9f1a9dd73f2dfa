"""A generator of synthetic workflow records: cause -> ends of runs over sites -> an action.

There is no public history of operators' actions with their outcome, so this stands in until a
site has its own. Everything that comes from here is called synthetic. ``docs/synthetic-history.md``
says what is drawn from what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from ....jobs.actions import ActionKind
from ....jobs.events import EventKind, JobFacts, Request
from ....jobs.exits import Exit, posix_exit
from ....jobs.identity import Run, SiteStatus, Workflow
from ....jobs.records import RunRecord, WorkflowRecord
from ..history.records import task_of
from ..task import Decision, History
from .record_causes import ailing_trace, anomaly_p, draw, end_of, healthy_trace
from .record_mixes import USUAL, Mix
from .record_policy import operator_action

CLUSTER = "synthetic"
# The sites and the share of time each is in an outage.
SITES = {f"site-{index + 1}": float(rate) for index, rate in enumerate(np.linspace(0.02, 0.2, 8))}
UNLISTED_SHARE = 0.15  # of workflows run at sites that are seen once only
STATUS_KNOWN_SHARE = 0.7  # of workflows come with a site status
STATUS_BAD_IN_OUTAGE, STATUS_BAD_ELSE = 0.7, 0.03
OUTAGE_FAILING = 0.5  # chance that a run fails at a site in an outage, whatever the cause
BACKGROUND_FAILING = 0.01  # chance that any run fails for no reason that matters
MEASURED_SHARE = 0.75  # of workflows have traces
MAX_RUNS = 40
EPOCH = 1_700_000_000.0
SUCCESS = posix_exit(0, None)


@dataclass(frozen=True)
class LabelledWorkflow:
    """A record as it stood when the operator decided, the action taken, and the cause."""

    record: WorkflowRecord
    action: ActionKind
    cause: str


@dataclass(frozen=True)
class _Scene:
    """What the runs of one workflow share."""

    index: int
    mix: Mix
    cause: str
    sites: tuple[str, ...]
    outages: frozenset[str]
    faulty: str  # the site at fault where a site is the cause
    symptom: str  # the end all runs share, for causes that end all alike
    failing: float
    attempt: int
    request: Request
    measured: bool
    status_known: bool
    running: bool  # contention and half of the hangs show on running runs


def generate(n: int, seed: int, *, mix: Mix = USUAL, first: int = 0) -> list[LabelledWorkflow]:
    """``n`` synthetic workflows in time order; the same ``seed`` gives the same ones.

    They are numbered from ``first`` on, which is in their names and times.
    """
    rng = np.random.default_rng(seed)
    return [_workflow(rng, index, mix) for index in range(first, first + n)]


def as_history(examples: Sequence[LabelledWorkflow]) -> History:
    """``examples`` as decided tasks, an hour apart."""
    tasks = [
        task_of(
            example.record,
            time=EPOCH + 3600.0 * number,
            decision=Decision(example.action.value),
            cause=example.cause,
        )
        for number, example in enumerate(examples)
    ]
    return History(tasks, f"{len(tasks)} synthetic workflows", synthetic=True)


def _workflow(rng: Generator, index: int, mix: Mix) -> LabelledWorkflow:
    scene = _scene(rng, index, mix)
    count = min(MAX_RUNS, int(rng.geometric(0.15)))
    runs = tuple(_run(rng, scene, number) for number in range(count))
    if not any(run.failed or run.warnings for run in runs):
        runs = (_run(rng, scene, 0, surely=True), *runs[1:])
    tried = scene.attempt > 0 and rng.random() < 0.4
    record = WorkflowRecord(
        Workflow(CLUSTER, f"wf-{index}"),
        runs,
        ((scene.cause, ActionKind.RECOVER),) if tried else (),
    )
    action = operator_action(rng, scene.cause, record, mix.policy)
    return LabelledWorkflow(record, action, scene.cause)


def _scene(rng: Generator, index: int, mix: Mix) -> _Scene:
    cause = draw(rng, mix.shares)
    sites = _sites(rng, index)
    outages = {site for site in sites if rng.random() < SITES.get(site, 0.05)}
    faulty = str(rng.choice(sites)) if cause in ("bad site", "launch failure") else ""
    if cause == "bad site":
        outages.add(faulty)
    waiting = cause.endswith("contention") or (cause == "hang" and rng.random() < 0.5)
    return _Scene(
        index=index,
        mix=mix,
        cause=cause,
        sites=sites,
        outages=frozenset(outages),
        faulty=faulty,
        symptom=draw(rng, mix.symptoms[cause]),
        failing=_failing_share(rng, cause, mix),
        attempt=int(rng.choice(4, p=(0.7, 0.17, 0.09, 0.04))),
        request=Request(
            cpus=float(2 ** rng.integers(0, 4)),
            memory_bytes=int(2 ** rng.uniform(27, 34)),
            walltime_seconds=float(2 ** rng.uniform(5, 16)),
        ),
        measured=bool(rng.random() < MEASURED_SHARE),
        status_known=bool(rng.random() < STATUS_KNOWN_SHARE),
        running=waiting,
    )


def _sites(rng: Generator, index: int) -> tuple[str, ...]:
    count = int(rng.integers(1, 5))
    if rng.random() < UNLISTED_SHARE:
        return tuple(f"unlisted-{index}-{number}" for number in range(count))
    return tuple(str(site) for site in rng.choice(list(SITES), size=count, replace=False))


def _failing_share(rng: Generator, cause: str, mix: Mix) -> float:
    if cause in ("bug", "missing input") and rng.random() < 0.6:
        return 1.0
    return float(rng.beta(*mix.failing[cause]))


def _run(rng: Generator, scene: _Scene, number: int, *, surely: bool = False) -> RunRecord:
    site = scene.faulty if surely and scene.faulty else str(rng.choice(scene.sites))
    ails = surely or _ails(rng, scene, site)
    end, cause = _end(rng, scene, site, ails=ails)
    known = scene.status_known
    odds = STATUS_BAD_IN_OUTAGE if site in scene.outages else STATUS_BAD_ELSE
    status = SiteStatus.BAD if rng.random() < odds else SiteStatus.GOOD
    started = EPOCH + 3600.0 * scene.index
    run = RunRecord(
        Run(CLUSTER, "local", f"{scene.index}-{number}", str(scene.attempt)),
        JobFacts(
            workflow=f"wf-{scene.index}", site=site, attempt=scene.attempt, request=scene.request
        ),
        node=f"{site}-node-{int(rng.integers(20))}",
        site_status=status if known else SiteStatus.UNKNOWN,
        started=started,
        exit=end,
        warnings=_warnings(scene) if end is None and ails else (),
    )
    return _measure(rng, run, cause) if scene.measured else run


def _ails(rng: Generator, scene: _Scene, site: str) -> bool:
    if scene.faulty and site != scene.faulty:
        return False
    return bool(rng.random() < (0.7 if scene.running else scene.failing))


def _end(rng: Generator, scene: _Scene, site: str, *, ails: bool) -> tuple[Exit | None, str]:
    """How a run ended, None while it runs, and the cause that shows in its trace."""
    if ails and scene.running:
        return None, scene.cause
    if ails:
        alike = scene.cause in scene.mix.alike
        word = scene.symptom if alike else draw(rng, scene.mix.symptoms[scene.cause])
        return end_of(word), scene.cause
    if site in scene.outages and site != scene.faulty and rng.random() < OUTAGE_FAILING:
        return end_of(draw(rng, scene.mix.symptoms["bad site"])), ""
    if rng.random() < BACKGROUND_FAILING:
        return end_of(draw(rng, scene.mix.symptoms["transient"])), ""
    return SUCCESS, ""


def _warnings(scene: _Scene) -> tuple[EventKind, ...]:
    return (EventKind.STALL,) if scene.cause == "hang" else (EventKind.CONTENTION,)


def _measure(rng: Generator, run: RunRecord, cause: str) -> RunRecord:
    request = run.facts.request
    duration = (request.walltime_seconds or 60.0) * float(rng.uniform(0.2, 0.9))
    if cause in ("walltime", "hang"):
        duration = request.walltime_seconds or 60.0
    healthy = healthy_trace(rng, duration, request.memory_bytes or 2**30)
    return replace(
        run,
        trace=ailing_trace(rng, cause, healthy),
        anomaly_p=anomaly_p(rng, cause),
        ended=None if run.exit is None or run.started is None else run.started + duration,
    )
