"""What charts of agents are made of."""

from __future__ import annotations

from .chart import Chart, Kind, Query, Threshold, Unit
from .variables import OF_NODES

BAD = (Threshold(1e-9, "bad"),)
UP_IS_GOOD = (Threshold(1, "good"),)


def rate(name: str, by: str = "instance") -> str:
    """Increase a second of a counter of the chosen agents, summed by labels."""
    return f"sum by ({by}) (rate({name}{{{OF_NODES}}}[$rate]))"


def value(name: str, by: str = "instance") -> str:
    """A gauge of the chosen agents, summed by labels."""
    return f"sum by ({by}) ({name}{{{OF_NODES}}})"


def asked(
    title: str,
    unit: Unit,
    description: str,
    *queries: tuple[str, str],
    kind: Kind = "timeseries",
    thresholds: tuple[Threshold, ...] = (),
    width: int = 4,
) -> Chart:
    """A chart of agents; each query is an expression and its legend."""
    every = tuple(Query(expr, legend) for expr, legend in queries)
    return Chart(title, kind, unit, every, description, thresholds, width=width)
