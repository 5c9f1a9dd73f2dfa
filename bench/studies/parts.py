"""Parting recorded runs into those that train, those that choose, and those that test.

Runs that ran beside each other (one slot) never part. Each kind of slot, the same jobs with the
same fault, is dealt out by itself, so that all parts hold all kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobmend.classifier.traces.dataset import HEALTHY, RUNS, DatasetError, Recorded, read

PARTS = 3  # of healthy slots, of equal size: train, choose, test


@dataclass(frozen=True)
class Set:
    """A data set in memory: its windows, and the slot of each run."""

    recorded: Sequence[Recorded]
    slots: Mapping[str, str]

    @property
    def types(self) -> dict[str, str]:
        """The job type of each run."""
        return {one.run: one.job_type for one in self.recorded}

    @property
    def faults(self) -> dict[str, str]:
        """The fault of each run."""
        return {one.run: one.fault for one in self.recorded}


@dataclass(frozen=True)
class Parts:
    """Run keys. Healthy runs train; validation and test hold healthy and faulty ones."""

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]

    def healthy(self, faults: Mapping[str, str], *names: str) -> frozenset[str]:
        """The healthy runs of the parts of these names."""
        runs = frozenset().union(*(getattr(self, name) for name in names))
        return frozenset(run for run in runs if faults[run] == HEALTHY)


def load(folder: Path) -> Set:
    """The data set in a folder; DatasetError where it is none or its runs have no slots."""
    recorded = read(folder)
    try:
        table = pq.read_table(folder / RUNS, columns=["run", "slot"]).to_pydict()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{folder / RUNS}: runs and their slots cannot be read") from error
    slots = dict(zip(table["run"], table["slot"], strict=True))
    lost = {one.run for one in recorded} - set(slots)
    if lost:
        raise DatasetError(f"{folder / RUNS}: {len(lost)} runs of windows are missing in it")
    return Set(recorded, slots)


def deal(data: Set, seed: int) -> Parts:
    """Of each kind of healthy slot a third tests, a third validates, the rest trains.

    Validation stops the training, calibrates scores and chooses settings. Of faulty slots one half
    validates and the other tests. DatasetError for fewer than three healthy slots of a kind.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for kind, slots in sorted(_kinds(data).items()):
        order = [slots[place] for place in rng.permutation(len(slots))]
        for name, chosen in _dealt(kind, order).items():
            found[name].update(*chosen)
    return Parts(**{name: frozenset(runs) for name, runs in found.items()})


Kind = tuple[tuple[str, str], ...]


def _kinds(data: Set) -> dict[Kind, list[list[str]]]:
    """The slots of each kind, each as the runs that it holds."""
    types, faults = data.types, data.faults
    slots: dict[str, list[str]] = {}
    for run in sorted(types):
        slots.setdefault(data.slots[run], []).append(run)
    found: dict[Kind, list[list[str]]] = {}
    for runs in slots.values():
        kind = tuple(sorted((types[run], faults[run]) for run in runs))
        found.setdefault(kind, []).append(runs)
    return found


def _dealt(kind: Kind, slots: list[list[str]]) -> dict[str, list[list[str]]]:
    count = len(slots)
    if any(fault != HEALTHY for _, fault in kind):
        return {"validation": slots[: count // 2], "test": slots[count // 2 :]}
    if count < PARTS:
        jobs = ", ".join(name for name, _ in kind)
        raise DatasetError(f"{count} healthy slots of {jobs}: record 3 or more to part them")
    each = count // PARTS
    return {
        "test": slots[:each],
        "validation": slots[each : 2 * each],
        "train": slots[2 * each :],
    }
