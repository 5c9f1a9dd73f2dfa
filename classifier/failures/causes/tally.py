"""Counting the ends of a workflow's runs, site by site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ....jobs.identity import SiteStatus
from ....jobs.records import RunRecord, WorkflowRecord
from ....jobs.text import printable


@dataclass(frozen=True)
class SiteTally:
    """What came of a workflow's runs at one site. ``name`` is empty where nobody tells the site."""

    name: str
    succeeded: int
    failed: int
    bad: bool  # its status was bad at most of the failures
    codes: Mapping[str, int]  # failures by exit key

    @property
    def ended(self) -> int:
        """Runs that ended well or badly; cancelled ones are no witnesses."""
        return self.succeeded + self.failed

    @property
    def failed_share(self) -> float:
        """Share (0..1) of the ended runs that failed."""
        return self.failed / self.ended if self.ended else 0.0


def tally(record: WorkflowRecord) -> tuple[SiteTally, ...]:
    """One :class:`SiteTally` per site where runs ended, by site name."""
    by_site: dict[str, list[RunRecord]] = {}
    for run in record.runs:
        if run.failed or run.succeeded:
            by_site.setdefault(run.facts.site, []).append(run)
    return tuple(_tally_site(site, runs) for site, runs in sorted(by_site.items()))


def _tally_site(site: str, runs: list[RunRecord]) -> SiteTally:
    failed = [run for run in runs if run.failed]
    bad = sum(run.site_status is SiteStatus.BAD for run in failed)
    codes = Counter(run.exit.key for run in failed if run.exit is not None)
    return SiteTally(site, len(runs) - len(failed), len(failed), 2 * bad > len(failed), codes)


def top_failures(record: WorkflowRecord, n: int = 3) -> list[str]:
    """The ``n`` largest cells of the failure matrix in words: ``exit:66 at siteB: 3 of 3``."""
    cells = [
        (count, site.ended, code, site.name)
        for site in tally(record)
        for code, count in site.codes.items()
    ]
    cells.sort(key=lambda cell: (-cell[0], cell[1], cell[2], cell[3]))
    return [
        f"{printable(code)} at {printable(name, 80) or 'an unnamed site'}: {count} of {ended}"
        for count, ended, code, name in cells[:n]
    ]
