"""What the CLI prints: boxed tables for a terminal, tab-separated lines for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
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


@dataclass(frozen=True)
class Table:
    """Rows of cells below column names. Cells may come from strangers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def show(table: Table, *, terminal: bool | None = None) -> None:
    """Print a table to standard output; nothing in a cell can reach the terminal as a command."""
    rows = [[printable(cell) for cell in row] for row in table.rows]
    if not (sys.stdout.isatty() if terminal is None else terminal):
        for line in (table.columns, *rows):
            print("\t".join(line))
        return
    boxed = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in table.columns:
        boxed.add_column(column, overflow="fold")
    for row in rows:
        boxed.add_row(*(Text(cell) for cell in row))
    Console(markup=False, highlight=False, emoji=False).print(boxed)


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
    return Table(("CLUSTER", "SITE", "SINCE", "UNTIL", "NODE", "STATE", "REASON"), rows)


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
