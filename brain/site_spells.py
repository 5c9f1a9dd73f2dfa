"""Each site's status over time, as the brain saw it at its rounds: intervals for people.

What is in no interval is unknown.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..jobs.identity import Site, SiteStatus
from ..plugins.scheduler import Outage
from . import sites
from .outages import OutageHistory, SiteOutages
from .store import Store

MOST = 200  # intervals of one site that are told


@dataclass(frozen=True)
class Spell:
    """A time of one status; epoch seconds, ``until`` None: it lasts."""

    status: SiteStatus
    since: float
    until: float | None


@dataclass(frozen=True)
class SiteState:
    """A site now, and how it was: the newest intervals first.

    ``nodes`` is how many nodes its scheduler names, 0 where it names none.
    """

    site: Site
    status: SiteStatus
    since: float | None
    nodes: int
    nodes_out: int
    spells: list[Spell]
    outages: list[Outage]


def note(store: Store, now: float, window_seconds: float) -> None:
    """Write down what the status of each site is now, where it has changed."""
    with store.read() as db:
        statuses = _statuses(db, now, window_seconds)
    with store.write() as db:
        for site, (status, since) in statuses.items():
            _change(db, site, status, since)


def now_bad(db: sqlite3.Connection) -> dict[Site, bool]:
    """The sites of which something is known now, and whether they are bad."""
    rows = db.execute("SELECT cluster, site, status FROM site_spells WHERE until IS NULL")
    return {Site(row[0], row[1]): row["status"] == SiteStatus.BAD.value for row in rows}


def _statuses(
    db: sqlite3.Connection, now: float, window_seconds: float
) -> dict[Site, tuple[SiteStatus, float]]:
    """The status of each site now, and since when it is known to be so."""
    rows = db.execute(
        "SELECT cluster, site FROM nodes UNION"
        " SELECT cluster, site FROM site_spells WHERE until IS NULL UNION"
        " SELECT cluster, site FROM runs WHERE ended > ? AND site != ''",
        (now - window_seconds,),
    )
    known = [Site(*row) for row in rows]
    statuses = sites.Statuses.read(db, [(site, now) for site in known], window_seconds)
    found = {}
    for site in known:
        status, since = statuses.of(site, "", now), now
        if status is SiteStatus.BAD:
            since = statuses.outages[site.cluster].site(site.name).bad_since(now)
        found[site] = status, since
    return found


def _change(db: sqlite3.Connection, site: Site, status: SiteStatus, since: float) -> None:
    last = db.execute(
        "SELECT since, status FROM site_spells WHERE cluster = ? AND site = ? AND until IS NULL",
        (site.cluster, site.name),
    ).fetchone()
    if last is not None and last["status"] == status.value:
        return
    if last is not None:
        since = max(since, last["since"])
        db.execute(
            "UPDATE site_spells SET until = ? WHERE cluster = ? AND site = ? AND until IS NULL",
            (since, site.cluster, site.name),
        )
    if status is SiteStatus.UNKNOWN:
        return
    db.execute(
        "INSERT OR REPLACE INTO site_spells VALUES (?,?,?,NULL,?)",
        (site.cluster, site.name, since, status.value),
    )


def states(db: sqlite3.Connection, now: float, since: float) -> list[SiteState]:
    """Every site that is known, by name, with its intervals that ended after ``since``."""
    spells = _spells(db, since)
    named = {Site(*row) for row in db.execute("SELECT DISTINCT cluster, site FROM nodes")}
    found = sorted({*spells, *named})
    histories = {
        cluster: OutageHistory.read(db, cluster, since, now)
        for cluster in {site.cluster for site in found}
    }
    return [
        _state(it, spells.get(it, []), histories[it.cluster].site(it.name), now) for it in found
    ]


def _state(site: Site, spells: list[Spell], there: SiteOutages, now: float) -> SiteState:
    last = spells[0] if spells and spells[0].until is None else None
    return SiteState(
        site=site,
        status=last.status if last else SiteStatus.UNKNOWN,
        since=last.since if last else None,
        nodes=len(there.nodes),
        nodes_out=there.out(now),
        spells=spells[:MOST],
        outages=sorted(there.outages, key=lambda outage: -outage.since)[:MOST],
    )


def _spells(db: sqlite3.Connection, since: float) -> dict[Site, list[Spell]]:
    """The intervals of each site, the newest first."""
    found: dict[Site, list[Spell]] = {}
    for row in db.execute(
        "SELECT cluster, site, status, since, until FROM site_spells"
        " WHERE until IS NULL OR until >= ? ORDER BY since DESC",
        (since,),
    ):
        spell = Spell(SiteStatus(row["status"]), row["since"], row["until"])
        found.setdefault(Site(row["cluster"], row["site"]), []).append(spell)
    return found
