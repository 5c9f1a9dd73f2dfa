"""How every command of ``jobmend`` answers machines."""

from __future__ import annotations

import json
from typing import Any

import click
from pydantic import TypeAdapter

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def print_json(value: Any) -> None:
    """Print a dataclass, or a list of such, as JSON in ASCII, which moves no terminal."""
    document = TypeAdapter(type(value)).dump_python(value, mode="json")
    click.echo(json.dumps(document, indent=2))
