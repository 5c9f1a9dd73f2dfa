"""``jobmend``: the operators' command line. Data goes to stdout, talk to stderr."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from ...jobs.actions import State
from ...jobs.text import printable
from ...jobs.version import VERSION
from ...plugins.doctor import report
from ..api.answers import NEWEST
from ..config import ConfigError
from ..store import StoreError
from ..tokens import TokenError
from . import doctor, tables
from .client import BadAnswer, Client, Unreachable, read_settings
from .explain import explain
from .history import backfill, sites
from .models import models
from .output import as_json, print_json
from .predict import predict
from .report import reports
from .run import run
from .runs import learn_runs, score
from .turn import learn
from .vet import vet


class BadAnswerFailure(click.ClickException):
    """The brain said no, or something here is not in order."""

    exit_code = 1


class ConfigFailure(click.ClickException):
    """The settings cannot be used."""

    exit_code = 2


class UnreachableFailure(click.ClickException):
    """No brain answers."""

    exit_code = 3


class Program(click.Group):
    """The commands, with our exceptions turned into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command, and write all that it said."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except Unreachable as error:
            raise UnreachableFailure(printable(str(error), 800)) from error
        except ConfigError as error:
            raise ConfigFailure(printable(str(error), 800)) from error
        except (BadAnswer, TokenError, StoreError) as error:
            raise BadAnswerFailure(printable(str(error), 800)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads has seen enough: click ends quietly
                raise
            place = error.filename or "standard output"
            raise BadAnswerFailure(printable(f"{place}: {error.strerror or error}", 800)) from error


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="jobmend")
def main() -> None:
    """See what ails batch jobs, and decide what is done about it.

    The brain is found by JOBMEND_URL or the key url, the operator's token by JOBMEND_TOKEN_FILE or
    the key token_file, in ~/.config/jobmend.toml or /etc/jobmend/client.toml.
    """


@main.command()
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only these.")
@as_json
def recommend(state: str | None, as_json: bool) -> None:
    """List recommendations, newest first."""
    answer = Client(read_settings()).recommendations(state)
    if as_json:
        print_json(answer)
    else:
        tables.show(tables.recommendations(answer.recommendations, time.time()))
        _more(answer.recommendations)


@main.command()
@click.argument("id", type=click.IntRange(min=1))
@as_json
def show(id: int, as_json: bool) -> None:
    """Show recommendation ID: evidence, probabilities, steps and audit."""
    answer = Client(read_settings()).recommendation(id)
    if as_json:
        print_json(answer)
    else:
        click.echo("\n".join(tables.detail(answer)))


@main.command()
@click.argument("id", type=click.IntRange(min=1))
@click.option("--dry-run", is_flag=True, help="Only show the steps.")
def apply(id: int, dry_run: bool) -> None:
    """Approve recommendation ID and carry it out."""
    answer = Client(read_settings()).apply(id, dry_run=dry_run)
    if answer.steps:
        tables.show(tables.steps(answer.steps))
    else:
        click.echo("no step: nothing is asked of a scheduler", err=True)
    state = answer.recommendation.state
    click.echo(f"recommendation {id} is {state.value}", err=True)
    if state is State.FAILED:
        raise BadAnswerFailure(f"a step failed; jobmend show {id} says why")


@main.command()
@click.argument("id", type=click.IntRange(min=1))
@click.option("--why", required=True, help="The reason, for the audit.")
def reject(id: int, why: str) -> None:
    """Turn recommendation ID down."""
    answer = Client(read_settings()).reject(id, why)
    click.echo(f"recommendation {id} is {answer.state.value}", err=True)


@main.command()
@click.option("--workflow", help="Only the runs of this workflow.")
@as_json
def jobs(workflow: str | None, as_json: bool) -> None:
    """List runs, the last changed first."""
    answer = Client(read_settings()).jobs(workflow)
    if as_json:
        print_json(answer)
    else:
        tables.show(tables.jobs(answer.jobs))
        _more(answer.jobs)


def _more(shown: Sequence[object]) -> None:
    if len(shown) == NEWEST:
        click.echo(f"the newest {NEWEST} are shown; there may be more", err=True)


@main.command("doctor")
@click.option("--agent", metavar="URL", default="", help="The agent's address; one must be there.")
@as_json
def doctor_command(agent: str, as_json: bool) -> None:
    """Check brain, token, schedulers and this machine; exits 1 if anything is bad."""
    found = doctor.examine(Client(read_settings()), agent)
    report.show(found, as_json=as_json)
    if report.status(found):
        click.get_current_context().exit(BadAnswerFailure.exit_code)


main.add_command(backfill)
main.add_command(explain)
learn.add_command(learn_runs)
main.add_command(learn)
main.add_command(models)
main.add_command(predict)
main.add_command(reports)
main.add_command(run)
main.add_command(score)
main.add_command(sites)
main.add_command(vet)
