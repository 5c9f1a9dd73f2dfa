"""``jobmend learn``: one turn of the learning loop, from the brain's store or from files."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ...jobs.text import printable
from .. import progress
from ..config import BrainConfig, read_config
from ..models.shelf import FAILURES, TRACES
from . import tables
from .learn import BadInput, bad_input, config_option, failures, history_option, traces
from .output import as_json

if TYPE_CHECKING:
    from ..learning.loop import Turned
    from ..learning.registry.registry import Registry

SUBJECTS = (TRACES, FAILURES)
MAX_SENTENCE = 800


@dataclass(frozen=True)
class _Asked:
    """What the options say."""

    config: Path
    subject: str | None
    dev: bool
    windows: Path | None
    history: Path | None
    out: Path | None
    track: bool | None


@click.group(invoke_without_command=True)
@config_option
@click.option("--subject", type=click.Choice(SUBJECTS), help="Only this one. Default: both.")
@click.option("--dev", is_flag=True, help="Learn from files, into a folder of its own.")
@click.option(
    "--windows",
    type=click.Path(path_type=Path, exists=True),
    help="With --dev: a data set of recorded traces, file or folder.",
)
@history_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --dev: folder of models and store. With --simulate-days: of plot and models.",
)
@click.option(
    "--track/--no-track",
    default=None,
    help="Log to MLflow, or not. Default: yes, and no with --dev.",
)
@click.option(
    "--simulate-days", type=click.IntRange(min=1), help="Play a synthetic cluster for N days."
)
@click.option("--plan", is_flag=True, help="Say how often it pays to learn anew.")
@click.option(
    "--worth",
    type=click.FloatRange(min=0, min_open=True),
    help="With --plan: CPU seconds that a loss lower by 0.01 for a day is worth. Default: 600.",
)
@as_json
@click.pass_context
def learn(
    ctx: click.Context,
    config: Path,
    subject: str | None,
    dev: bool,
    windows: Path | None,
    history_file: Path | None,
    out: Path | None,
    track: bool | None,
    simulate_days: int | None,
    plan: bool,
    worth: float | None,
    as_json: bool,
) -> None:
    """Learn: one turn of traces and of failures. A command trains one model by hand.

    A turn gathers the newest days, sets apart what is new, trains challengers and lets them
    compete with the champion. Interrupted, it goes on where it was when it is called again.
    """
    if ctx.invoked_subcommand is not None:
        _check_place(ctx, ctx.invoked_subcommand)
        return
    _check_company(ctx)
    if simulate_days is not None:
        from .learning import simulate

        simulate(simulate_days, out, as_json=as_json)
        return
    if plan:
        from .learning import show_plan

        show_plan(read_config(config), subject, worth, as_json=as_json)
        return
    turned = _learned(_Asked(config, subject, dev, windows, history_file, out, track))
    _show(turned, as_json=as_json)
    if any(one.failed for one in turned):
        ctx.exit(BadInput.exit_code)


learn.add_command(failures)
learn.add_command(traces)


def _check_place(ctx: click.Context, command: str) -> None:
    """UsageError where options of a turn stand before a command, which would not see them."""
    if any(ctx.get_parameter_source(name) is not ParameterSource.DEFAULT for name in ctx.params):
        raise click.UsageError(f"options of {command} stand behind it: jobmend learn {command} ...")


def _check_company(ctx: click.Context) -> None:
    """UsageError where two things are asked for at once, or an option is not of what is asked."""
    given = {
        name for name in ctx.params if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    asked = sorted(given & {"dev", "plan", "simulate_days"})
    if len(asked) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise click.UsageError(f"{names} exclude each other")
    if "worth" in given and "plan" not in given:
        raise click.UsageError("--worth is for --plan")


def _learned(asked: _Asked) -> list[Turned]:
    """Do what was asked for; BadInput where that cannot be."""
    from ...classifier.tracking import TrackingError
    from ..learning.lock import Busy

    files = asked.windows or asked.history or asked.out
    if asked.dev and not (asked.out and (asked.windows or asked.history)):
        raise click.UsageError("--dev needs --out, and --windows or --history or both")
    if files and not asked.dev:
        raise click.UsageError("--windows, --history and --out are for --dev")
    _log()
    config = read_config(asked.config)
    try:
        with bad_input(), progress.bar() as tell:
            return (
                _from_files(asked, config, tell) if asked.dev else _from_store(asked, config, tell)
            )
    except (Busy, TrackingError, sqlite3.Error) as error:
        raise BadInput(printable(str(error), MAX_SENTENCE)) from error


def _from_store(asked: _Asked, config: BrainConfig, tell: progress.Tell) -> list[Turned]:
    from ..learning.loop import Loop
    from ..learning.subjects import MADE
    from ..store import Store

    store = Store(config.store.path)
    try:
        names = [asked.subject] if asked.subject else SUBJECTS
        subjects = [MADE[name](store, config) for name in names]
        registry = _registry(config, track=asked.track is not False)
        return Loop(store, config, tell=tell, registry=registry).learn(subjects)
    finally:
        store.close()


def _from_files(asked: _Asked, config: BrainConfig, tell: progress.Tell) -> list[Turned]:
    from ..learning.developing import Files, develop, placed

    if asked.out is None:
        raise AssertionError("--out was checked")
    windows = asked.windows if asked.subject != FAILURES else None
    history = asked.history if asked.subject != TRACES else None
    placed_config = placed(config, asked.out)
    registry = _registry(placed_config, track=bool(asked.track))
    return develop(Files(windows, history, asked.out), placed_config, tell, registry)


def _registry(config: BrainConfig, *, track: bool) -> Registry | None:
    if not track:
        return None
    from ..learning.registry import registry

    return registry.of(config)


def _log() -> None:
    """Steps into the log of the unit; on a terminal there is a bar instead."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    if not sys.stderr.isatty():
        logging.getLogger("jobmend.learning").setLevel(logging.INFO)


def _show(turned: Sequence[Turned], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_document(one) for one in turned]))
        return
    rows = [
        [
            one.record.subject,
            one.record.state.value,
            _champion(one),
            f"{sum(one.seconds.values()):.0f} s",
            printable(str(one.record.body.get("why", "")), MAX_SENTENCE),
        ]
        for one in turned
    ]
    tables.show(tables.Table(("SUBJECT", "STATE", "CHAMPION", "TIME", "WHY"), rows))
    for one in turned:
        for note in one.record.body.get("notes", ()):
            click.echo(printable(note, MAX_SENTENCE), err=True)


def _champion(turned: Turned) -> str:
    before, after = turned.record.body.get("before"), turned.record.body.get("after")
    return f"{before or '-'} → {after}" if before != after else str(after or "-")


def _document(turned: Turned) -> dict[str, object]:
    record = turned.record
    return {
        "subject": record.subject,
        "turn": record.id,
        "state": record.state.value,
        "why": record.body.get("why", ""),
        "champion": {"before": record.body.get("before"), "after": record.body.get("after")},
        "losses": record.body.get("losses", {}),
        "left_out": record.body.get("left_out", {}),
        "notes": record.body.get("notes", []),
        "seconds": dict(turned.seconds),
    }
