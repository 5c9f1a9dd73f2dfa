"""What speaks for or against an example, gathered for the person who will vet it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Final

import numpy as np

from ....classifier.failures.task import FailedTask
from ....jobs.windows import TraceWindow
from ...evidence import Evidence, Neighbour, Reading
from ..subject import Example, Measured, Numbers, Subject
from .resembling import Space, neighbours

NEIGHBOURS: Final = 5
READINGS: Final = 12  # the oddest are told
POINTS: Final = 60  # of a curve
COUNTS: Final = 40  # the commonest failures are told
TOLD: Final = 1.0  # usual spreads outside what is usual, from which on a number is worth a word


@dataclass(frozen=True, eq=False)
class Background:
    """What is usual: older examples with their numbers, and the scale that these make."""

    examples: Sequence[Example[Any]]
    measured: Measured
    space: Space
    kinds: frozenset[str]

    @classmethod
    def of(cls, examples: Sequence[Example[Any]], measured: Measured) -> Background:
        """Of these, the ones that nobody calls anomalous or ailing."""
        usual = [place for place, it in enumerate(examples) if is_usual(it)]
        kept = Measured(measured.names, measured.values[usual])
        found = [examples[place] for place in usual]
        return cls(found, kept, Space.of(kept), frozenset(it.kind for it in found))


def is_usual(example: Example[Any]) -> bool:
    """Is it neither an anomaly to a person nor, while nobody looked, ailing?"""
    return example.label == "normal" or (not example.label and example.truth != "ailing")


def evidence(
    subject: Subject[Any],
    examples: Sequence[Example[Any]],
    values: Numbers,
    background: Background,
) -> list[Evidence]:
    """The evidence on each of ``examples``; ``values`` are their measured numbers."""
    near = neighbours(background.space, background.measured.values, values, NEIGHBOURS)
    return [
        replace(
            shown(example.content),
            facts=dict(subject.describe(example)),
            readings=readings(background.space, row),
            neighbours=[_neighbour(background, place, far) for place, far in found],
        )
        for example, row, found in zip(examples, values, near, strict=True)
    ]


def _neighbour(background: Background, place: int, distance: float) -> Neighbour:
    it = background.examples[place]
    return Neighbour(it.key, it.kind, it.time, round(distance, 3), it.label or it.truth)


def readings(space: Space, values: Numbers) -> list[Reading]:
    """The numbers of one example beside what is usual, the oddest first."""
    order = np.argsort(-np.abs(space.place(values)), kind="stable")[:READINGS]
    columns = (values, space.low, space.middle, space.high)
    return [
        Reading(space.names[place], *(_rounded(column[place]) for column in columns))
        for place in order
    ]


def in_words(told: Sequence[Reading], space: Space) -> str:
    """The oddest number in words; nothing where none is far out."""
    spreads = dict(zip(space.names, space.spread.tolist(), strict=True))
    for it in told:
        if it.value is None or it.low is None or it.high is None:
            continue
        beyond = max(it.low - it.value, it.value - it.high) / spreads[it.name]
        if beyond > TOLD:
            return f"{it.name} is {it.value:g} where {it.low:g} to {it.high:g} is usual"
    return ""


@singledispatch
def shown(content: object) -> Evidence:
    """What an example's content can be drawn as: nothing, where it is of no kind known here."""
    return Evidence()


@shown.register
def _window(window: TraceWindow) -> Evidence:
    """Means over the threads that somebody owns, over all where nobody does."""
    values = np.frombuffer(window.values, dtype=np.float32).reshape(window.shape)
    owned = [place for place, owner in enumerate(window.owners) if owner is not None]
    known = ~np.isnan(values[owned] if owned else values)
    total = np.where(known, values[owned] if owned else values, 0.0).sum(axis=0, dtype=np.float64)
    counts = known.sum(axis=0)
    block = max(1, math.ceil(window.steps / POINTS))
    starts = np.arange(0, window.steps, block)
    total, counts = np.add.reduceat(total, starts), np.add.reduceat(counts, starts)
    means = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    return Evidence(
        runs=sorted({owner for owner in window.owners if owner is not None}),
        step_seconds=window.step_seconds * block,
        curves={
            name: [_rounded(value) for value in column]
            for name, column in zip(window.features, means.T, strict=True)
            if not np.isnan(column).all()
        },
    )


@shown.register
def _task(task: FailedTask) -> Evidence:
    """Failures by code and site, the commonest first."""
    told = Counter({f"{cell.code} at {cell.site}": n for cell, n in task.cells.items()})
    return Evidence(workflow=task.name, counts=dict(told.most_common(COUNTS)))


def _rounded(value: float) -> float | None:
    """Four digits are enough to look at; None where there is no finite number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
