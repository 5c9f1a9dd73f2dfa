"""``jobmend report``: pages that a browser shows, out of a trained model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from ..config import read_config
from ..models.shelf import FAILURES
from .learn import bad_input, config_option, history_option, model_at
from .predict import model_option


@click.group("report")
def reports() -> None:
    """Write reports, single HTML files that stand alone."""


@reports.command("failures")
@config_option
@model_option
@history_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The HTML file.",
)
def report_failures(
    config: Path, directory: Path | None, history_file: Path | None, out: Path
) -> None:
    """Judge a failure classifier on a history, best on one it did not learn from.

    Without --history on the decisions in the brain's store, else on synthetic workflows.
    """
    with bad_input():
        from ...classifier.failures.model import FailureClassifier
        from ...classifier.failures.reporting.assembly import report_of
        from ...classifier.failures.reporting.report import build
        from ..models import training

        settings = read_config(config)
        path = directory or settings.store.models / FAILURES
        model = FailureClassifier.load(model_at(path, "jobmend learn failures"))
        history = training.history_of(settings, training.Wanted(history_file=history_file))
        out.write_bytes(build(report_of(model, history, now=datetime.now(UTC))))
    click.echo(f"{out}: the report on {len(history.tasks)} tasks ({history.origin})", err=True)
