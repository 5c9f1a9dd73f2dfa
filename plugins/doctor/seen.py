"""Was a job seen by hook and cgroup and accounting? One question for node and brain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .findings import Check, Finding

JOBS = Check("recent jobs", "docs/architecture.md, Four roads")
LATE_SECONDS = 120.0  # accounting may tell of an end so late

_CURES = {
    "hook": "look at the hooks' checks on the nodes",
    "cgroup": "let the scheduler make cgroups for jobs",
    "accounting": "look at the brain's check and the scheduler's accounting",
}


@dataclass(frozen=True)
class Seen:
    """One ended run, and who told of it; None: that is not known (yet)."""

    name: str
    hook: bool | None
    cgroup: bool | None
    accounting: bool | None


def judge(runs: Sequence[Seen], where: str) -> Finding:
    """Bad where one of the three saw none of the ``runs``; a note where it missed some."""
    if not runs:
        return JOBS.note(f"no job ended {where}", "run one, and ask again")
    missed = {
        teller: [run.name for run in runs if getattr(run, teller) is False] for teller in _CURES
    }
    asked = {teller: sum(getattr(run, teller) is not None for run in runs) for teller in _CURES}
    blind = [teller for teller in _CURES if asked[teller] and len(missed[teller]) == asked[teller]]
    if blind:
        text = f"of {len(runs)} that ended {where} none was seen by {' and '.join(blind)}"
        cures = "; ".join(_CURES[teller] for teller in blind)
        return JOBS.bad(f"{text}, such as {missed[blind[0]][0]}", cures)
    told = [
        f"{len(names)} not by {teller}, such as {names[0]}"
        for teller, names in missed.items()
        if names
    ]
    unasked = [teller for teller in _CURES if not asked[teller]]
    tail = f"; not asked: {', '.join(unasked)}" if unasked else ""
    if told:
        return JOBS.note(f"of {len(runs)} that ended {where}: {'; '.join(told)}{tail}")
    seen = " and ".join(teller for teller in _CURES if asked[teller])
    tell = JOBS.note if unasked else JOBS.good
    return tell(f"{len(runs)} ended {where}, each seen by {seen}{tail}")
