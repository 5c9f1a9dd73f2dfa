"""The error day by day as a picture: for a page, and in a few lines for a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ...nan import or_nan
from .outcome import Day, Simulated

_WORDS = {"traces": "1 − AUROC of ailing windows", "failures": "log-loss of decisions (nats)"}
_EVENTS = {"change": "workload changes", "new type": "new type of job", "poison": "poisoned day"}
_MARKS = {
    "": " ",
    "promoted": "*",
    "rolled-back": "r",
    "shadow": "s",
    "quarantined": "q",
    "failed": "!",
}
_NOTHING = "no model was in use on any of these days: play more"
_BLOCKS = "▁▂▃▄▅▆▇█"
_DPI = 110


def figure_of(found: Simulated) -> Any:
    """One panel a subject: errors with and without learning, promotions, quarantine, events."""
    from ....classifier.failures.reporting.plots_style import canvas, legend_below

    subjects = found.subjects
    figure, axes = canvas(
        "Error of the model in use, day by day",
        synthetic=True,
        shape=(len(subjects), 1),
        height=0.8 + 2.6 * len(subjects),
        sharex=True,
    )
    for axis, subject in zip(axes.flat, subjects, strict=True):
        _draw(axis, found, subject)
    axes.flat[-1].set_xlabel("simulated day")
    legend_below(figure, axes)
    return figure


def _draw(axis: Any, found: Simulated, subject: str) -> None:
    from ....classifier.failures.reporting.plots_style import PALETTE, QUIET

    days = found.of(subject)
    numbers = [one.day for one in days]
    axis.plot(
        numbers,
        [or_nan(one.frozen) for one in days],
        color=PALETTE[1],
        marker="s",
        markersize=4,
        linestyle="--",
        label=f"model of day {found.first_turn} stays",
    )
    learning = [or_nan(one.learning) for one in days]
    axis.plot(numbers, learning, color=PALETTE[0], marker="o", markersize=4, label="with learning")
    _mark(axis, found, subject)
    axis.set_ylabel(_WORDS.get(subject, subject), fontsize=9)
    axis.set_title(subject, fontsize=10, loc="left")
    axis.set_xticks(numbers)
    if not _errors(days):
        middle = {"transform": axis.transAxes, "ha": "center", "va": "center"}
        axis.text(0.5, 0.5, _NOTHING, color=QUIET, **middle)
        axis.set_yticks([])


def _mark(axis: Any, found: Simulated, subject: str) -> None:
    """Promotions, quarantine, and what happened on the cluster, along the upper edge."""
    from ....classifier.failures.reporting.plots_style import PALETTE, QUIET

    days, top = found.of(subject), axis.get_ylim()[1]
    for state, label, mark, colour in (
        ("promoted", "new champion in the evening", "^", PALETTE[2]),
        ("quarantined", "whole day quarantined", "X", PALETTE[6]),
    ):
        at = [one.day for one in days if one.state == state]
        axis.plot(at, [top] * len(at), mark, color=colour, linestyle="none", label=label)
    for one in days:
        for event in found.scenario.events_of(one.day):
            axis.axvline(one.day - 0.5, color=QUIET, linewidth=1, linestyle=":")
            axis.text(
                one.day - 0.45, top, _EVENTS[event], rotation=90, va="top", fontsize=8, color=QUIET
            )


def png(found: Simulated) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    figure_of(found).savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def svg(found: Simulated) -> bytes:
    """The picture as an SVG file; the same outcome gives the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "jobmend", "svg.fonttype": "path"}):
        figure_of(found).savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def lines(found: Simulated) -> list[str]:
    """The same for a terminal, a block a day: the higher, the more errs the model in use."""
    told = []
    for subject in found.subjects:
        days = found.of(subject)
        known = _errors(days)
        low, high = min(known, default=0.0), max(known, default=1.0)
        reach = f"{low:.3g} to {high:.3g}" if known else _NOTHING
        told += [
            f"{subject}: {_WORDS.get(subject, 'error')}, {reach} (synthetic)",
            f"  learning {_blocks([one.learning for one in days], low, high)}",
            f"  frozen   {_blocks([one.frozen for one in days], low, high)}",
            f"  turns    {''.join(_MARKS.get(one.state, '.') for one in days)}",
            f"  events   {''.join(_event(found, one) for one in days)}",
        ]
    told.append("  turns: * promoted, s in shadow, q quarantined, r rolled back, ! failed, . kept")
    told.append("  events: c workload changes, n new type of job, p poisoned day")
    return told


def _errors(days: Sequence[Day]) -> list[float]:
    """What is known of the models' errors; nothing before the first champion was in use."""
    return [value for one in days for value in (one.learning, one.frozen) if value is not None]


def _event(found: Simulated, day: Day) -> str:
    events = found.scenario.events_of(day.day)
    return events[0][0] if events else " "


def _blocks(errors: Sequence[float | None], low: float, high: float) -> str:
    span = (high - low) or 1.0
    last = len(_BLOCKS) - 1
    return "".join(
        " " if error is None else _BLOCKS[round(last * (error - low) / span)] for error in errors
    )
