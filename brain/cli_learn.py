"""``jobmend learn``: training models on the brain's machine."""

from __future__ import annotations

from pathlib import Path

import click

from . import training
from .config import DEFAULT_CONFIG, read_config
from .store import Store

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The brain's configuration.",
)


@click.group()
def learn() -> None:
    """Train the models the brain judges with, on the brain's machine."""


@learn.command()
@config_option
@click.option(
    "--examples",
    type=click.IntRange(min=100),
    default=4000,
    show_default=True,
    help="Workflows to make up.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of chance.")
def failures(config: Path, examples: int, seed: int) -> None:
    """Train the failure model on synthetic history.

    There is no public history of operators' actions; its figures are of synthetic workflows.
    """
    trained = training.train_failures(read_config(config).store.models, examples, seed)
    click.echo(
        f"{trained.path}: trained on {trained.examples} synthetic workflows;"
        f" on {trained.held_out} held-out synthetic ones:",
        err=True,
    )
    click.echo("NAME\tLOG LOSS\tMACRO F1\tCOVERAGE\tPRECISION")
    for score in trained.scores:
        figures = (score.log_loss, score.macro_f1, score.coverage, score.precision)
        click.echo("\t".join([score.name, *(f"{figure:.3f}" for figure in figures)]))


@learn.command()
@config_option
def traces(config: Path) -> None:
    """Train the trace model on stored windows of runs that ended well."""
    settings = read_config(config).store
    store = Store(settings.path)
    try:
        trained = training.train_traces(store, settings.models)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    finally:
        store.close()
    click.echo(
        f"{trained.path}: trained on {trained.windows} windows,"
        f" {trained.left_out} of another shape left out",
        err=True,
    )
