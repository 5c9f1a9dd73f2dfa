"""The events the agent makes itself of a run: what no hook told, and the trace in an end."""

from __future__ import annotations

import logging

from ..jobs.events import EventKind, JobEvent, TraceSummary
from ..jobs.exits import Exit, ExitKind
from .summary import summarize, with_anomaly
from .tracked import Tracked

log = logging.getLogger(__name__)


def start_of(tracked: Tracked, node: str) -> JobEvent:
    """The START of a run on ``node``, as far as it is known; from now on it counts as told."""
    tracked.start_told = True
    started = tracked.started_epoch or 0.0
    return JobEvent(EventKind.START, tracked.run, started, node, tracked.facts)


def give_up(tracked: Tracked, epoch: float) -> JobEvent:
    """The END of a run whose cgroup went and of which no hook spoke."""
    ended = epoch if tracked.trace is None else tracked.trace.ended_epoch
    tracked.exit = Exit(tracked.run.scheduler, ExitKind.UNKNOWN, reason="no end hook spoke")
    return JobEvent(
        EventKind.END,
        tracked.run,
        ended,
        tracked.node,
        exit=tracked.exit,
        trace=summary_of(tracked, ended),
    )


def summary_of(tracked: Tracked, ended: float) -> TraceSummary | None:
    """The trace in numbers, or None: an end must be told even where this fails."""
    if tracked.trace is None:
        return None
    try:
        summary = summarize(tracked.trace, tracked.started_epoch or ended, ended)
        return with_anomaly(summary, tracked.anomaly)
    except Exception:  # the boundary between measuring and telling
        log.exception("the trace of %s could not be summarized", tracked.run.key)
        return None
