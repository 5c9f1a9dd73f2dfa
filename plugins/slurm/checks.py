"""Is Slurm set up for jobmend? Asks Slurm's commands, reads files, and changes nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Sequence

from ..doctor.findings import Check, Finding
from ..scheduler import SchedulerError
from . import hook_checks
from .controller import Controller, parse_controller
from .here import Ask, Here

COMMANDS = Check("slurm commands", "docs/slurm.md, Set up")
CONTROLLER = Check("slurm controller", "scontrol(1), show config")
TIMEOUT = Check("slurm hook timeout", "slurm.conf(5), PrologEpilogTimeout")
FLAGS = Check("slurm hook flags", "slurm.conf(5), PrologFlags")
DRAINED = Check("slurm drained nodes", "slurm.conf(5), Prolog; sinfo(1), --list-reasons")
ACCOUNTING = Check("slurm accounting", "slurm.conf(5), AccountingStorageType; sacct(1)")
COMMENTS = Check("slurm comments", "slurm.conf(5), AccountingStoreFlags")
CGROUPS = Check("slurm cgroups", "slurm.conf(5), ProctrackType, TaskPlugin, JobAcctGatherType")
LIMITS = Check("slurm confinement", "cgroup.conf(5), ConstrainCores, ConstrainRAMSpace")
REQUEUE = Check("slurm requeue", "slurm.conf(5), JobRequeue, MinJobAge")
RIGHTS = Check("slurm rights", "sacctmgr(1), AdminLevel")
CLOCK = Check("slurm clock", "slurm.conf(5), AuthType; munge(7)")

NEEDED = ("scontrol", "squeue", "sacct", "scancel", "sbatch", "sacctmgr", "sinfo")
SERVICE = "jobmend-brain"  # the account under which packages run the brain
RECONFIGURE = "in slurm.conf, then scontrol reconfigure"
LEAST_TIMEOUT_SECONDS = 5  # jobmend's hook is killed after one
LEAST_AGE_SECONDS = 3600
MOST_SKEW_SECONDS = 5.0


def examine(place: Here) -> list[Finding]:
    """All checks, in the order in which things depend on each other; none without Slurm."""
    absent = [command for command in NEEDED if shutil.which(command) is None]
    if len(absent) == len(NEEDED):
        return []
    commands = check_commands(absent)
    answered, controller = check_controller(place)
    now = time.time()  # the controller's clock is that of its answer, and the others take a while
    if controller is None:
        return [commands, answered]
    return [
        commands,
        answered,
        *hook_checks.examine(controller, place),
        check_timeout(controller),
        check_flags(controller),
        check_drained(place.ask),
        check_accounting(controller, place.ask),
        check_comments(controller),
        check_cgroups(controller),
        check_limits(controller),
        check_requeue(controller),
        check_rights(place.ask, _user()),
        check_clock(controller, now),
    ]


def check_commands(absent: Sequence[str]) -> Finding:
    """Are Slurm's commands there?"""
    if absent:
        cure = "install Slurm's client commands or extend PATH"
        return COMMANDS.bad(f"{', '.join(absent)} not in PATH", cure)
    return COMMANDS.good(", ".join(NEEDED))


def check_controller(place: Here) -> tuple[Finding, Controller | None]:
    """Does the controller answer? With what it says of itself."""
    try:
        told = parse_controller(place.ask(["scontrol", "show", "config"]))
    except SchedulerError as error:
        if "configuration source" in str(error) and not place.on_node:
            text = "Slurm's commands are here and no cluster is configured"
            return CONTROLLER.note(text, "set SLURM_CONF, or write /etc/slurm/slurm.conf"), None
        return CONTROLLER.bad(str(error), "start slurmctld and munged, or set SLURM_CONF"), None
    cluster, version = told.one("ClusterName"), told.one("SLURM_VERSION")
    return CONTROLLER.good(f"cluster {cluster}, version {version}"), told


def check_timeout(controller: Controller) -> Finding:
    """Does Slurm end a hook that hangs, and not one that is only slow?"""
    # Releases from 24.11 on have a limit for each, and the common one before.
    names = ("PrologEpilogTimeout", "PrologTimeout", "EpilogTimeout")
    told = {name: value for name in names if (value := controller.number(name)) is not None}
    if not told:
        text = "none is set: a hook of others that hangs, hangs for ever"
        return TIMEOUT.note(text, f"PrologEpilogTimeout=30 {RECONFIGURE}")
    text = ", ".join(f"{name}={value}" for name, value in told.items())
    if min(told.values()) < LEAST_TIMEOUT_SECONDS:
        text = f"{text}: a hook that is only slow drains its node"
        return TIMEOUT.bad(text, f"PrologEpilogTimeout=30 {RECONFIGURE}")
    return TIMEOUT.good(text)


def check_flags(controller: Controller) -> Finding:
    """Does Prolog run when the node is allocated, and outside of the job's cgroup?"""
    flags = {flag.lower() for flag in controller.all("PrologFlags")}
    told = f"PrologFlags={controller.one('PrologFlags') or 'none'}"
    if "runinjob" in flags:
        text = f"{told}: with RunInJob Epilog sees exit code 0:0 of every job"
        return FLAGS.bad(text, f"take RunInJob out {RECONFIGURE}")
    if not flags & {"alloc", "contain", "x11"}:  # the latter two imply the first
        text = f"{told}: Prolog waits for the first step, allocations without one are not told"
        return FLAGS.note(text, f"PrologFlags=Alloc {RECONFIGURE}")
    return FLAGS.good(told)


def check_drained(ask: Ask) -> Finding:
    """Has a hook, of jobmend or of others, drained a node?"""
    try:
        told = ask(["sinfo", "--noheader", "--list-reasons", "--format=%E|%N"])
    except SchedulerError as error:
        return DRAINED.note(str(error))
    rows = [line.rpartition("|") for line in told.splitlines()]
    drained = [(reason.strip(), nodes) for reason, _, nodes in rows if _is_hook(reason)]
    if drained:
        reason, nodes = drained[0]
        cure = "slurmd's log says which hook failed; then scontrol update State=RESUME of the node"
        return DRAINED.bad(f"{nodes}: {reason}", cure)
    return DRAINED.good("no node is drained by a Prolog or Epilog")


def _is_hook(reason: str) -> bool:
    return "prolog" in reason.lower() or "epilog" in reason.lower()


def check_accounting(controller: Controller, ask: Ask) -> Finding:
    """Is there accounting, and may this user read it?"""
    kind = controller.one("AccountingStorageType")
    if not kind.endswith("/slurmdbd"):
        cure = f"run slurmdbd, and AccountingStorageType=accounting_storage/slurmdbd {RECONFIGURE}"
        text = f"AccountingStorageType={kind or 'none'}: nobody knows how jobs really ended"
        return ACCOUNTING.bad(text, cure)
    try:
        ask(["sacct", "--noheader", "--allocations", "--parsable2", "--starttime=now-1minute"])
    except SchedulerError as error:
        return ACCOUNTING.bad(str(error), "start slurmdbd and its database")
    return ACCOUNTING.good(f"{kind}: sacct answers")


def check_comments(controller: Controller) -> Finding:
    """Does accounting keep the comments that name workflows?"""
    flags = controller.one("AccountingStoreFlags")
    if "job_comment" not in flags.lower():
        text = f"AccountingStoreFlags={flags or 'none'}: comments are lost, which name workflows"
        return COMMENTS.note(text, f"AccountingStoreFlags=job_comment {RECONFIGURE}")
    return COMMENTS.good(f"AccountingStoreFlags={flags}")


def check_cgroups(controller: Controller) -> Finding:
    """Does Slurm make a cgroup for each job?"""
    wanted = {
        "ProctrackType": "proctrack/cgroup",
        "TaskPlugin": "task/cgroup",
        "JobAcctGatherType": "jobacct_gather/cgroup",
    }
    missing = [
        f"{name}={value}" for name, value in wanted.items() if value not in controller.one(name)
    ]
    if missing == [f"JobAcctGatherType={wanted['JobAcctGatherType']}"]:
        text = "jobs have no cpuacct cgroup under cgroup version 1: no CPU time there"
        return CGROUPS.note(text, f"{missing[0]} {RECONFIGURE}")
    if missing:
        text = "jobs have no cgroup, or not each: nothing is measured"
        return CGROUPS.bad(text, f"{', '.join(missing)} {RECONFIGURE}; restart slurmd")
    return CGROUPS.good(", ".join(wanted.values()))


def check_limits(controller: Controller) -> Finding:
    """Are jobs confined to their cores and their memory?"""
    losses = {
        "ConstrainCores": "threads cannot be told to be one job's",
        "ConstrainRAMSpace": "no job ends OUT_OF_MEMORY",
    }
    missing = {name: loss for name, loss in losses.items() if controller.one(name) != "yes"}
    if missing:
        cure = f"{', '.join(f'{name}=yes' for name in missing)} in cgroup.conf; restart slurmd"
        return LIMITS.note("; ".join(f"not {name}: {loss}" for name, loss in missing.items()), cure)
    return LIMITS.good("ConstrainCores=yes, ConstrainRAMSpace=yes")


def check_requeue(controller: Controller) -> Finding:
    """Can a job that failed be run again, and for how long?"""
    age = controller.number("MinJobAge")
    if controller.one("JobRequeue") == "0":
        text = "JobRequeue=0: only jobs submitted with --requeue can be run again"
        return REQUEUE.note(text, f"JobRequeue=1 {RECONFIGURE}")
    if age is not None and 0 < age < LEAST_AGE_SECONDS:
        text = f"MinJobAge={age}: after {age} s a job that failed cannot be run again"
        return REQUEUE.note(text, f"MinJobAge=86400 {RECONFIGURE}")
    return REQUEUE.good(f"JobRequeue=1, MinJobAge={age}")


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def check_rights(ask: Ask, user: str) -> Finding:
    """May the brain's account change the jobs of others?"""
    argv = ["sacctmgr", "--noheader", "--parsable2", "show", "user", "format=user,adminlevel"]
    try:
        rows = [line.split("|") for line in ask(argv).splitlines()]
    except SchedulerError as error:
        return RIGHTS.note(str(error), "run this where sacctmgr may ask slurmdbd")
    levels = {row[0]: row[1] for row in rows if len(row) > 1}
    who = SERVICE if SERVICE in levels else user
    level = levels.get(who, "not known to sacctmgr")
    if level in ("Operator", "Administrator"):
        return RIGHTS.good(f"user {who}: {level}")
    cure = f"sacctmgr modify user {SERVICE} set adminlevel=Operator, where the brain runs as that"
    return RIGHTS.note(f"user {who}: {level}: a brain of this user can watch and not act", cure)


def check_clock(controller: Controller, now: float) -> Finding:
    """Does this machine's clock agree with the controller's?"""
    if controller.time is None:
        return CLOCK.note("the controller does not tell its time")
    skew = controller.time - now
    if abs(skew) > MOST_SKEW_SECONDS:
        behind = "ahead of" if skew > 0 else "behind"
        text = f"the controller's clock is {abs(skew):.0f} s {behind} this machine's"
        return CLOCK.bad(text, "keep both in time with chronyd or ntpd")
    return CLOCK.good(f"the controller's clock agrees within {MOST_SKEW_SECONDS:g} s")
