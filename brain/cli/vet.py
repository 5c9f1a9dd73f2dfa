"""``jobmend vet``: what learning set apart, and a person's word on it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from ..api.vetting_answers import VettingList
from ..quarantined import Item, Vetting
from . import tables, vetting_tables
from .client import BadAnswer, Client, read_settings
from .output import as_json, print_json

AT_ONCE = 100  # items in one order
MOST = 5000  # items in one answer

_Command = TypeVar("_Command", bound=Callable[..., Any])

_names = click.argument("item", nargs=-1)
_all_of = click.option("--all-of", "kind", help="Also all of this kind that wait.")
_subject = click.option(
    "--subject", type=click.Choice(["failures", "traces"]), help="Only of these."
)


@click.group(invoke_without_command=True)
@_subject
@click.option(
    "--state",
    type=click.Choice([*(state.value for state in Vetting), "all"]),
    default=Vetting.WAITING.value,
    show_default=True,
    help="Only in this state.",
)
@click.option("--kind", help="Only of this kind: a workflow's name, a code.")
@click.option("--turn", help="Only what this turn set apart, and all of its period.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=100,
    show_default=True,
    help="How many, the newest.",
)
@as_json
@click.pass_context
def vet(
    ctx: click.Context,
    subject: str | None,
    state: str,
    kind: str | None,
    turn: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what learning set apart until a person has looked at it."""
    if ctx.invoked_subcommand is not None:
        return
    answer = Client(read_settings()).vetting(
        subject=subject,
        state=None if state == "all" else state,
        kind=kind,
        turn=turn,
        limit=str(limit),
    )
    if as_json:
        print_json(answer)
        return
    tables.show(vetting_tables.items(answer.items, time.time()))
    if len(answer.items) == limit:
        click.echo(f"there may be more than {limit}; --limit tells more", err=True)


@vet.command()
@click.argument("item")
@as_json
def show(item: str, as_json: bool) -> None:
    """Show ITEM: facts, numbers beside what is usual, its trace, what it resembles, its runs."""
    client = Client(read_settings())
    found = _named(client, item)
    answer = client.vetting_item(found.subject, found.key)
    if as_json:
        print_json(answer)
    else:
        click.echo("\n".join(vetting_tables.detail(answer)))


def _deciding(command: _Command) -> _Command:
    """The arguments of every command that says something of several items."""
    for part in (as_json, _subject, _all_of, _names):
        command = part(command)
    return command


@vet.command()
@_deciding
def accept(item: Sequence[str], kind: str | None, subject: str | None, as_json: bool) -> None:
    """Say of each ITEM that it is normal: it may be learned from."""
    _say(item, kind, subject, Vetting.NORMAL, "", as_json=as_json)


@vet.command()
@_deciding
@click.option("--label", required=True, help="What it is, such as hang.")
def anomaly(
    item: Sequence[str], kind: str | None, subject: str | None, label: str, as_json: bool
) -> None:
    """Say of each ITEM that it is an anomaly: models are measured by whether they find it."""
    _say(item, kind, subject, Vetting.ANOMALY, label, as_json=as_json)


@vet.command()
@_deciding
def ignore(item: Sequence[str], kind: str | None, subject: str | None, as_json: bool) -> None:
    """Say of each ITEM that nothing is to be learned from it."""
    _say(item, kind, subject, Vetting.IGNORED, "", as_json=as_json)


@vet.command()
@click.argument("item", nargs=-1, required=True)
@as_json
def undo(item: Sequence[str], as_json: bool) -> None:
    """Take the last word on each ITEM back."""
    client = Client(read_settings())
    chosen = [_named(client, name) for name in item]
    done = [one for subject, keys in _orders(chosen) for one in client.unvet(subject, keys).items]
    _tell(done, as_json=as_json)


def _say(
    names: Sequence[str],
    kind: str | None,
    subject: str | None,
    state: Vetting,
    label: str,
    *,
    as_json: bool,
) -> None:
    if not names and kind is None:
        raise click.UsageError("name items by their ID, or all of a kind by --all-of KIND")
    client = Client(read_settings())
    chosen = [_named(client, name, subject) for name in names]
    if kind is not None:
        waiting = Vetting.WAITING.value
        found = client.vetting(subject=subject, state=waiting, kind=kind, limit=str(MOST))
        chosen += found.items
    done = [
        one
        for subject, keys in _orders(chosen)
        for one in client.vet(subject, keys, state.value, label).items
    ]
    _tell(done, as_json=as_json)


def _named(client: Client, name: str, subject: str | None = None) -> Item:
    """The one item of an id, the beginning of one, or a key."""
    found = client.vetting(subject=subject, name=name, limit="2").items
    if not found:
        raise BadAnswer(f"{name}: there is no such item; jobmend vet lists what waits")
    if len(found) > 1:
        raise BadAnswer(f"{name}: names several items; give more of the ID")
    return found[0]


def _orders(chosen: Iterable[Item]) -> Iterable[tuple[str, list[str]]]:
    """Subjects and keys, as many as fit an order; each item once."""
    keys = sorted({(one.subject, one.key) for one in chosen})
    for subject, of_subject in itertools.groupby(keys, key=lambda pair: pair[0]):
        left = [key for _, key in of_subject]
        for place in range(0, len(left), AT_ONCE):
            yield subject, left[place : place + AT_ONCE]


def _tell(done: list[Item], *, as_json: bool) -> None:
    if as_json:
        print_json(VettingList(done))
        return
    if not done:
        click.echo("nothing of this kind waits", err=True)
    else:
        tables.show(vetting_tables.items(done, time.time()))
