"""What the failure models read: a task's failures, counted by exit code, site and site status.

Every road leads here: the CMS exchange format, our own store, accounting in bulk, the generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from ...jobs.identity import SiteStatus

NOTHING: Mapping[str, float] = MappingProxyType({})
WARNINGS = ("stalled_runs", "contended_runs")  # features that tell of runs not yet ended


class Cell(NamedTuple):
    """Where a failure is counted.

    ``code`` is a WMCore code as CMS writes it (``50660``, ``-1``) or a key of
    :class:`~jobmend.jobs.exits.Exit` (``exit:66``, ``signal:11``, ``timeout``).
    """

    code: str
    site: str
    status: SiteStatus  # of the site when the run failed


@dataclass(frozen=True)
class Decision:
    """What an operator did about a task, in the words of the history; empty means "as it was"."""

    action: str  # acdc, recovery, clone, by-pass, ...; or a word of ActionKind
    splitting: str = ""  # 2x ... 200x, max
    memory: str = ""  # MB
    data_access: str = ""  # enabled or disabled: reading over the network (xrootd)
    sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedTask:
    """One task of a workflow, as it stood when an operator looked at it."""

    name: str
    cells: Mapping[Cell, int]  # failures, each count > 0
    features: Mapping[str, float] = field(default_factory=lambda: NOTHING)  # absent: not measured
    time: float | None = None  # of the decision, seconds since the epoch
    decision: Decision | None = None
    cause: str = ""  # where it is known: a generator's, an injected failure's

    @property
    def failures(self) -> int:
        """All failures."""
        return sum(self.cells.values())

    @property
    def troubled(self) -> bool:
        """Has something failed, or is a running run warned of?"""
        return bool(self.cells) or any(self.features.get(name, 0) > 0 for name in WARNINGS)


@dataclass(frozen=True)
class History:
    """Tasks in the order of their decisions. ``origin`` says where they come from, in words."""

    tasks: Sequence[FailedTask]
    origin: str
    synthetic: bool = False
