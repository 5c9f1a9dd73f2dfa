"""``jobmend learn failures`` and ``traces``: training one model by hand, on the brain's machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from ...jobs.text import printable
from .. import progress
from ..config import DEFAULT_CONFIG, read_config
from ..models import training
from ..store import Store
from . import failure_tables, tables
from .output import as_json, print_json

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The brain's configuration.",
)
history_option = click.option(
    "--history",
    "history_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Past failures and decisions, a file in the CMS format.",
)


MAX_SENTENCE = 800  # characters of what is said about bad input


class BadInput(click.ClickException):
    """What was given cannot be used."""

    exit_code = 1


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn what cannot be used into one sentence and exit code 1."""
    from ...classifier.artifact import ArtifactError

    try:
        yield
    except (ArtifactError, training.TrainingError, ValueError) as error:
        raise BadInput(printable(str(error), MAX_SENTENCE)) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise BadInput(f"{place}{error.strerror or error}") from error


def model_at(place: Path, made_by: str) -> Path:
    """The folder of a model; BadInput with the command that makes one where there is none."""
    if not place.is_dir():
        raise BadInput(f"{place}: there is no model; {made_by} makes one")
    return place


@click.command()
@config_option
@history_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the model. Default: the brain's, which then judges with it.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=100),
    default=4000,
    show_default=True,
    help="Workflows to make up where there is no history and too few decisions are stored.",
)
@click.option(
    "--label",
    type=click.Choice(["action", "binary"]),
    default="action",
    show_default=True,
    help="What is learned: the action, or acdc against all others.",
)
@click.option("--arms", help="Arms that compete, with commas. Default: see docs/advice.md.")
@click.option("--tune", type=click.IntRange(min=1), help="Trials to tune the champion with first.")
@click.option(
    "--study",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the tuning study, to go on with it where it was stopped.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a report, one HTML file that stands alone.",
)
@click.option("--no-track", is_flag=True, help="Do not log to MLflow.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of chance.")
@as_json
def failures(
    config: Path,
    history_file: Path | None,
    out: Path | None,
    examples: int,
    label: str,
    arms: str | None,
    tune: int | None,
    study: Path | None,
    report: Path | None,
    no_track: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Train the failure classifier, and say how its arms did on the newest decisions.

    It learns from --history, else from the decisions in the brain's store, else, and it says so,
    from synthetic workflows.
    """
    wanted = training.Wanted(
        history_file=history_file,
        out=out,
        examples=examples,
        label=label,
        arms=tuple(arms.split(",")) if arms else (),
        trials=tune or 0,
        study=study,
        report=report,
        track=not no_track,
        seed=seed,
    )
    with bad_input(), progress.bar() as tell:
        trained = training.train_failures(read_config(config), wanted, tell)
    for note in trained.notes:
        click.echo(note, err=True)
    click.echo(f"{trained.path}: {trained.words}", err=True)
    if as_json:
        print_json(trained.summary)
    else:
        tables.show(failure_tables.contest(trained.summary.arms))


@click.command()
@config_option
def traces(config: Path) -> None:
    """Train the trace model on stored windows of runs that ended well."""
    settings = read_config(config).store
    with bad_input(), closing(Store(settings.path)) as store:
        trained = training.train_traces(store, settings.models)
    click.echo(
        f"{trained.path}: trained on {trained.windows} windows,"
        f" {trained.left_out} of another shape left out; new runs are {trained.calibrated}",
        err=True,
    )
