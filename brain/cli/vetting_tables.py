"""Quarantine in a table and in lines; every line is safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...jobs.text import printable
from .. import wording
from ..api.vetting_answers import VettingDetail
from ..evidence import Evidence, Neighbour, Reading
from ..quarantined import Item, Word
from .tables import Table

_BARS = "▁▂▃▄▅▆▇█"
_READINGS, _COUNTS = 8, 10  # lines at most


def items(found: Iterable[Item], now: float) -> Table:
    """Items in quarantine, a line each."""
    return Table(
        ("ID", "SUBJECT", "KIND", "OF", "P", "STATE", "AGE", "WHY"),
        [
            (
                it.id,
                it.subject,
                f"a period of {it.examples}" if it.is_period else it.kind or "-",
                wording.when(it.time),
                "-" if it.p is None else f"{it.p:.2g}",
                _state(it),
                wording.span(now - it.since),
                it.reason,
            )
            for it in found
        ],
        "there is no such item in quarantine",
    )


def detail(answer: VettingDetail) -> list[str]:
    """One item in lines."""
    it = answer.item
    lines = [
        _line("item", f"{it.id} of {it.subject}, set apart by turn {it.turn}"),
        _line("key", it.key),
        _line("state", _state(it)),
        _line("time", wording.when(it.time)),
        _line("kind", it.kind or "-"),
        _line("p", "-" if it.p is None else f"{it.p:.2g}"),
        _line("reason", it.reason),
    ]
    if it.is_period:
        lines.append(_line("examples", f"{it.examples}; jobmend vet --turn {it.turn} lists them"))
    lines += _evidence(answer.evidence)
    lines += [_line("run", f"{run.run.key} {wording.ending(run)}") for run in answer.jobs]
    return lines + [_line("said", _word(word)) for word in answer.words]


def _evidence(told: Evidence) -> list[str]:
    lines = [_line("fact", f"{name}: {fact}") for name, fact in told.facts.items()]
    lines += [_line("number", _reading(it)) for it in told.readings[:_READINGS]]
    for name, curve in told.curves.items():
        lines.append(_line("trace", f"{printable(name, 24):<24} {sparkline(curve)}"))
    counts = list(told.counts.items())[:_COUNTS]
    lines += [_line("failures", f"{number} {cell}") for cell, number in counts]
    return lines + [_line("like it", _neighbour(it)) for it in told.neighbours]


def sparkline(curve: Sequence[float | None]) -> str:
    """A curve in one line of blocks between its least and its greatest value, which follow.

    A space is "not measured".
    """
    known = [value for value in curve if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(" " if value is None else _BARS[round((value - low) * scale)] for value in curve)
    return f"{bars} {low:.3g} to {high:.3g}"


def _state(it: Item) -> str:
    return f"{it.state.value}: {it.label}" if it.label else it.state.value


def _reading(it: Reading) -> str:
    value = "not measured" if it.value is None else f"{it.value:.3g}"
    if it.low is None or it.middle is None or it.high is None:
        return f"{it.name} {value}"
    usual = f"usual {it.low:.3g} to {it.high:.3g}, half of them below {it.middle:.3g}"
    return f"{it.name} {value}, {usual}"


def _neighbour(it: Neighbour) -> str:
    return f"{it.distance:.2g} away: {it.kind} {it.truth} {it.key}"


def _word(word: Word) -> str:
    label = f" {word.label}" if word.label else ""
    told = f"{word.before.value} to {word.after.value}{label}"
    return f"{wording.when(word.time)} {word.who}: {told}"


def _line(name: str, text: str) -> str:
    return f"{name:<10}{printable(text, 300)}"
