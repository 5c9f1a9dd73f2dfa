"""Slurm's nodes: the partitions they are in, and when they were not fit for work, and why.

``sinfo`` tells how they stand now, ``sacctmgr show event`` when they stood otherwise. A node that
drains while jobs still run there has no event before the last of them ends.

Sources: sinfo(1), NODE STATE CODES; sacctmgr(1), SPECIFICATIONS FOR EVENTS.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..scheduler import Nodes, Outage, SchedulerError, call
from .accounting import moment
from .sacct import DISABLED, explained

# Words of a state that mean that no job should run there; "DOWN*", "MIXED+DRAIN" hold one.
UNFIT = frozenset(
    ("DOWN", "DRAIN", "DRAINED", "DRAINING", "ERROR", "FAIL", "FAILED", "FAILING", "INVAL")
)

_WORDS = re.compile(r"[A-Z_]+")
_EVENT_FIELDS = "Event,Cluster,NodeName,TimeStart,TimeEnd,State,Reason"
# Newlines in a reason are printed as they are: what is no new line belongs to the one before.
_EVENT = re.compile(r"(Node|Cluster)\|([^|\n]*)\|([^|\n]*)\|(\d+)\|(\d+|Unknown)\|([^|\n]*)\|(.*)")


@dataclass(frozen=True)
class NodeState:
    """A node in one partition, as it stands now; ``since`` (epoch) is when the reason was set."""

    node: str
    site: str
    state: str
    since: float | None
    reason: str


def is_fit(state: str) -> bool:
    """Can jobs run on a node in this state?"""
    return UNFIT.isdisjoint(_WORDS.findall(state.upper()))


def read(env: Mapping[str, str], cluster: str, since: float) -> Nodes:
    """Ask Slurm's commands; without accounting only what is out now is known."""
    delimiter = f"<{secrets.token_hex(8)}>"
    try:
        now = node_states(call(states_command(delimiter), env=dict(env)), delimiter)
    except ValueError as error:
        raise SchedulerError(str(error), transient=True) from error
    try:
        told = call(events_command(cluster, since), env=dict(env))
    except SchedulerError as error:
        if not any(mark in str(error) for mark in DISABLED):
            raise explained(error) from error
        told = ""
    return joined(now, events(told), since)


def states_command(delimiter: str) -> list[str]:
    """sinfo for each node in each partition, hidden ones too; operators write the reasons."""
    cells = "".join(f"{field}{delimiter}" for field in ("%N", "%R", "%T", "%H", "%E"))
    return ["sinfo", "--all", "--noheader", "--Node", f"--format={cells}"]


def node_states(text: str, delimiter: str) -> list[NodeState]:
    """The answer to :func:`states_command`; ValueError if it is cut."""
    *cells, rest = text.split(delimiter)
    if len(cells) % 5 or rest.strip():
        raise ValueError(f"sinfo printed {len(cells)} cells, which are no rows of 5")
    rows = [cells[start : start + 5] for start in range(0, len(cells), 5)]
    return [
        NodeState(node.lstrip("\n"), site, state.upper(), _epoch(since), reason)
        for node, site, state, since, reason in rows
    ]


def events_command(cluster: str, since: float) -> list[str]:
    """sacctmgr for all events of the cluster's nodes that lasted after ``since`` (epoch)."""
    start = f"start={moment(max(since, 86400.0))}"
    what = ["show", "event", f"cluster={cluster}", "event=node", start, f"format={_EVENT_FIELDS}"]
    return ["sacctmgr", "--readonly", "--noheader", "--parsable2", *what]


def events(text: str) -> list[Outage]:
    """The outages in the answer to :func:`events_command`."""
    found: list[list[str]] = []
    for line in text.split("\n"):
        match = _EVENT.fullmatch(line)
        if match:
            found.append(list(match.groups()))
        elif found:
            found[-1][-1] += "\n" + line
    return [
        Outage(node, float(start), _epoch(end), state, reason.rstrip("\n"))
        for what, _, node, start, end, state, reason in found
        if what == "Node" and node and not is_fit(state)
    ]


def joined(now: Sequence[NodeState], told: Iterable[Outage], since: float) -> Nodes:
    """Both together: an event that nobody closed is believed only of a node that is out now."""
    out = {each.node: each for each in now if not is_fit(each.state)}
    outages = [
        outage
        for outage in told
        if (outage.until is None and outage.node in out)
        or (outage.until is not None and outage.until > since)
    ]
    open_now = {outage.node for outage in outages if outage.until is None}
    for node, each in out.items():
        if node not in open_now and each.since is not None:
            outages.append(Outage(node, each.since, None, each.state, each.reason))
    sites: dict[str, list[str]] = {}
    for each in now:
        sites.setdefault(each.site, []).append(each.node)
    ordered = sorted(outages, key=lambda outage: (outage.since, outage.node))
    return Nodes({site: tuple(names) for site, names in sites.items()}, tuple(ordered))


def _epoch(text: str) -> float | None:
    return float(text) if text.isdigit() else None
