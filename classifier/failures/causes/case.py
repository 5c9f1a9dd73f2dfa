"""What the rules look at, and what a rule that fired found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ....jobs.exit_posix import CRASH_SIGNALS, TEMPORARY_CODES
from ....jobs.exits import ExitKind
from ....jobs.records import RunRecord, WorkflowRecord
from .tally import SiteTally, tally

NO_INPUT = 66  # EX_NOINPUT of sysexits.h


@dataclass(frozen=True)
class Case:
    """A workflow's record with its counts, made once for all rules."""

    record: WorkflowRecord
    failed: tuple[RunRecord, ...]
    running: tuple[RunRecord, ...]
    sites: tuple[SiteTally, ...]

    @classmethod
    def of(cls, record: WorkflowRecord) -> Case:
        """Count ``record``."""
        return cls(record, record.failed, record.running, tally(record))

    @property
    def ended(self) -> int:
        """Runs that ended well or badly."""
        return sum(site.ended for site in self.sites)


@dataclass(frozen=True)
class Finding:
    """The runs a cause explains and the reason in words; the sites where sites are the cause."""

    runs: tuple[RunRecord, ...]
    words: str
    sites_bad: tuple[str, ...] = ()
    sites_good: tuple[str, ...] = ()


def found(runs: Iterable[RunRecord], words: str) -> Finding | None:
    """A finding about ``runs``, or None where there are none."""
    explained = tuple(runs)
    return Finding(explained, words) if explained else None


def kind_of(run: RunRecord) -> ExitKind | None:
    """The kind of the run's end; None while it runs."""
    return run.exit.kind if run.exit is not None else None


def error_code(run: RunRecord) -> int | None:
    """The program's own exit code, where that is what ended the run."""
    return run.exit.code if run.exit is not None and run.exit.kind is ExitKind.ERROR else None


def crashed(run: RunRecord) -> bool:
    """Did the program die of a signal it brought upon itself?"""
    end = run.exit
    return end is not None and end.kind is ExitKind.SIGNAL and end.signal in CRASH_SIGNALS


def generic(run: RunRecord) -> bool:
    """Did it end with a code that names no cause: neither temporary nor a missing input?"""
    return kind_of(run) is ExitKind.ERROR and error_code(run) not in TEMPORARY_CODES | {NO_INPUT}
