"""What to do about a finding: each builder returns the action, or None where it lacks a number."""

from __future__ import annotations

from collections.abc import Callable

from ....jobs.actions import Action, ActionKind
from ....jobs.records import RunRecord
from .case import Finding
from .units import MEBIBYTE

Remedy = Callable[[Finding], Action | None]

REQUEST_FACTOR = 2.0
PEAK_FACTOR = 1.5


def kill(finding: Finding) -> Action:
    """End the runs."""
    return Action(ActionKind.KILL)


def hold(finding: Finding) -> Action:
    """No resubmission until the owner has looked."""
    return Action(ActionKind.HOLD)


def recover(finding: Finding) -> Action:
    """The failed parts again, unchanged."""
    return Action(ActionKind.RECOVER)


def recover_with_memory(finding: Finding) -> Action | None:
    """Again with twice the request or half as much again as the peak, in whole MiB."""
    wanted = [need for run in finding.runs for need in _memory_needs(run)]
    if not wanted:
        return None
    mebibytes = -(-max(wanted) // MEBIBYTE)
    return Action(ActionKind.RECOVER, memory_bytes=int(mebibytes) * MEBIBYTE)


def _memory_needs(run: RunRecord) -> list[float]:
    trace = run.trace
    peak = trace.memory_peak_bytes if trace is not None else None
    limit = trace.memory_limit_bytes if trace is not None else None
    request = run.facts.request.memory_bytes or limit
    needs = [REQUEST_FACTOR * request] if request else []
    return [*needs, PEAK_FACTOR * peak] if peak else needs


def recover_with_walltime(finding: Finding) -> Action | None:
    """Again with twice the time asked for, or twice the time it had where nothing was asked."""
    wanted = [REQUEST_FACTOR * had for run in finding.runs if (had := _time_had(run))]
    return Action(ActionKind.RECOVER, walltime_seconds=max(wanted)) if wanted else None


def _time_had(run: RunRecord) -> float | None:
    if run.facts.request.walltime_seconds:
        return run.facts.request.walltime_seconds
    if run.started is not None and run.ended is not None:
        return run.ended - run.started
    return run.trace.duration_seconds if run.trace is not None else None


def recover_elsewhere(finding: Finding) -> Action:
    """Again at the sites where it works; wait where no such site is known."""
    if not finding.sites_good:
        return Action(ActionKind.WAIT, sites_avoid=finding.sites_bad)
    return Action(ActionKind.RECOVER, sites_use=finding.sites_good, sites_avoid=finding.sites_bad)


def wait_off_nodes(finding: Finding) -> Action:
    """Leave it running; name the nodes to avoid next time."""
    nodes = sorted({run.node for run in finding.runs if run.node})
    return Action(ActionKind.WAIT, nodes_avoid=tuple(nodes))
