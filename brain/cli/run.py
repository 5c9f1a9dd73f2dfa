"""``jobmend run``: a job on this machine, through the local scheduler."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import click

from ...jobs.fields import WireError
from ...jobs.text import printable


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--workflow", default="", help="What it belongs to (the command's name).")
@click.option("--site", default="", help="Where it is said to run.")
@click.option("--name", default="", help="What it is called.")
@click.option("--comment", default="", help="Anything.")
@click.option("--memory", default="", help="Limit, such as 300M or 2G.")
@click.option("--time", "walltime", default="", help="Limit, such as 90, 5:00 or 1:30:00.")
@click.option("--cpus", type=click.IntRange(min=1), default=1, help="Hardware threads.")
@click.option("--detach", is_flag=True, help="Run in the background and print the run's key.")
@click.option(
    "--state-dir", type=click.Path(path_type=Path, file_okay=False), help="Where the queue is."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], detach: bool, state_dir: Path | None, **described: Any) -> None:
    """Run COMMAND as a job of this machine and exit as it does."""
    from ...plugins.local import submit
    from ...plugins.local.spec import new_spec

    try:
        code = submit.run(new_spec(command, **described), state_dir, detach)
    except (submit.SubmitError, WireError, ValueError) as error:
        raise click.UsageError(printable(str(error))) from error
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"the local queue cannot be used: {error}") from error
    click.get_current_context().exit(code)
