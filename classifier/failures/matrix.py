"""The failure matrix: per task, how many failures with which code at which site of which status.

Four blocks of columns stand side by side, one float32 CSR row a task:

- ``cells``: code x site x status, as counted;
- ``codes``: code x status, summed over sites (one cluster's sites mean nothing on another);
- ``sites``: site x status, summed over codes;
- ``summary``: what :mod:`.features` makes of the whole, 1 + value where measured.

Codes and sites are learned; what is not in the vocabulary is counted under ``other``, never
dropped. An absent cell is a count of 0 and nothing else: XGBoost is told so (``missing=0``), thus
a sparse and a dense matrix of the same counts are one to it, which is not its default
(dmlc/xgboost issues 1634 and 5960). The shift keeps a measured 0 apart from "not measured".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

from ...jobs.identity import SiteStatus
from ...jobs.text import printable
from ..artifact import ArtifactError
from .features import FEATURES, features
from .task import Cell, FailedTask

FORMAT = 2
MAX_CODES = 400
MAX_SITES = 400
MIN_TASKS = 2  # a word seen in one task only is counted as other, so that other is learned
OTHER = "other"
STATUSES = (SiteStatus.GOOD, SiteStatus.BAD, SiteStatus.UNKNOWN)
_STATUS_INDEX = {status: index for index, status in enumerate(STATUSES)}

Block = Literal["cells", "codes", "sites", "summary"]
BLOCKS: tuple[Block, ...] = ("cells", "codes", "sites", "summary")


@dataclass(frozen=True)
class Column:
    """What one column holds. Empty ``code`` or ``site``: summed over them. A feature has a name."""

    block: Block
    code: str = ""
    site: str = ""
    status: SiteStatus = SiteStatus.UNKNOWN
    feature: str = ""

    def describe(self) -> str:
        """The column in words, safe to show: ``exit:66 at siteB (bad)``."""
        if self.block == "summary":
            return self.feature.replace("_", " ")
        status = "" if self.status is SiteStatus.UNKNOWN else f" ({self.status.value})"
        code = printable(self.code) or "any code"
        return f"{code} at {printable(self.site, 80) or 'any site'}{status}"


@dataclass(frozen=True)
class Unseen:
    """Failures of a task whose code or site the vocabulary does not hold."""

    codes: int
    sites: int


@dataclass(frozen=True)
class Vocabulary:
    """The codes and sites that have columns of their own; ``other`` comes after them."""

    codes: tuple[str, ...]
    sites: tuple[str, ...]

    @classmethod
    def learn(cls, tasks: Sequence[FailedTask]) -> Vocabulary:
        """The codes and sites of ``tasks``, the most frequent where there are too many."""
        codes: Counter[str] = Counter()
        sites: Counter[str] = Counter()
        for task in tasks:
            codes.update({cell.code for cell in task.cells})
            sites.update({cell.site for cell in task.cells})
        return cls(_most_common(codes, MAX_CODES), _most_common(sites, MAX_SITES))

    @cached_property
    def code_index(self) -> dict[str, int]:
        """Number of each code."""
        return {code: number for number, code in enumerate(self.codes)}

    @cached_property
    def site_index(self) -> dict[str, int]:
        """Number of each site."""
        return {site: number for number, site in enumerate(self.sites)}

    @cached_property
    def blocks(self) -> dict[Block, slice]:
        """Where the columns of each block lie."""
        codes, sites, statuses = len(self.codes) + 1, len(self.sites) + 1, len(STATUSES)
        widths = (codes * sites * statuses, codes * statuses, sites * statuses, len(FEATURES))
        ends = np.cumsum(widths).tolist()
        return {
            block: slice(end - width, end)
            for block, width, end in zip(BLOCKS, widths, ends, strict=True)
        }

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.blocks["summary"].stop)

    def column(self, index: int) -> Column:
        """What column ``index`` holds."""
        block = next(block for block in BLOCKS if index < self.blocks[block].stop)
        place = index - self.blocks[block].start
        if block == "summary":
            return Column(block, feature=FEATURES[place])
        rest, status = divmod(place, len(STATUSES))
        if block == "codes":
            return Column(block, code=_named(self.codes, rest), status=STATUSES[status])
        if block == "sites":
            return Column(block, site=_named(self.sites, rest), status=STATUSES[status])
        code, site = divmod(rest, len(self.sites) + 1)
        return Column(block, _named(self.codes, code), _named(self.sites, site), STATUSES[status])

    def unseen(self, task: FailedTask) -> Unseen:
        """How many failures of ``task`` are counted as ``other``, by code and by site."""
        cells = task.cells.items()
        return Unseen(
            codes=sum(n for cell, n in cells if cell.code not in self.code_index),
            sites=sum(n for cell, n in cells if cell.site not in self.site_index),
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


def _named(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else OTHER


def _most_common(counts: Counter[str], limit: int) -> tuple[str, ...]:
    frequent = [word for word, tasks in counts.items() if tasks >= MIN_TASKS]
    ranked = sorted(frequent, key=lambda word: (-counts[word], word))
    return tuple(sorted(ranked[:limit]))


def _are_names(names: object, limit: int) -> bool:
    fits = isinstance(names, list) and len(names) <= limit and len(set(names)) == len(names)
    return fits and all(isinstance(name, str) for name in names)  # type: ignore[attr-defined]


def encode(tasks: Sequence[FailedTask], vocabulary: Vocabulary) -> csr_matrix:
    """The matrix ``[tasks, vocabulary.width]`` as float32 CSR without stored zeros."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    summary = vocabulary.blocks["summary"].start
    for row, task in enumerate(tasks):
        for cell, count in task.cells.items():
            columns += _columns_of(cell, vocabulary)
            values += (count, count, count)
            rows += (row, row, row)
        for number, value in enumerate(features(task)):
            if value == value:  # measured, not NaN
                columns.append(summary + number)
                values.append(1.0 + value)
                rows.append(row)
    shape = (len(tasks), vocabulary.width)
    matrix = csr_matrix((np.array(values, dtype=np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _columns_of(cell: Cell, vocabulary: Vocabulary) -> tuple[int, int, int]:
    code = vocabulary.code_index.get(cell.code, len(vocabulary.codes))
    site = vocabulary.site_index.get(cell.site, len(vocabulary.sites))
    status = _STATUS_INDEX[cell.status]
    n = len(STATUSES)
    blocks = vocabulary.blocks
    return (
        (code * (len(vocabulary.sites) + 1) + site) * n + status,
        blocks["codes"].start + code * n + status,
        blocks["sites"].start + site * n + status,
    )
