"""When nodes were out: intervals as the schedulers tell them, asked for any moment."""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from ..jobs.fields import MAX_NAME
from ..jobs.identity import Site
from ..jobs.wire import MAX_TEXT
from ..plugins.scheduler import Nodes, Outage
from . import polling

BAD_SHARE = 0.5  # of a site's nodes
SLACK_SECONDS = 30.0  # a scheduler notices late that a node is gone

Key = tuple[str, str]  # cluster, scheduler


# ---- keeping -----------------------------------------------------------------------------------


def since(db: sqlite3.Connection, key: Key, now: float) -> float:
    """Epoch seconds after which outages of ``key`` have not all been told."""
    row = db.execute(
        "SELECT time FROM node_polls WHERE cluster = ? AND scheduler = ?", key
    ).fetchone()
    asked = now - polling.FIRST_SECONDS if row is None else row["time"] - polling.OVERLAP_SECONDS
    return max(0.0, float(asked))


def keep(db: sqlite3.Connection, key: Key, told: Nodes, now: float) -> None:
    """Keep which nodes there are and the outages told; one that is told no more has ended.

    Workflows with a run that failed in an outage nobody knew of are judged again.
    """
    db.execute("DELETE FROM nodes WHERE cluster = ? AND scheduler = ?", key)
    db.executemany(
        "INSERT OR IGNORE INTO nodes VALUES (?,?,?,?)",
        [(*key, site, node) for site, nodes in told.sites.items() for node in nodes],
    )
    going = _going(db, key)
    for outage in sorted(told.outages, key=lambda outage: (outage.until is None, outage.since)):
        begun = going.pop((outage.node, outage.state), None)
        _put(db, key, outage, begun, now)
    db.executemany(
        "UPDATE outages SET until = max(?, since) WHERE cluster = ? AND scheduler = ?"
        " AND node = ? AND since = ?",
        [(now, *key, node, begun) for (node, _), begun in going.items()],
    )
    db.execute("INSERT OR REPLACE INTO node_polls VALUES (?,?,?)", (*key, now))


def _going(db: sqlite3.Connection, key: Key) -> dict[tuple[str, str], float]:
    """When the outages that last began, by node and state."""
    rows = db.execute(
        "SELECT node, state, since FROM outages WHERE cluster = ? AND scheduler = ?"
        " AND until IS NULL ORDER BY since",
        key,
    )
    return {(row["node"], row["state"]): row["since"] for row in rows}


def _put(db: sqlite3.Connection, key: Key, outage: Outage, begun: float | None, now: float) -> None:
    """Write an outage; ``begun`` is when the one of its node and state that lasts began.

    Where a scheduler knows no beginning it tells each time another one: the first counts.
    """
    lasts = begun is not None and outage.until is None
    since = min(begun, outage.since) if begun is not None and lasts else outage.since
    reason = outage.reason[:MAX_TEXT]
    values = (*key, outage.node, since, outage.until, outage.state[:MAX_NAME], reason)
    known = db.execute(
        "SELECT 1 FROM outages WHERE cluster = ? AND scheduler = ? AND node = ? AND since = ?",
        values[:4],
    ).fetchone()
    db.execute("INSERT OR REPLACE INTO outages VALUES (?,?,?,?,?,?,?)", values)
    if lasts and begun != since:
        db.execute(
            "DELETE FROM outages WHERE cluster = ? AND scheduler = ? AND node = ? AND since = ?",
            (*key, outage.node, begun),
        )
    if known is None:
        _judge_again(db, key[0], outage, now)


def _judge_again(db: sqlite3.Connection, cluster: str, outage: Outage, now: float) -> None:
    until = math.inf if outage.until is None else outage.until
    first = max(outage.since - SLACK_SECONDS, now - polling.FIRST_SECONDS)
    db.execute(
        "UPDATE workflows SET changed = ? WHERE cluster = ? AND name IN"
        " (SELECT workflow FROM runs WHERE cluster = ? AND verdict = 'failed'"
        "  AND ended >= ? AND ended < ? AND (json_extract(body, '$.node') IN (?,?)"
        "  OR site IN (SELECT site FROM nodes WHERE cluster = ? AND node = ?)))",
        (now, cluster, cluster, first, until, outage.node, _host(outage.node))
        + (cluster, outage.node),
    )


# ---- asking ------------------------------------------------------------------------------------


class SiteOutages:
    """How many of one site's nodes were out, over time."""

    def __init__(self, nodes: Sequence[str], outages: Iterable[Outage]) -> None:
        """``nodes`` are the site's, ``outages`` may be of others too."""
        self.nodes = frozenset(nodes)
        self.outages = [outage for outage in outages if outage.node in self.nodes]
        changes: Counter[float] = Counter()
        for since, until in _merged(self.outages):
            changes[since] += 1
            changes[until] -= 1
        self._times = sorted(changes)
        self._out = [0, *accumulate(changes[time] for time in self._times)]

    def out(self, at: float) -> int:
        """How many were out at a time (epoch seconds)."""
        return self._out[bisect_right(self._times, at)]

    def is_bad(self, at: float, slack: float = 0.0) -> bool:
        """Was half of the site, or more, out at ``at`` or up to ``slack`` seconds after?"""
        first, last = bisect_right(self._times, at), bisect_right(self._times, at + slack)
        return bool(self.nodes) and max(self._out[first : last + 1]) >= BAD_SHARE * len(self.nodes)

    def bad_since(self, at: float) -> float:
        """Since when it is bad; ``at`` where it is not."""
        index, begun = bisect_right(self._times, at), at
        while self.nodes and index > 0 and self._out[index] >= BAD_SHARE * len(self.nodes):
            index -= 1
            begun = self._times[index]
        return begun


def _merged(outages: Iterable[Outage]) -> Iterable[tuple[float, float]]:
    """The times in which each node was out, whatever its states were called."""
    node, since, until = "", 0.0, -math.inf
    for outage in sorted(outages, key=lambda outage: (outage.node, outage.since)):
        ended = math.inf if outage.until is None else outage.until
        if outage.node == node and outage.since <= until:
            until = max(until, ended)
            continue
        if until > since:
            yield since, until
        node, since, until = outage.node, outage.since, ended
    if until > since:
        yield since, until


class OutageHistory:
    """The outages of one cluster in a span of time."""

    def __init__(self, sites: Mapping[str, Sequence[str]], outages: Sequence[Outage]) -> None:
        """``sites`` names the nodes of each site."""
        self._nodes = sites
        self._sites: dict[str, SiteOutages] = {}
        self._by_host: dict[str, list[Outage]] = {}
        for outage in outages:
            self._by_host.setdefault(_host(outage.node), []).append(outage)

    @classmethod
    def read(
        cls, db: sqlite3.Connection, cluster: str, since: float, until: float
    ) -> OutageHistory:
        """The outages that lasted between these epoch seconds; sites have the nodes of now."""
        sites: dict[str, list[str]] = {}
        for row in db.execute("SELECT site, node FROM nodes WHERE cluster = ?", (cluster,)):
            sites.setdefault(row["site"], []).append(row["node"])
        return cls(sites, between(db, cluster, since, until))

    def site(self, name: str) -> SiteOutages:
        """The outages of one site; it may have no nodes."""
        if name not in self._sites:
            nodes = self._nodes.get(name, ())
            self._sites[name] = SiteOutages(nodes, [o for node in nodes for o in self.of(node)])
        return self._sites[name]

    def of(self, node: str) -> list[Outage]:
        """The outages of a node: its scheduler may name it in full and its agent in short."""
        short = _host(node)
        return [
            outage
            for outage in self._by_host.get(short, ())
            if outage.node == node or short in (node, outage.node)
        ]

    def is_bad(self, node: str, site: str, at: float) -> bool:
        """Was the node out at a time, or half of the site?"""
        for outage in self.of(node):
            ended = math.inf if outage.until is None else outage.until
            if outage.since - SLACK_SECONDS <= at < ended:
                return True
        return self.site(site).is_bad(at, SLACK_SECONDS)


def _host(node: str) -> str:
    return node.partition(".")[0]


def between(db: sqlite3.Connection, cluster: str, since: float, until: float) -> list[Outage]:
    """The outages of a cluster that lasted at some time between, oldest first."""
    rows = db.execute(
        "SELECT node, since, until, state, reason FROM outages WHERE cluster = ? AND since <= ?"
        " AND (until IS NULL OR until >= ?) ORDER BY since, node",
        (cluster, until + SLACK_SECONDS, since),
    )
    return [Outage(*row) for row in rows]


def now_out(db: sqlite3.Connection) -> dict[Site, tuple[int, int]]:
    """The sites whose nodes are known: how many there are, and how many are out now."""
    rows = db.execute(
        "SELECT n.cluster, n.site, count(DISTINCT n.node), count(DISTINCT o.node) FROM nodes AS n"
        " LEFT JOIN outages AS o ON o.cluster = n.cluster AND o.scheduler = n.scheduler"
        " AND o.node = n.node AND o.until IS NULL GROUP BY n.cluster, n.site"
    )
    return {Site(row[0], row[1]): (row[2], row[3]) for row in rows}
