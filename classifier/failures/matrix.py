"""The failure matrix: per workflow, how many runs ended with which code at which site.

Columns are exit code x site x site status, then exit code x site status summed over all sites
(one cluster's sites mean nothing on another). Codes and sites are learned; what is not in the
vocabulary is counted under ``other``, never dropped. An absent cell is a count of 0.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ...jobs.identity import SiteStatus
from ...jobs.records import RunRecord, WorkflowRecord
from ...jobs.text import printable
from ..artifact import ArtifactError

FORMAT = 1
MAX_CODES = 200
MAX_SITES = 200
MIN_WORKFLOWS = 2  # a word seen in one workflow only is counted as other, so that other is learned
OTHER = "other"
STATUSES = (SiteStatus.GOOD, SiteStatus.BAD, SiteStatus.UNKNOWN)
_STATUS_INDEX = {status: index for index, status in enumerate(STATUSES)}


def site_key(record: WorkflowRecord, run: RunRecord) -> str:
    """The site as the matrix knows it, unique over clusters: ``cluster/site``."""
    return f"{record.workflow.cluster}/{run.facts.site}"


@dataclass(frozen=True)
class Column:
    """What one column counts; ``site`` is None where it is summed over sites."""

    code: str
    site: str | None
    status: SiteStatus

    def describe(self) -> str:
        """The column in words, safe to show: ``exit:66 at siteB (bad)``."""
        place = "any site" if self.site is None else self.site.partition("/")[2] or self.site
        status = "" if self.status is SiteStatus.UNKNOWN else f" ({self.status.value})"
        return f"{printable(self.code)} at {printable(place, 80)}{status}"


@dataclass(frozen=True)
class Vocabulary:
    """The exit codes and sites that have columns of their own; ``other`` comes after them."""

    codes: tuple[str, ...]
    sites: tuple[str, ...]

    @classmethod
    def learn(cls, records: Iterable[WorkflowRecord]) -> Vocabulary:
        """The codes and sites of ``records``, the most frequent where there are too many."""
        codes: Counter[str] = Counter()
        sites: Counter[str] = Counter()
        for record in records:
            ended = [run for run in record.runs if run.exit is not None]
            codes.update({run.exit.key for run in ended if run.exit is not None})
            sites.update({site_key(record, run) for run in ended})
        return cls(_most_common(codes, MAX_CODES), _most_common(sites, MAX_SITES))

    @property
    def width(self) -> int:
        """Number of columns."""
        return (len(self.codes) + 1) * (len(self.sites) + 2) * len(STATUSES)

    def column(self, index: int) -> Column:
        """What column ``index`` counts."""
        cell, status = divmod(index, len(STATUSES))
        code, site = divmod(cell, len(self.sites) + 2)
        named: str | None = OTHER if site == len(self.sites) else None
        if site < len(self.sites):
            named = self.sites[site]
        return Column(
            self.codes[code] if code < len(self.codes) else OTHER, named, STATUSES[status]
        )

    def to_json(self) -> bytes:
        """The vocabulary with its format version."""
        return json.dumps({"format": FORMAT, "codes": self.codes, "sites": self.sites}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Vocabulary:
        """Read :meth:`to_json` back; ArtifactError where it is another format or damaged."""
        try:
            document = json.loads(data)
            codes, sites = document["codes"], document["sites"]
            known = document["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError("vocabulary: damaged; train the model anew") from error
        if not known or not _are_names(codes, MAX_CODES) or not _are_names(sites, MAX_SITES):
            raise ArtifactError(f"vocabulary: not of format {FORMAT}; train the model anew")
        return cls(tuple(codes), tuple(sites))


def _most_common(counts: Counter[str], limit: int) -> tuple[str, ...]:
    frequent = [word for word, workflows in counts.items() if workflows >= MIN_WORKFLOWS]
    ranked = sorted(frequent, key=lambda word: (-counts[word], word))
    return tuple(sorted(ranked[:limit]))


def _are_names(names: object, limit: int) -> bool:
    fits = isinstance(names, list) and len(names) <= limit and len(set(names)) == len(names)
    return fits and all(isinstance(name, str) for name in names)  # type: ignore[attr-defined]


def count(records: Sequence[WorkflowRecord], vocabulary: Vocabulary) -> csr_matrix:
    """The matrix ``[workflows, columns]`` as float32 CSR without stored zeros."""
    code_index = {code: index for index, code in enumerate(vocabulary.codes)}
    site_index = {site: index for index, site in enumerate(vocabulary.sites)}
    other_code, other_site = len(code_index), len(site_index)
    rows, columns = [], []
    for row, record in enumerate(records):
        for run in record.runs:
            if run.exit is None:
                continue
            code = code_index.get(run.exit.key, other_code)
            site = site_index.get(site_key(record, run), other_site)
            status = _STATUS_INDEX[run.site_status]
            for place in (site, other_site + 1):
                rows.append(row)
                columns.append((code * (other_site + 2) + place) * len(STATUSES) + status)
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = csr_matrix((ones, (rows, columns)), shape=(len(records), vocabulary.width))
    matrix.sum_duplicates()
    return matrix
