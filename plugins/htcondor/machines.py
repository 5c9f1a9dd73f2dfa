"""The nodes of a pool, by the machine ads of its collector, and what they are not fit for.

HTCondor keeps no history of its nodes: an outage is known while it lasts, from the time that the ad
itself tells, or from when it was first seen here. Only absent ads (the collector's
ABSENT_REQUIREMENTS) tell of machines that are gone.
Source: the manual's appendix "Machine ClassAd Attributes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...jobs.fields import MAX_NAME
from ...jobs.text import printable
from ..scheduler import Nodes, Outage

ATTRIBUTES = (
    "Name",
    "Machine",
    "State",
    "Activity",
    "EnteredCurrentState",
    "LastHeardFrom",
    "Offline",
    "Absent",
    "DrainReason",
    "JobmendNodeHealthy",
    "JobmendNodeReason",
)

_DRAINED = frozenset({"Drained"})

Values = Mapping[str, Any]


def site_attributes(site_from: Sequence[str]) -> tuple[str, ...]:
    """The machine's attributes behind those of a job: ``GLIDEIN_Site`` of ``MATCH_GLIDEIN_Site``.

    ``MachineAttrGLIDEIN_Site0`` means the same. RemoteHost is the machine itself.
    """
    return tuple(_of_machine(name) for name in site_from)


def _of_machine(name: str) -> str:
    if name == "RemoteHost":
        return "Machine"
    if name.startswith("MATCH_"):
        return name[len("MATCH_") :].removeprefix("EXP_").removeprefix("JOB_")
    if name.startswith("MachineAttr"):
        return name[len("MachineAttr") :].rstrip("0123456789")
    return name


class Machines:
    """Remembers since when each outage is seen, so that it is told with the same beginning."""

    def __init__(self, site_from: Sequence[str]) -> None:
        """Name sites after the first of the job attributes ``site_from`` that a machine has."""
        self._site_attributes = site_attributes(site_from)
        self._seen: dict[tuple[str, str], float] = {}

    @property
    def attributes(self) -> tuple[str, ...]:
        """What to ask the collector for."""
        return tuple(dict.fromkeys((*ATTRIBUTES, *self._site_attributes)))

    def nodes(self, machines: Iterable[Values], now: float) -> Nodes:
        """The nodes and their outages; ``now`` is in seconds since the epoch.

        A node's slots are one node; it is out as soon as one of them is.
        """
        sites: dict[str, set[str]] = {}
        outages: dict[tuple[str, str], Outage] = {}
        for machine in machines:
            node = str(machine.get("Machine", ""))[:MAX_NAME]
            if not node:
                continue
            sites.setdefault(self._site(machine) or node, set()).add(node)
            outage = self._outage(machine, node, now)
            if outage is not None:
                outages.setdefault((node, outage.state), outage)
        self._seen = {key: outage.since for key, outage in outages.items()}
        named = {site: tuple(sorted(nodes)) for site, nodes in sorted(sites.items())}
        return Nodes(named, tuple(outages[key] for key in sorted(outages)))

    def _site(self, machine: Values) -> str:
        values = (machine.get(name) for name in self._site_attributes)
        return next((value[:MAX_NAME] for value in values if value and isinstance(value, str)), "")

    def _outage(self, machine: Values, node: str, now: float) -> Outage | None:
        state, reason, told = _unfit(machine)
        if not state:
            return None
        since = self._seen.get((node, state), now if told is None else told)
        return Outage(node, since, None, state, printable(reason))


def _unfit(machine: Values) -> tuple[str, str, float | None]:
    """In which state a machine is unfit, why, and since when as far as its ad tells."""
    heard = _time(machine.get("LastHeardFrom"))
    if machine.get("Absent") is True:
        return "ABSENT", "its startd reports no more", heard
    if machine.get("Offline") is True:
        return "OFFLINE", "it sleeps, or was taken offline", None
    if machine.get("State") in _DRAINED:
        reason = str(machine.get("DrainReason") or "it is drained")
        return "DRAINED", reason, _time(machine.get("EnteredCurrentState"))
    if machine.get("JobmendNodeHealthy") is False:
        return "UNHEALTHY", str(machine.get("JobmendNodeReason") or "its agent says so"), None
    return "", "", None


def _time(value: object) -> float | None:
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]
