"""What the CLI prints: boxed tables for a terminal, tab-separated lines for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ...jobs.actions import Recommendation
from ...jobs.records import RunRecord
from ...jobs.text import printable
from ...plugins.scheduler import Outage
from .. import wording
from ..api.answers import RecommendationDetail
from ..site_spells import SiteState
from ..steps import PlannedStep

# Characters, on a terminal.
MAX_WORD = 80  # keys of runs are shorter
NARROW = 20  # of a column that is kept whole
LEAST = 10  # of what is left for each other one
GAP = 2  # between columns
SENTENCE = 40  # what is longer is one
KEYS = 2  # columns that say which row it is


@dataclass(frozen=True)
class Table:
    """Rows of cells below column names. Cells may come from strangers.

    ``empty`` is said where there is no row.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str = ""


def show(table: Table, *, terminal: bool | None = None) -> None:
    """Print a table to standard output; nothing in a cell can reach the terminal as a command."""
    terminal = sys.stdout.isatty() if terminal is None else terminal
    rows = [[printable(cell) for cell in row] for row in table.rows]
    if not terminal:
        for line in (table.columns, *rows):
            print("\t".join(line))
    elif rows:
        console = Console(markup=False, highlight=False, emoji=False)
        for number, (columns, cells) in enumerate(_parts(table.columns, rows, console.width)):
            if number:
                console.print()
            console.print(_boxed(columns, cells, console.width))
    if table.empty and not rows:
        print(table.empty, file=sys.stderr)


def _parts(
    columns: Sequence[str], rows: Sequence[Sequence[str]], room: int
) -> list[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """One table, or a second one for the sentences of the last column where there is no room."""
    *others, last = _widths(columns, rows)
    rest = room - sum(others) - GAP * len(others)
    if len(others) <= KEYS or last <= SENTENCE or rest >= SENTENCE:
        return [(columns, rows)]
    why = [(*row[:KEYS], row[-1]) for row in rows]
    return [(columns[:-1], [row[:-1] for row in rows]), ((*columns[:KEYS], columns[-1]), why)]


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]


def _boxed(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> RichTable:
    """A table ``room`` characters wide; narrow columns, such as times, stay whole if they can."""
    boxed = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True,
        header_style="bold",
    )  # fmt: skip
    widths = _widths(columns, rows)
    narrow = [width for width in widths if width <= NARROW]
    rest = room - sum(narrow) - GAP * (len(widths) - 1)
    whole = rest >= LEAST * (len(widths) - len(narrow))
    for column, width in zip(columns, widths, strict=True):
        boxed.add_column(column, overflow="fold", no_wrap=whole and width <= NARROW)
    for row in rows:
        boxed.add_row(*(Text(_folding(cell)) for cell in row))
    return boxed


def _folding(cell: str) -> str:
    """A cell whose words fit some lines of a narrow column."""
    return " ".join(printable(word, MAX_WORD) for word in cell.split(" "))


def recommendations(found: Iterable[Recommendation], now: float) -> Table:
    """Recommendations, a line each."""
    return Table(
        ("ID", "WORKFLOW", "CAUSE", "ACTION", "RUNS", "SURE", "STATE", "OUTCOME", "AGE"),
        [
            (
                str(it.id),
                it.workflow.key,
                it.advice.cause,
                wording.action(it.advice.action),
                str(len(it.advice.runs)),
                wording.percent(it.advice.probability),
                it.state.value,
                it.outcome.value if it.outcome else "-",
                wording.span(now - it.created),
            )
            for it in found
        ],
        "there is no such recommendation",
    )


def jobs(found: Iterable[RunRecord]) -> Table:
    """Runs, a line each."""
    return Table(
        ("RUN", "WORKFLOW", "SITE", "NODE", "STARTED", "ENDED", "EXIT", "WARNINGS"),
        [
            (
                it.run.key,
                it.facts.workflow or "-",
                it.facts.site or "-",
                it.node or "-",
                wording.when(it.started),
                wording.when(it.ended),
                wording.ending(it),
                ",".join(warning.value for warning in it.warnings) or "-",
            )
            for it in found
        ],
        "there is no such run",
    )


def sites(found: Iterable[SiteState]) -> Table:
    """Sites, a line each."""
    return Table(
        ("CLUSTER", "SITE", "STATUS", "SINCE", "NODES", "OUT", "REASON"),
        [
            (
                it.site.cluster,
                it.site.name,
                it.status.value,
                wording.when(it.since),
                str(it.nodes) if it.nodes else "-",
                str(it.nodes_out) if it.nodes else "-",
                next((_why(outage) for outage in it.outages if outage.until is None), "-"),
            )
            for it in found
        ],
        "no site is known yet",
    )


def site_history(found: Iterable[SiteState]) -> Table:
    """What sites and their nodes were, a line for each interval, the newest first."""
    rows = []
    for it in found:
        name = (it.site.cluster, it.site.name)
        spells = [(s.since, s.until, "-", s.status.value, "-") for s in it.spells]
        outages = [(o.since, o.until, o.node, o.state, o.reason or "-") for o in it.outages]
        for since, until, *words in sorted(spells + outages, key=lambda row: -row[0]):
            rows.append((*name, wording.when(since), wording.when(until), *words))
    columns = ("CLUSTER", "SITE", "SINCE", "UNTIL", "NODE", "STATE", "REASON")
    return Table(columns, rows, "no site was good or bad, and no node out, in these days")


def _why(outage: Outage) -> str:
    return f"{outage.node} {outage.state}" + (f": {outage.reason}" if outage.reason else "")


def steps(plan: Iterable[PlannedStep]) -> Table:
    """The steps of a plan, a line each."""
    return Table(
        ("STEP", "STATE", "PURPOSE", "COMMAND"),
        [(str(it.number), it.state.value, it.step.purpose, " ".join(it.step.argv)) for it in plan],
    )


def detail(answer: RecommendationDetail) -> list[str]:
    """One recommendation in lines; every line is safe to print."""
    it = answer.recommendation
    state = it.state.value + (f": {it.outcome.value}" if it.outcome else "")
    lines = [
        f"recommendation  {it.id}",
        f"workflow        {printable(it.workflow.key)}",
        f"state           {state}",
        f"proposed        {wording.when(it.created)}",
        f"cause           {printable(it.advice.cause)}",
        f"action          {wording.action(it.advice.action)}",
        "sure            " + _probabilities(it),
    ]
    lines += [
        f"evidence        {printable(e.kind, 40)}: {printable(e.text, 400)}"
        for e in it.advice.evidence
    ]
    lines += [f"run             {printable(run.key)}" for run in it.advice.runs]
    lines += [f"follow-up       {printable(run.key)}" for run in it.follow_ups]
    for planned in answer.steps:
        purpose = printable(planned.step.purpose)
        lines.append(f"step {planned.number:<10} {planned.state.value}: {purpose}")
    for entry in answer.audit:
        words = " ".join(filter(None, (entry.who, entry.what, entry.detail)))
        lines.append(f"audit           {wording.when(entry.time)} {printable(words, 500)}")
    return lines


def _probabilities(it: Recommendation) -> str:
    ranked = sorted(it.advice.probabilities.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{kind.value} {wording.percent(p)}" for kind, p in ranked)
