"""Which tasks are learned from and which are held out; no workflow is ever on both sides.

Tasks of one workflow fail alike and are mended alike, so a model that has seen one of them has
seen the answer to the others.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from ....jobs.text import printable
from ..task import FailedTask

Indices = NDArray[np.intp]

MANY, FEW = 50, 10  # tasks, and workflows that so many tasks cannot be of


@dataclass(frozen=True, eq=False)
class Fold:
    """Places of the tasks to learn from and of those held out, each in time order."""

    train: Indices
    test: Indices
    name: str = ""


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of one split. ``notes`` say, in sentences, what could not be had as asked."""

    folds: tuple[Fold, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Fold]:
        """The folds in order."""
        return iter(self.folds)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.folds)


def workflow_of(name: str) -> str:
    """The workflow of the task ``name``: ``/wf`` of ``/wf/task``; of any other form, the whole.

    CMS names begin with a slash; those of our own store are ``cluster/workflow``.
    """
    first = name[1:].partition("/")[0]
    return f"/{first}" if name.startswith("/") and first else name


def workflows(tasks: Sequence[FailedTask]) -> Indices:
    """The number of each task's workflow, counted from 0.

    Where the names of many tasks tell only a few workflows, their first part is no workflow but
    something above it, and each task is taken for one.
    """
    names = np.array([workflow_of(task.name) for task in tasks], dtype=object)
    groups = np.unique(names, return_inverse=True)[1].astype(np.intp)
    if len(tasks) >= MANY and groups.max() + 1 < FEW:
        return np.arange(len(tasks), dtype=np.intp)
    return groups


def stratified(
    tasks: Sequence[FailedTask],
    labels: Sequence[str],
    folds: int = 5,
    seeds: Sequence[int] = (0,),
) -> Folds:
    """K folds with the classes spread evenly, once for each seed.

    Fewer folds where there are fewer workflows, or where no class has so many tasks. A class with
    fewer tasks than folds is held out in some folds only. ValueError where nothing can be split.
    """
    groups = workflows(tasks)
    counts = Counter(labels)
    if len(np.unique(groups)) < 2 or max(counts.values()) < 2:
        raise ValueError("tasks of at least two workflows are needed to hold some out; give more")
    possible = min(folds, len(np.unique(groups)), max(counts.values()))
    order = np.argsort(_times(tasks)[0], kind="stable")
    made = [
        Fold(order[~held_out[order]], order[held_out[order]], f"seed {seed}, fold {number}")
        for seed in seeds
        for number, held_out in enumerate(_k_folds(labels, groups, possible, seed), start=1)
        if held_out.any() and not held_out.all()
    ]
    return Folds(tuple(made), tuple(_notes(counts, folds, possible)))


def _k_folds(
    labels: Sequence[str], groups: Indices, folds: int, seed: int
) -> Iterator[NDArray[np.bool_]]:
    """Which tasks are held out, fold after fold."""
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # small classes: told in the notes
        pairs = list(splitter.split(np.zeros(len(labels)), np.array(labels), groups))
    for _, test in pairs:
        held_out = np.zeros(len(labels), dtype=bool)
        held_out[test] = True
        yield held_out


def _notes(counts: Counter[str], asked: int, possible: int) -> Iterator[str]:
    if possible < asked:
        yield f"{possible} folds instead of {asked}: too few workflows or tasks of a class"
    for word, count in sorted(counts.items()):
        if count < possible:
            yield (
                f"class {printable(word, 60)!r} has {count} of the {possible} tasks that it takes "
                "to be in every fold; where it is not held out, nothing is said of it"
            )


def newest(tasks: Sequence[FailedTask], share: float = 0.2) -> Folds:
    """One fold: the newest ``share`` (0..1) held out, the older ones learned from."""
    return expanding(tasks, windows=1, first=1.0 - share)


def expanding(tasks: Sequence[FailedTask], windows: int = 4, first: float = 0.5) -> Folds:
    """Equal windows of time held out in turn, each learned from all that came before.

    ``first`` is the share (0..1) that is only learned from. Older tasks of a workflow that is held
    out are left out of both sides. Where a task has no time, the order of ``tasks`` is the time.
    ValueError where a side would be empty.
    """
    if not 0.0 < first < 1.0 or windows < 1:
        raise ValueError("the share learned from must lie between 0 and 1; give another")
    times, notes = _times(tasks)
    order = np.argsort(times, kind="stable")
    groups = workflows(tasks)
    begin = round(first * len(tasks))
    borders = _borders(times[order], begin, windows)
    spans = zip(borders, borders[1:], strict=False)
    folds = [_window(order, groups, *span, number) for number, span in enumerate(spans, start=1)]
    if any(not len(fold.train) or not len(fold.test) for fold in folds):
        raise ValueError("too few tasks to split by time; give a longer history or fewer windows")
    purged = sum(begin - len(fold.train) for begin, fold in zip(borders, folds, strict=False))
    if purged:
        notes.append(
            f"{purged} older tasks of held-out workflows were not learned from, over all windows"
        )
    return Folds(tuple(folds), tuple(notes))


def _times(tasks: Sequence[FailedTask]) -> tuple[NDArray[np.float64], list[str]]:
    known = [task.time for task in tasks if task.time is not None and math.isfinite(task.time)]
    if len(known) == len(tasks):
        return np.array(known, dtype=np.float64), []
    note = f"{len(tasks) - len(known)} tasks have no time: their order was taken for it"
    return np.arange(len(tasks), dtype=np.float64), [note]


def _borders(times: NDArray[np.float64], begin: int, windows: int) -> list[int]:
    """Where windows begin, the end last; tasks of one moment stay together where they can."""
    places = np.linspace(begin, len(times), windows + 1).round().astype(int)[:-1]
    borders = []
    for place in places.tolist():
        before = int(np.searchsorted(times, times[place])) if place < len(times) else place
        borders.append(before or place)
    return [*borders, len(times)]


def _window(order: Indices, groups: Indices, begin: int, end: int, number: int) -> Fold:
    test = order[begin:end]
    older = order[:begin]
    train = older[~np.isin(groups[older], groups[test])]
    return Fold(train, test, f"window {number}")
