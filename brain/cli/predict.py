"""``jobmend predict``: what a trained model says of failed tasks, without a brain."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..config import read_config
from ..models.shelf import FAILURES
from . import failure_tables, tables
from .learn import bad_input, config_option, model_at
from .output import as_json

model_option = click.option(
    "--model",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the model. Default: the brain's.",
)


@click.command()
@config_option
@model_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def predict(config: Path, directory: Path | None, file: Path, as_json: bool) -> None:
    """Say what to do about the failed tasks in FILE, which is in the CMS format.

    Each task gets its action or abstain, the probability of each action, and the evidence.
    """
    with bad_input():
        from ...classifier.failures.history.cms import read_history
        from ...classifier.failures.model import FailureClassifier

        tasks = read_history(file.read_bytes(), str(file)).history.tasks
        path = directory or read_config(config).store.models / FAILURES
        said = FailureClassifier.load(model_at(path, "jobmend learn failures")).predict(tasks)
    if as_json:
        click.echo(json.dumps({one.task: one.as_dict() for one in said}, indent=2))
    else:
        tables.show(failure_tables.predictions(said))
