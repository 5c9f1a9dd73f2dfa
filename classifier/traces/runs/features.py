"""From columns of a table to features of a run: logarithms of values and of time differences.

Ratios such as bytes per second are differences of logarithms, so models that are linear in these
features see every ratio without being told which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Kind, judge, spans
from .table import Table

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]

SAMPLE_ROWS = 20_000  # rows by which columns are compared with each other
SAME = 0.9999  # correlation from which on two features say the same
SMALL_QUANTILE = 0.05  # of what is not zero: above it the logarithm rules, below it is linear


@dataclass(frozen=True)
class Feature:
    """A column, or its difference ``column - minus``; ``unit`` is what counts as small in it."""

    column: str
    minus: str = ""
    unit: float = 1.0

    @property
    def name(self) -> str:
        """How it is told to people."""
        return f"{self.column} - {self.minus}" if self.minus else self.column


@dataclass(frozen=True)
class Plan:
    """The features a model reads, in order."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.features)

    @property
    def values(self) -> tuple[str, ...]:
        """Columns that are read as they are."""
        return tuple(feature.column for feature in self.features if not feature.minus)

    @property
    def differences(self) -> tuple[str, ...]:
        """Differences of columns that are read."""
        return tuple(feature.name for feature in self.features if feature.minus)

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the table that are read."""
        pairs = ((feature.column, feature.minus) for feature in self.features)
        return frozenset(name for pair in pairs for name in pair if name)

    def apply(self, table: Table) -> Floats:
        """``[rows, features]`` on a signed logarithmic scale; NaN where not measured."""
        matrix = np.full((len(table), len(self.features)), np.nan, np.float32)
        for place, feature in enumerate(self.features):
            values = _raw(table.columns, feature)
            if values is not None:
                matrix[:, place] = _signed_log(values, feature.unit)
        return matrix

    def as_list(self) -> list[dict[str, Any]]:
        """For JSON."""
        return [asdict(feature) for feature in self.features]

    @classmethod
    def of_list(cls, told: list[dict[str, Any]]) -> Plan:
        """Read :meth:`as_list` back; TypeError or ValueError where it is none."""
        features = tuple(Feature(**entry) for entry in told)
        for one in features:
            if not (isinstance(one.column, str) and isinstance(one.minus, str) and one.unit > 0):
                raise ValueError(f"{one} is no feature")
        return cls(features)


def plan(table: Table) -> tuple[Plan, dict[str, str]]:
    """The features of a table, and why its other columns are none, by column.

    ValueError where nothing is left.
    """
    # what a column is stands in all its rows: one that is unique in a sample may repeat in them
    kinds = {
        name: judge(name, values, is_time=name in table.times)
        for name, values in table.columns.items()
    }
    why = {name: kind.value for name, kind in kinds.items() if kind is not Kind.VALUE}
    sample = table.take(_spread(len(table)))
    times = {name: sample.columns[name] for name, kind in kinds.items() if kind is Kind.TIME}
    wanted = [Feature(name) for name, kind in kinds.items() if kind is Kind.VALUE]
    wanted += [Feature(later, earlier) for later, earlier in spans(times)]
    features, same = _distinct(wanted, sample.columns)
    if not features:
        raise ValueError("no column of numbers that vary; nothing to learn from")
    found = Plan(features)
    differenced = found.columns - set(found.values)
    told = dict(table.ignored or {}) | why | same
    return found, {name: reason for name, reason in told.items() if name not in differenced}


def _distinct(
    wanted: Iterable[Feature], sample: Mapping[str, Wide]
) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """Those that do not say the same as one before; and of columns that do, which one."""
    features: list[Feature] = []
    same: dict[str, str] = {}
    seen: dict[bytes, list[tuple[Feature, Wide]]] = {}  # by the rows where they are measured
    for feature in wanted:
        values = _raw(sample, feature)
        if values is None or (feature.minus and not _varies(values)):
            continue
        unit = _unit(values)
        known = ~np.isnan(values)
        direction = _direction(_signed_log(values[known], unit))
        alike = seen.setdefault(known.tobytes(), [])
        twin = next((other for other, one in alike if abs(float(one @ direction)) > SAME), None)
        if twin is None:
            features.append(replace(feature, unit=unit))
            alike.append((feature, direction))
        elif not feature.minus:
            same[feature.column] = f"says the same as {twin.name}"
    return tuple(features), same


def _direction(logs: Wide) -> Wide:
    """The values as a unit vector from their mean, so that products are correlations."""
    away = logs - logs.mean() if len(logs) else logs
    return np.asarray(away / max(float(np.sqrt(away @ away)), 1e-30))


def _varies(values: Wide) -> bool:
    known = values[~np.isnan(values)]
    return bool(len(known) and known.min() < known.max())


def _spread(rows: int) -> NDArray[np.intp]:
    """Rows spread evenly over the table."""
    return np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE_ROWS)).astype(np.intp))


def _raw(columns: Mapping[str, Wide], feature: Feature) -> Wide | None:
    values = columns.get(feature.column)
    if values is None or not feature.minus:
        return values
    earlier = columns.get(feature.minus)
    return None if earlier is None else values - earlier


def _unit(values: Wide) -> float:
    sizes = np.abs(values[~np.isnan(values)])
    sizes = sizes[sizes > 0]
    return float(np.quantile(sizes, SMALL_QUANTILE)) if len(sizes) else 1.0


def _signed_log(values: Wide, unit: float) -> Wide:
    with np.errstate(over="ignore"):  # what leaves float64 here is as large as can be told
        sizes = np.minimum(np.abs(values) / unit, np.finfo(np.float64).max)
    return np.asarray(np.sign(values) * np.log1p(sizes))
