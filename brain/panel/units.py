"""Numbers of charts in words, by the unit of the chart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .. import wording
from ..dashboards.chart import Threshold, Unit

MOST_TICKS = 5
_ROUND_SECONDS = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)


def short(value: float, unit: Unit) -> str:
    """A number with its unit, such as ``12 %`` or ``1.5 GiB``; a dash for what is no number."""
    if not math.isfinite(value):
        return "-"
    return _WORDS.get(unit, _plain)(value)


def colour(value: float, thresholds: Sequence[Threshold]) -> str:
    """What a number means by the thresholds; empty where there are none."""
    if not thresholds:
        return ""
    reached = [one for one in thresholds if value >= one.value]
    if reached:
        return max(reached, key=lambda one: one.value).meaning
    lowest = min(thresholds, key=lambda one: one.value)
    return "bad" if lowest.meaning == "good" else "good"


def step(reach: float, unit: Unit) -> float | None:
    """How far apart the ticks of an axis stand that reaches that far; None: any round number.

    Bytes are counted in powers of two, seconds in minutes, hours and days.
    """
    least = reach / MOST_TICKS
    if unit in ("bytes", "bytes/s"):
        return _power_of_two(max(least, 1.0))
    if unit == "seconds" and least > _ROUND_SECONDS[0]:
        days = _power_of_two(max(least / 86400, 1.0)) * 86400
        return next((one for one in _ROUND_SECONDS if one >= least), days)
    return None


def _power_of_two(least: float) -> float:
    return 2.0 ** math.ceil(math.log2(least))


def _plain(value: float) -> str:
    if value == 0 or 0.01 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.2g}"


def _signed(words: Callable[[float], str]) -> Callable[[float], str]:
    return lambda value: f"-{words(-value)}" if value < 0 else words(value)


def _seconds(value: float) -> str:
    if value < 1:
        return "0 s" if value == 0 else f"{1000 * value:.3g} ms"
    return wording.span(value)


_WORDS: dict[Unit, Callable[[float], str]] = {
    "share": lambda value: f"{_plain(100 * value)} %",
    "seconds": _signed(_seconds),
    "hours": lambda value: f"{_plain(value)} h",
    "bytes": _signed(lambda value: wording.size(int(value))),
    "bytes/s": _signed(lambda value: f"{wording.size(int(value))}/s"),
    "1/s": lambda value: f"{_plain(value)}/s",
    "cores": lambda value: f"{_plain(value)} cores",
    "yes/no": lambda value: "yes" if value else "no",
}
