"""``jobmend models``: who is champion, who was, and going back to one of before."""

from __future__ import annotations

from typing import Any

import click

from . import model_tables, tables
from .client import Client, read_settings
from .output import as_json, print_json

_SUBJECTS = click.Choice(["failures", "traces"])


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List champion and challenger of each kind of model."""
    if ctx.invoked_subcommand is None:
        answer = Client(read_settings()).models()
        _print(answer, model_tables.standings(answer.models), as_json=as_json)


@models.command()
@click.argument("subject", type=_SUBJECTS, required=False)
@as_json
def history(subject: str | None, as_json: bool) -> None:
    """List the champions of SUBJECT, or of all, newest first."""
    client = Client(read_settings())
    found = [
        one
        for name in ([subject] if subject else _SUBJECTS.choices)
        for one in client.champions(name).champions
    ]
    _print(found, model_tables.champions(found), as_json=as_json)


@models.command()
@click.argument("subject", type=_SUBJECTS)
@click.option("--to", type=click.IntRange(min=1), help="Number of the champion. Default: before.")
@click.option("--why", required=True, help="The reason, for the audit.")
@as_json
def rollback(subject: str, to: int | None, why: str, as_json: bool) -> None:
    """Put a champion of before in use again: the brain at once, nodes within one poll."""
    answer = Client(read_settings()).roll_back(subject, to, why)
    click.echo(
        f"{subject}: champion {answer.number} has the model of champion {answer.restores}", err=True
    )
    if as_json:
        print_json(answer)


def _print(answer: Any, table: tables.Table, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        tables.show(table)
