"""``jobmend explain``: why this is advised, and where the models that advise it come from."""

from __future__ import annotations

import click

from . import model_tables
from .client import Client, read_settings
from .output import as_json, print_json


@click.command()
@click.argument("id", type=click.IntRange(min=1))
@click.option("--lineage", is_flag=True, help="Data, code and decisions behind the models.")
@as_json
def explain(id: int, lineage: bool, as_json: bool) -> None:
    """Say why recommendation ID is made: its evidence, and the models that judged."""
    client = Client(read_settings())
    if lineage:
        found = client.lineage(id)
        if as_json:
            print_json(found)
        else:
            click.echo("\n".join(model_tables.lineage(found)))
        return
    answer = client.recommendation(id)
    if as_json:
        print_json(answer.recommendation)
    else:
        click.echo("\n".join(model_tables.reasons(answer.recommendation)))
