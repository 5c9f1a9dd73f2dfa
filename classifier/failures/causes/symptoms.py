"""The conditions of the rules: each looks at a case and returns what it explains, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ....jobs.events import EventKind, TraceSummary
from ....jobs.exit_posix import TEMPORARY_CODES
from ....jobs.exits import ExitKind
from ....jobs.records import RunRecord
from ....jobs.text import printable
from .case import NO_INPUT, Case, Finding, crashed, error_code, found, generic, kind_of
from .tally import SiteTally
from .units import percent, size, span

IDLE_TAIL_SHARE = 0.5  # of the run's duration: from here on a timeout was a hang
PEAK_SHARE = 0.95  # of the limit: from here on a SIGKILL was the memory's
BUSY_SHARE = 0.05  # CPU seconds per second: less is no progress
WAITING_SHARE = 0.1  # of the whole run; the agent's warning asks for more, over a shorter time
IO_BOUND_SHARE = 0.5  # of the run: such a run waits for storage and does not hang
SITE_FAILED_SHARE = 0.8  # nearly all fail
SITE_GOOD_SHARE = 0.2  # nearly none fail
SITE_MIN_FAILED = 2  # one failure says nothing about a site
SIGKILL = 9

Symptom = Callable[[Case], Finding | None]


def of(runs: list[RunRecord], case: Case) -> str:
    """The phrase that opens most findings: ``2 of 3 failures``."""
    return f"{len(runs)} of {len(case.failed)} failures"


def _cpu_share(run: RunRecord) -> float:
    return _share(run.trace, run.trace.cpu_waiting_seconds) if run.trace is not None else 0.0


def _storage_share(run: RunRecord) -> float:
    return _share(run.trace, run.trace.io_waiting_seconds) if run.trace is not None else 0.0


def _share(trace: TraceSummary, seconds: float | None) -> float:
    """Share of the run that ``seconds`` make; 0 where either was not measured."""
    if seconds is None or trace.duration_seconds <= 0:
        return 0.0
    return seconds / trace.duration_seconds


# ---- time --------------------------------------------------------------------------------------


def stalled(case: Case) -> Finding | None:
    """Running, warned of a stall, and not merely waiting for storage."""
    runs = [
        run
        for run in case.running
        if EventKind.STALL in run.warnings and _storage_share(run) < IO_BOUND_SHARE
    ]
    return found(runs, f"{len(runs)} of {len(case.running)} running: no CPU progress any more")


def _idle_tail(run: RunRecord) -> float | None:
    """Share of the run at its end without CPU progress; None where not measured."""
    trace = run.trace
    if trace is None or trace.duration_seconds <= 0:
        return None
    if trace.cpu_idle_tail_seconds is not None:
        return trace.cpu_idle_tail_seconds / trace.duration_seconds
    if trace.cpu_seconds is None:
        return None
    return 0.0 if trace.cpu_seconds / trace.duration_seconds >= BUSY_SHARE else 1.0


def timed_out_idle(case: Case) -> Finding | None:
    """Out of time after doing nothing for at least half of it."""
    runs = [run for run in _timeouts(case) if (_idle_tail(run) or 0.0) >= IDLE_TAIL_SHARE]
    words = f"{of(runs, case)}: timeout after at least {percent(IDLE_TAIL_SHARE)} of it idle"
    return found(runs, words)


def timed_out_busy(case: Case) -> Finding | None:
    """Out of time while still making progress."""
    tails = [(run, _idle_tail(run)) for run in _timeouts(case)]
    runs = [run for run, tail in tails if tail is not None and tail < IDLE_TAIL_SHARE]
    return found(runs, f"{of(runs, case)}: timeout with CPU progress until near the end")


def timed_out_unmeasured(case: Case) -> Finding | None:
    """Out of time, and no trace tells whether it made progress."""
    runs = [run for run in _timeouts(case) if _idle_tail(run) is None]
    return found(runs, f"{of(runs, case)}: timeout, CPU progress not measured")


def _timeouts(case: Case) -> list[RunRecord]:
    return [run for run in case.failed if kind_of(run) is ExitKind.TIMEOUT]


# ---- memory ------------------------------------------------------------------------------------


def out_of_memory(case: Case) -> Finding | None:
    """Said so by the scheduler, by the kernel's count of OOM kills, or by a kill at the limit."""
    runs = [run for run in case.failed if _lacked_memory(run)]
    peaks = [run.trace.memory_peak_bytes for run in runs if run.trace is not None]
    known = [peak for peak in peaks if peak is not None]
    peak = f", peak {size(max(known))}" if known else ""
    limits = [run.trace.memory_limit_bytes for run in runs if run.trace is not None]
    limit = next((f" of a limit of {size(bytes_)}" for bytes_ in limits if bytes_), "")
    return found(runs, f"{of(runs, case)}: out of memory{peak}{limit if peak else ''}")


def _lacked_memory(run: RunRecord) -> bool:
    if kind_of(run) is ExitKind.OUT_OF_MEMORY:
        return True
    trace, end = run.trace, run.exit
    if trace is None or end is None:
        return False
    if trace.oom_kills:
        return True
    if end.signal != SIGKILL or not trace.memory_limit_bytes or trace.memory_peak_bytes is None:
        return False
    return trace.memory_peak_bytes >= PEAK_SHARE * trace.memory_limit_bytes


# ---- program -----------------------------------------------------------------------------------


def fails_everywhere_alike(case: Case) -> Finding | None:
    """All of at least two runs crash, or end with one generic code, on every site.

    Sites whose status was bad are no witnesses: one other has to be among them.
    """
    if case.ended < 2 or len(case.failed) < case.ended or all(site.bad for site in case.sites):
        return None
    keys = sorted({run.exit.key for run in case.failed if run.exit is not None})
    alike = all(crashed(run) for run in case.failed) or (
        all(generic(run) for run in case.failed) and len(keys) == 1
    )
    words = (
        f"all {case.ended} runs on {len(case.sites)} site(s) end alike: {printable(' '.join(keys))}"
    )
    return found(case.failed, words) if alike else None


def crashes(case: Case) -> Finding | None:
    """The program died of a signal it brought upon itself."""
    runs = [run for run in case.failed if crashed(run)]
    keys = sorted({run.exit.key for run in runs if run.exit is not None})
    return found(runs, f"{of(runs, case)}: the program crashed ({printable(' '.join(keys))})")


def failed_again(case: Case) -> Finding | None:
    """A generic code after the same work was repeated."""
    runs = [run for run in case.failed if generic(run) and run.facts.attempt >= 1]
    return found(runs, f"{of(runs, case)}: a generic exit code again after a repeat")


def input_missing_everywhere(case: Case) -> Finding | None:
    """Exit 66 at every site where runs ended, not all of them bad ones."""
    runs = [run for run in case.failed if error_code(run) == NO_INPUT]
    if {run.facts.site for run in runs} != {site.name for site in case.sites}:
        return None
    if all(site.bad for site in case.sites):
        return None
    return found(runs, f"{of(runs, case)}: exit 66 (no input) at all {len(case.sites)} site(s)")


def input_missing_again(case: Case) -> Finding | None:
    """Exit 66 after a repeat."""
    runs = [run for run in case.failed if error_code(run) == NO_INPUT and run.facts.attempt >= 1]
    return found(runs, f"{of(runs, case)}: exit 66 (no input) again after a repeat")


# ---- places ------------------------------------------------------------------------------------


def bad_sites(case: Case) -> Finding | None:
    """Sites whose status was bad, or where nearly all runs fail that succeed elsewhere."""
    good = [site for site in case.sites if _works(site)]
    bad = [site for site in case.sites if site.name and _fails(site, elsewhere_fine=bool(good))]
    names = tuple(site.name for site in bad)
    runs = [run for run in case.failed if run.facts.site in names]
    shown = "; ".join(
        f"{printable(site.name, 80)} fails {site.failed} of {site.ended}"
        + (", its status is bad" if site.bad else "")
        for site in bad
    )
    fine = ", ".join(
        f"{printable(site.name, 80)} {site.succeeded} of {site.ended}" for site in good
    )
    finding = found(runs, f"{shown}; succeeds at: {fine or 'no site known'}")
    return finding and replace(
        finding, sites_bad=names, sites_good=tuple(site.name for site in good)
    )


def _works(site: SiteTally) -> bool:
    named = bool(site.name) and not site.bad
    return named and site.succeeded > 0 and site.failed_share <= SITE_GOOD_SHARE


def _fails(site: SiteTally, *, elsewhere_fine: bool) -> bool:
    if site.bad:  # but a workflow that mostly succeeds there has another trouble
        return site.failed > site.succeeded
    enough = site.failed >= SITE_MIN_FAILED and site.failed_share >= SITE_FAILED_SHARE
    return enough and elsewhere_fine


# ---- passing troubles --------------------------------------------------------------------------


def ended_as(*kinds: ExitKind) -> Symptom:
    """The condition that runs ended in one of ``kinds``."""

    def symptom(case: Case) -> Finding | None:
        runs = [run for run in case.failed if kind_of(run) in kinds]
        seen = sorted({str(run.exit.kind.value) for run in runs if run.exit is not None})
        return found(runs, f"{of(runs, case)}: {', '.join(seen).replace('_', ' ')}")

    return symptom


def temporary_code(case: Case) -> Finding | None:
    """The program itself asked for another try."""
    runs = [run for run in case.failed if error_code(run) in TEMPORARY_CODES]
    codes = sorted({run.exit.key for run in runs if run.exit is not None})
    return found(runs, f"{of(runs, case)}: temporary by its own account ({' '.join(codes)})")


def first_attempt_minority(case: Case) -> Finding | None:
    """Fewer than half of the runs failed, at their first attempt, and did not crash."""
    if 2 * len(case.failed) >= case.ended:
        return None
    runs = [
        run
        for run in case.failed
        if kind_of(run) in (ExitKind.ERROR, ExitKind.SIGNAL)
        and not crashed(run)
        and run.facts.attempt == 0
    ]
    return found(runs, f"{len(runs)} of {case.ended} runs failed, at the first attempt")


def cpu_contended(case: Case) -> Finding | None:
    """Warned of contention, and it waits for CPU at least as long as for storage."""
    return _contended(case, "CPU")


def io_contended(case: Case) -> Finding | None:
    """Warned of contention, and it waits for storage longer than for CPU."""
    return _contended(case, "storage")


def _contended(case: Case, resource: str) -> Finding | None:
    runs, worst = [], 0.0
    for run in case.running:
        if EventKind.CONTENTION not in run.warnings:
            continue
        cpu, storage = _cpu_share(run), _storage_share(run)
        larger = "CPU" if cpu >= storage else "storage"
        if larger == resource and max(cpu, storage) >= WAITING_SHARE:
            runs.append(run)
            worst = max(worst, cpu, storage)
    nodes = ", ".join(sorted({printable(run.node, 80) for run in runs if run.node}))
    waiting = f"up to {percent(worst)} of the time waiting for {resource}"
    return found(runs, f"{len(runs)} of {len(case.running)} running: {waiting} on {nodes or '?'}")


def idle_words(run: RunRecord) -> str:
    """How long the run was idle at its end, in words; empty where not measured or not long."""
    trace = run.trace
    if trace is None or not trace.cpu_idle_tail_seconds or trace.duration_seconds <= 0:
        return ""
    if trace.cpu_idle_tail_seconds < 0.1 * trace.duration_seconds:
        return ""
    last, whole = span(trace.cpu_idle_tail_seconds), span(trace.duration_seconds)
    return f"CPU idle for the last {last} of {whole}"
