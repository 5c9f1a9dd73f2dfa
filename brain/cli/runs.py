"""``jobmend learn runs`` and ``jobmend score runs``: odd rows in any table of finished runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...jobs.text import printable
from .. import progress
from . import tables
from .learn import BadInput, bad_input, model_at

if TYPE_CHECKING:
    from ...classifier.traces.runs.evaluation import Figures
    from ...classifier.traces.runs.model import RunModel
    from ...classifier.traces.runs.table import Ask, Table

parquet = click.Path(path_type=Path, dir_okay=False)


@click.command("runs")
@click.option(
    "--table", "file", type=parquet, required=True, help="Parquet, one finished run a row."
)
@click.option("--group-by", "group", required=True, help="Column of the task type.")
@click.option(
    "--split-by", "split", help="Column of what rows belong together, such as a workflow."
)
@click.option(
    "--label", help="Column that tells faults: missing, empty, normal, 0 or False is none."
)
@click.option(
    "--train-on",
    type=click.Choice(["healthy", "all"]),
    default="healthy",
    show_default=True,
    help="Rows to learn from; healthy needs --label to tell which are not.",
)
@click.option("--ignore", multiple=True, help="Columns not to learn from, with commas.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory of the model.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of chance.")
def learn_runs(
    file: Path,
    group: str,
    split: str | None,
    label: str | None,
    train_on: str,
    ignore: Sequence[str],
    out: Path,
    seed: int,
) -> None:
    """Learn what healthy runs look like from a table of finished ones.

    Numeric columns are used, normalised per group. With --split-by and --label it also says how
    well every method finds the faulty rows of five parts it did not learn from. The last line is
    JSON.
    """
    names = tuple(name for part in ignore for name in part.split(",") if name)
    with bad_input(), progress.bar() as tell:
        from ...classifier.traces.runs.table import Ask

        ask = Ask(group, split, label, names)
        model, table = _learn(file, ask, out, train_on == "healthy", seed, tell)
        figures, why_none = _figures(table, ask, train_on == "healthy", seed, tell)
    _tell_columns(model.plan_.values, model.plan_.differences, model.ignored_)
    click.echo(f"learned from: {model.learned_from_}")
    if figures:
        tables.show(_figures_table(figures))
    else:
        click.echo(f"no figures: {printable(why_none, 300)}", err=True)
    report = {**_report(model, table, figures), "model": str(out)}
    click.echo(json.dumps(report))


def _learn(
    file: Path, ask: Ask, out: Path, healthy_only: bool, seed: int, tell: progress.Tell
) -> tuple[RunModel, Table]:
    """The model, which is saved, and the table it learned from."""
    from ...classifier.traces.runs.model import RunModel
    from ...classifier.traces.runs.table import read

    tell("reading the table", 0, 1)
    table = read(file, ask)
    model = RunModel(seed=seed).fit(table, ask, healthy_only=healthy_only, tell=tell)
    model.save(out)
    return model, table


def _report(model: RunModel, table: Table, figures: Sequence[Figures]) -> dict[str, Any]:
    from ...classifier.traces.runs.combining import CHAMPION
    from ...classifier.traces.runs.evaluation import SPLITS

    return {
        "rows": len(table),
        "faulty": None if table.faulty is None else int(table.faulty.sum()),
        "groups": len(set(table.groups)),
        "used": model.plan_.values,
        "differences": model.plan_.differences,
        "ignored": model.ignored_,
        "learned_from": model.learned_from_,
        "champion": CHAMPION,
        "splits": SPLITS if figures else 0,
        "arms": [one.as_dict() for one in figures],
    }


def _figures(
    table: Table, ask: Ask, healthy_only: bool, seed: int, tell: progress.Tell
) -> tuple[list[Figures], str]:
    """The figures, or why there are none."""
    from ...classifier.traces.runs.evaluation import evaluate

    if table.splits is None or table.faulty is None:
        return [], "they need --split-by and --label"
    try:
        return evaluate(table, ask, healthy_only=healthy_only, seed=seed, tell=tell), ""
    except ValueError as error:
        return [], str(error)


@click.group()
def score() -> None:
    """Score tables with a trained model, without a brain."""


@score.command("runs")
@click.option(
    "--model",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory of the model, made by jobmend learn runs.",
)
@click.argument("file", type=parquet)
@click.option("--out", type=parquet, required=True, help="Parquet file of scores to write.")
def score_runs(directory: Path, file: Path, out: Path) -> None:
    """Say how odd each row of FILE is: a score, higher is odder, and its p-value.

    The last line is JSON.
    """
    with bad_input(), progress.bar() as tell:
        from ...classifier.traces.runs.model import RunModel
        from ...classifier.traces.runs.scoring import ALARM, score_file

        if not out.parent.is_dir():
            raise BadInput(f"{out.parent}: no such directory; make it first")
        model = RunModel.load(model_at(directory, "jobmend learn runs --out"))
        summary = score_file(model, file, out, tell)
    _tell_columns(summary.used, summary.differences, summary.ignored)
    if summary.absent:
        click.echo(f"absent, counted as not measured: {_names(summary.absent)}")
    click.echo(
        f"{summary.rows} rows scored, {summary.odd} with p <= {ALARM:g}, "
        f"{summary.unknown_group} of groups that were not learned"
    )
    click.echo(json.dumps({**asdict(summary), "alarm": ALARM, "scores": str(out)}))


def _tell_columns(
    used: Sequence[str], differences: Sequence[str], ignored: Mapping[str, str]
) -> None:
    click.echo(f"columns used: {_names(used)}")
    if differences:
        click.echo(f"differences of points in time used: {_names(differences)}")
    for name, why in ignored.items():
        click.echo(f"column ignored: {printable(name, 80)}: {printable(why, 120)}")


def _names(names: Sequence[str]) -> str:
    return ", ".join(printable(name, 80) for name in names)


def _figures_table(figures: Sequence[Figures]) -> tables.Table:
    rows: list[Any] = [(one.arm, str(one.auroc), str(one.auprc)) for one in figures]
    return tables.Table(("ARM", "AUROC", "AUPRC"), rows)
