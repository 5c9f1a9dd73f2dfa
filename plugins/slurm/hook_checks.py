"""Do Slurm's Prolog and Epilog call jobmend's hook, and can they be started?"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..doctor.findings import Check, Finding
from ..doctor.programs import Unseen, calls_jobmend, fault_of_hook
from .controller import Controller
from .here import Here

PROLOG = Check("slurm prolog", "slurm.conf(5), Prolog; docs/slurm.md, Set up")
EPILOG = Check("slurm epilog", "slurm.conf(5), Epilog; docs/slurm.md, Set up")
CONTROLLER_HOOKS = Check("slurm controller hooks", "slurm.conf(5), PrologSlurmctld")


def examine(controller: Controller, place: Here) -> list[Finding]:
    """The hooks on nodes, and those of the controller where some are set there."""
    found = [
        check_hook(PROLOG, "Prolog", controller, place, place.on_node),
        check_hook(EPILOG, "Epilog", controller, place, place.on_node),
    ]
    for name in ("PrologSlurmctld", "EpilogSlurmctld"):  # these are optional
        if any("jobmend" in path for path in _expanded(controller.all(name), place.root)):
            found.append(check_controller_hook(name, controller, place))
    return found


def check_controller_hook(name: str, controller: Controller, place: Here) -> Finding:
    """Can an optional hook of the controller be started, and does the agent believe it?"""
    check, trusted = CONTROLLER_HOOKS, place.trusted
    who = controller.one("SlurmUser")
    user = re.search(r"\((\d+)\)$", who)  # slurm(64030)
    asked = user if place.on_controller else None
    if asked and trusted is not None and int(asked[1]) not in trusted:
        listed = ", ".join(map(str, (*trusted, asked[1])))
        cure = f"trusted_uids = [{listed}] in [hooks] of agent.toml, restart jobmend-agent"
        return check.bad(f"{name}: runs as {who}, whom the agent does not believe", cure)
    return check_hook(check, name, controller, place, place.on_controller)


def check_hook(
    check: Check, name: str, controller: Controller, place: Here, runs_here: bool
) -> Finding:
    """Does the setting ``name`` lead to jobmend's hook, and can that be started?

    ``runs_here``: this machine is one of those that call it, so its files must be here.
    """
    wanted = controller.all(name)
    told = f"{name}={','.join(wanted)}"
    if not wanted:
        cure = f"{name}={_hook(place.root)} in slurm.conf, then scontrol reconfigure"
        return check.bad(f"slurm.conf has no {name}", cure)
    programs = list(_expanded(wanted, place.root))
    if not runs_here and not any((place.root / one.lstrip("/")).exists() for one in programs):
        return check.note(f"{told}: not on this machine", "run jobmend-doctor where it is called")
    try:
        ours = [one for one in programs if calls_jobmend(one, place.root)]
        if not ours:
            return check.bad(*_stranger(told, programs, place.root))
        flaws = [fault_of_hook(one, place.root, place.socket) for one in ours]
    except Unseen as error:
        return check.note(str(error), "run this as root")
    flaw = next(filter(None, flaws), None)
    return check.good(f"{told}: calls jobmend") if flaw is None else check.bad(*flaw)


def _expanded(patterns: Sequence[str], root: Path) -> Iterator[str]:
    """The files that Slurm calls; it takes patterns of the shell, in the order of their names."""
    for pattern in patterns:
        if glob.has_magic(pattern):
            below = glob.escape(str(root).rstrip("/"))
            cut = len(str(root).rstrip("/"))
            yield from (path[cut:] for path in sorted(glob.glob(below + pattern)))
        else:
            yield pattern


def _stranger(told: str, programs: Sequence[str], root: Path) -> tuple[str, str]:
    """Why nothing of jobmend is called."""
    missing = [one for one in programs if not (root / one.lstrip("/")).exists()]
    if missing or not programs:
        return f"{told}: {', '.join(missing) or 'no file'} is not there", "install it on this node"
    return f"{told}: does not call jobmend's hook", f"call {_hook(root)} in {programs[-1]}"


def _hook(root: Path) -> str:
    """The hook as the package installs it, where that is here; else as an admin does by hand."""
    packaged = "/usr/libexec/jobmend/slurm-hook"
    return packaged if (root / packaged[1:]).exists() else "/etc/slurm/jobmend-hook"
