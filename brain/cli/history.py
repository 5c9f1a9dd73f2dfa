"""``jobmend sites`` and ``jobmend backfill``: how it was."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import click

from .. import wording
from . import tables
from .client import Client, read_settings
from .output import as_json, print_json
from .tables import Table


@click.command()
@click.option("--history", is_flag=True, help="Also how they were, and the outages of their nodes.")
@click.option(
    "--days",
    type=click.FloatRange(min=0, max=3650),
    default=7.0,
    show_default=True,
    help="How far back.",
)
@as_json
def sites(history: bool, days: float, as_json: bool) -> None:
    """List sites: which are fit for work, since when, and how many nodes are out."""
    answer = Client(read_settings()).sites(days)
    if as_json:
        print_json(answer)
    elif history:
        tables.show(tables.site_history(answer.sites))
    else:
        tables.show(tables.sites(answer.sites))


@dataclass(frozen=True)
class Filled:
    """What a backfill brought of one scheduler; times are epoch seconds."""

    cluster: str
    scheduler: str
    since: float
    until: float
    accepted: int
    duplicates: int
    rejected: int


@dataclass(frozen=True)
class Summary:
    """What a backfill brought."""

    schedulers: list[Filled]


@click.command()
@click.option("--days", type=click.FloatRange(min=0, max=3650), required=True, help="How far back.")
@click.option(
    "--scheduler",
    "wanted",
    multiple=True,
    metavar="CLUSTER/NAME",
    help="Only this one; repeatable.",
)
@as_json
def backfill(days: float, wanted: tuple[str, ...], as_json: bool) -> None:
    """Have the brain read the history of the past days.

    It is read from now backwards. Cut off, by whatever, it goes on where it was when it is given
    again.
    """
    client = Client(read_settings())
    since = time.time() - days * 86400
    keys = [(it.cluster, it.scheduler) for it in client.status().schedulers]
    summary = Summary([_fill(client, *key, since) for key in _chosen(keys, wanted)])
    if as_json:
        print_json(summary)
    else:
        tables.show(_table(summary.schedulers))


def _chosen(keys: list[tuple[str, str]], wanted: tuple[str, ...]) -> list[tuple[str, str]]:
    unknown = set(wanted) - {"/".join(key) for key in keys}
    if unknown:
        known = ", ".join("/".join(key) for key in keys)
        raise click.UsageError(f"--scheduler: {', '.join(sorted(unknown))} is none of {known}")
    return [key for key in keys if not wanted or "/".join(key) in wanted]


def _fill(client: Client, cluster: str, scheduler: str, since: float) -> Filled:
    """Order slice after slice until all of it is read."""
    until = time.time()
    accepted = duplicates = rejected = 0
    with click.progressbar(
        length=max(1, round(until - since)), label=f"{cluster}/{scheduler}", file=sys.stderr
    ) as bar:
        while True:
            progress = client.backfill(cluster, scheduler, since)
            accepted += progress.accepted
            duplicates += progress.duplicates
            rejected += progress.rejected
            bar.update(max(0, round(until - max(since, progress.reached)) - bar.pos))
            if progress.done:
                break
    return Filled(cluster, scheduler, since, until, accepted, duplicates, rejected)


def _table(found: Iterable[Filled]) -> Table:
    return Table(
        ("SCHEDULER", "FROM", "TO", "NEW", "KNOWN", "REJECTED"),
        [
            (
                f"{it.cluster}/{it.scheduler}",
                wording.when(it.since),
                wording.when(it.until),
                str(it.accepted),
                str(it.duplicates),
                str(it.rejected),
            )
            for it in found
        ],
    )
