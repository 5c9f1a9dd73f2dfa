"""Is HTCondor set up for jobmend? Asks its commands, reads files, and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..doctor.findings import Check, Finding
from ..doctor.programs import Unseen, calls_jobmend, fault_of_hook
from ..scheduler import SchedulerError, call

_MANUAL = "HTCondor manual"
COMMANDS = Check("condor commands", "docs/htcondor.md")
CONFIG = Check("condor configuration", "condor_config_val(1)")
HOOKS = Check("condor hooks", f"{_MANUAL}, Hooks; docs/htcondor.md, What a hook tells")
HEALTH = Check("condor node health", f"{_MANUAL}, Startd Cron and Schedd Cron")
CGROUPS = Check("condor cgroups", f"{_MANUAL}, BASE_CGROUP, CGROUP_MEMORY_LIMIT_POLICY")
EVENTS = Check("condor event log", f"{_MANUAL}, EVENT_LOG")
HISTORY = Check("condor history", f"{_MANUAL}, HISTORY, JOB_EPOCH_HISTORY")
TOKEN = Check("condor token", f"{_MANUAL}, Token Authentication; condor_token_list(1)")
RIGHTS = Check("condor rights", f"{_MANUAL}, QUEUE_SUPER_USERS; condor_ping(1)")
CLOCK = Check("condor clock", f"{_MANUAL}, Machine ClassAd Attributes, MyCurrentTime")

NEEDED = ("condor_config_val", "condor_status", "condor_q", "condor_history", "condor_ping")
KINDS = ("PREPARE_JOB", "UPDATE_JOB_INFO", "JOB_EXIT")
CRON_JOB = "JOBMEND"
RECONFIGURE = "(etc/condor/50-jobmend.conf has it), then condor_reconfig"
MOST_SKEW_SECONDS = 5.0

_LINE = re.compile(r"^([A-Za-z_][\w.]*) = ?(.*)$", re.M)

Ask = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Here:
    """Where the checks look: HTCondor's commands, and files of this machine below ``root``."""

    ask: Ask
    root: Path = Path("/")
    socket: str = ""  # the agent's; empty: not known


@dataclass(frozen=True)
class Config:
    """Configuration variables in capitals, with all macros in them expanded."""

    values: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """A value; empty where it is not set, as HTCondor takes an empty value too."""
        return self.values.get(name.upper(), "").strip()

    def all(self, name: str) -> tuple[str, ...]:
        """The members of a list, which blanks or commas part."""
        return tuple(re.split(r"[\s,]+", self.one(name))) if self.one(name) else ()

    def runs(self, daemon: str) -> bool:
        """Is ``daemon`` one of those that this machine's master starts?"""
        return daemon in {name.upper() for name in self.all("DAEMON_LIST")}


def here(socket: str = "") -> Here:
    """This machine, with this process's environment: HTCondor is configured by it."""
    env = {**os.environ, "LC_ALL": "C"}
    return Here(lambda argv: call(argv, env=env), socket=socket)


def examine(place: Here, which: Callable[[str], object] = shutil.which) -> list[Finding]:
    """The checks for the daemons that run here, in the order of dependence; none without HTCondor.

    A machine with the commands alone is a client: its rights and clock are looked at.
    """
    absent = [command for command in NEEDED if which(command) is None]
    if len(absent) == len(NEEDED):
        return []
    commands = check_commands(absent)
    answered, config = check_config(place.ask)
    if config is None:
        return [commands, answered]
    found = [commands, answered]
    if config.runs("STARTD"):
        found += [check_hooks(config, place), check_health(config, place), check_cgroups(config)]
    if config.runs("SCHEDD"):
        found += [check_events(config, place.root), check_history(config)]
    if config.runs("SCHEDD") or not config.runs("STARTD"):
        found += [check_token(config, place.root), check_rights(config, place.ask)]
    return [*found, check_clock(config, place.ask)]


def check_commands(absent: Sequence[str]) -> Finding:
    """Are HTCondor's commands there?"""
    if absent:
        return COMMANDS.bad(f"{', '.join(absent)} not in PATH", "install them or extend PATH")
    return COMMANDS.good(", ".join(NEEDED))


def parse_config(text: str) -> Config:
    """Read what ``condor_config_val -dump -expanded`` prints; other lines are passed over."""
    return Config({name.upper(): value for name, value in _LINE.findall(text)})


def check_config(ask: Ask) -> tuple[Finding, Config | None]:
    """Is this machine part of a pool? With its configuration."""
    try:
        config = parse_config(ask(["condor_config_val", "-dump", "-expanded"]))
    except SchedulerError as error:
        return CONFIG.bad(str(error), "set CONDOR_CONFIG, or correct /etc/condor"), None
    daemons = ", ".join(config.all("DAEMON_LIST")) or "none"
    text = f"version {config.one('CONDOR_VERSION') or 'unknown'}, daemons here: {daemons}"
    return CONFIG.good(text), config


def check_hooks(config: Config, place: Here) -> Finding:
    """Do jobs without hooks of their own get jobmend's, and can those be started?"""
    keyword = config.one("STARTER_DEFAULT_JOB_HOOK_KEYWORD")
    forced = config.one("STARTER_JOB_HOOK_KEYWORD")
    if forced:
        text = f"STARTER_JOB_HOOK_KEYWORD={forced}: displaces the hooks that jobs name"
        return HOOKS.note(text, "use STARTER_DEFAULT_JOB_HOOK_KEYWORD in its place")
    if not keyword:
        text = "STARTER_DEFAULT_JOB_HOOK_KEYWORD is not set: no hook is called"
        return HOOKS.bad(text, f"STARTER_DEFAULT_JOB_HOOK_KEYWORD=JOBMEND {RECONFIGURE}")
    for kind in KINDS:
        name = f"{keyword}_HOOK_{kind}"
        path = config.one(name)
        if not path:
            return HOOKS.bad(f"{name} is not set", f"set it to jobmend's hook {RECONFIGURE}")
        try:
            flaw = fault_of_hook(path, place.root, place.socket)
            ours = calls_jobmend(path, place.root)
        except Unseen as error:
            return HOOKS.note(str(error), "run this as root")
        if flaw is not None:
            return HOOKS.bad(f"{name}: {flaw.text}", flaw.cure)
        if not ours:
            cure = f"call jobmend's hook at the end of {path}, with its input and arguments"
            return HOOKS.bad(f"{name}={path}: does not call jobmend's hook", cure)
    return HOOKS.good(f"keyword {keyword}: {', '.join(KINDS)}")


def check_health(config: Config, place: Here) -> Finding:
    """Does the machine ad tell what the agent thinks of this node?"""
    program = config.one(f"STARTD_CRON_{CRON_JOB}_EXECUTABLE")
    jobs = {job.upper() for job in config.all("STARTD_CRON_JOBLIST")}
    if CRON_JOB not in jobs or not program:
        text = f"STARTD_CRON_JOBLIST has no {CRON_JOB}: the machine ad tells no health"
        return HEALTH.note(
            text, f"STARTD_CRON_JOBLIST=$(STARTD_CRON_JOBLIST) JOBMEND {RECONFIGURE}"
        )
    try:
        flaw = fault_of_hook(program, place.root)
    except Unseen as error:
        return HEALTH.note(str(error), "run this as root")
    if flaw is not None:
        return HEALTH.bad(*flaw)
    name = f'Machine == "{config.one("FULL_HOSTNAME")}"'
    try:
        rows = place.ask(
            ["condor_status", "-constraint", name, "-af", "JobmendTime", "JobmendAgentUp"]
        )
    except SchedulerError as error:
        return HEALTH.bad(str(error), "start the collector, or correct CONDOR_HOST")
    told = [line.split() for line in rows.splitlines()]
    if not any(row and row[0] != "undefined" for row in told):
        text = "the machine ad has no JobmendTime: the program has not run, or failed"
        return HEALTH.bad(text, f"wait a minute; else run {program} by hand, and see StartLog")
    if any(row[-1] == "false" for row in told if row):
        return HEALTH.bad("the machine ad says JobmendAgentUp=false", "start jobmend-agent")
    return HEALTH.good("the machine ad tells it, and that the agent is up")


def check_cgroups(config: Config) -> Finding:
    """Does HTCondor make a cgroup for each job, and hold jobs that pass their memory?"""
    base, policy = config.one("BASE_CGROUP"), config.one("CGROUP_MEMORY_LIMIT_POLICY")
    if not base:
        text = "BASE_CGROUP is empty: jobs have no cgroup, nothing is measured"
        return CGROUPS.bad(text, "BASE_CGROUP=htcondor, restart HTCondor")
    # Other names are of other pools on one host, and the agent looks for these (docs/htcondor.md).
    if not base.lstrip("/").startswith(("htcondor", "system.slice/condor.service")):
        cure = "BASE_CGROUP=htcondor, or a name that begins so; restart HTCondor"
        return CGROUPS.bad(f"BASE_CGROUP={base}: the agent looks below htcondor", cure)
    if policy in ("", "none"):
        text = "CGROUP_MEMORY_LIMIT_POLICY=none: no job is held for its memory"
        return CGROUPS.note(text, "CGROUP_MEMORY_LIMIT_POLICY=hard, then condor_reconfig")
    return CGROUPS.good(f"BASE_CGROUP={base}, CGROUP_MEMORY_LIMIT_POLICY={policy}")


def check_events(config: Config, root: Path) -> Finding:
    """Is there one event log of all jobs, that this user may read?"""
    path = config.one("EVENT_LOG")
    if not path:
        text = "EVENT_LOG is not set: reasons of holds come from queue and history alone"
        return EVENTS.note(text, "EVENT_LOG=$(LOG)/EventLog, then condor_reconfig")
    there = root / path.lstrip("/")
    if os.access(there, os.R_OK):
        return EVENTS.good(f"{path}: readable")
    try:
        there.stat()
    except FileNotFoundError:
        return EVENTS.note(f"{path}: not there yet", "it comes with the first job")
    except OSError:
        pass
    cure = "run the brain as a user who may, or give its group the right"
    return EVENTS.note(f"{path}: this user may not read it", cure)


def check_history(config: Config) -> Finding:
    """Does the schedd keep jobs that left the queue, and each of their executions?"""
    if not config.one("HISTORY"):
        text = "HISTORY is empty: nobody knows how jobs ended that left the queue"
        return HISTORY.bad(text, "HISTORY=$(SPOOL)/history, then condor_reconfig")
    if not config.one("JOB_EPOCH_HISTORY"):
        text = "JOB_EPOCH_HISTORY is not set: of a job that ran twice only the last time is known"
        return HISTORY.note(text, "JOB_EPOCH_HISTORY=$(SPOOL)/epoch_history, then condor_reconfig")
    return HISTORY.good(f"{config.one('HISTORY')}, {config.one('JOB_EPOCH_HISTORY')}")


def check_token(config: Config, root: Path) -> Finding:
    """Does this user have an IDTOKEN, and for itself alone?"""
    folder = config.one("SEC_TOKEN_DIRECTORY") or os.path.expanduser("~/.condor/tokens.d")
    if os.geteuid() == 0:
        folder = config.one("SEC_TOKEN_SYSTEM_DIRECTORY") or "/etc/condor/tokens.d"
    there = root / folder.lstrip("/")
    try:
        files = [entry for entry in os.scandir(there) if entry.is_file()]
        open_to_others = sorted(entry.name for entry in files if entry.stat().st_mode & 0o077)
    except PermissionError:
        return TOKEN.note(f"{folder}: this user may not look there", "run this as root")
    except OSError:
        files, open_to_others = [], []
    if open_to_others:
        path = f"{folder}/{open_to_others[0]}"
        return TOKEN.bad(f"{path}: others than its owner may read it", f"chmod 600 {path}")
    if not files:
        text = f"{folder}: none there; without one a schedd knows only users of its own machine"
        return TOKEN.note(text, "condor_token_create, or condor_token_request, as the brain's user")
    return TOKEN.good(f"{folder}: {len(files)}, readable by their owner alone")


def check_rights(config: Config, ask: Ask) -> Finding:
    """May this user change the jobs of others in the schedd here?"""
    cure = "a token or account that is one of QUEUE_SUPER_USERS; run this as the brain's user"
    try:
        rows = [line.split() for line in ask(["condor_ping", "-table", "WRITE"]).splitlines()]
    except SchedulerError as error:
        return RIGHTS.note(f"the schedd here refuses WRITE: {error}", cure)
    told = [row for row in rows if row and row[0] == "WRITE"]
    decision, who = (told[0][-2], told[0][-1]) if told else ("unknown", "nobody")
    if decision != "ALLOW":
        return RIGHTS.note(f"{who}: WRITE is {decision}: a brain of this user cannot act", cure)
    masters = config.all("QUEUE_SUPER_USERS")
    if who not in masters and who.partition("@")[0] not in masters:
        text = f"{who}: none of QUEUE_SUPER_USERS ({', '.join(masters)}): may change its own jobs"
        return RIGHTS.note(text, cure)
    return RIGHTS.good(f"{who}: one of QUEUE_SUPER_USERS")


def check_clock(config: Config, ask: Ask) -> Finding:
    """Does this machine's clock agree with the collector's?"""
    name = f'Machine == "{config.one("FULL_HOSTNAME")}"'
    argv = ["condor_status", "-any", "-constraint", name, "-af", "MyCurrentTime", "LastHeardFrom"]
    try:
        rows = [line.split() for line in ask(argv).splitlines()]
    except SchedulerError as error:
        return CLOCK.bad(str(error), "start the collector, or correct CONDOR_HOST")
    # Each daemon here stamps its ad, and the collector notes when it came.
    skews = [int(row[1]) - int(row[0]) for row in rows if len(row) == 2 and "".join(row).isdigit()]
    if not skews:
        return CLOCK.note("no daemon of this machine is in the collector")
    skew = min(skews, key=abs)
    if abs(skew) > MOST_SKEW_SECONDS:
        behind = "ahead of" if skew > 0 else "behind"
        text = f"the collector's clock is {abs(skew)} s {behind} this machine's"
        return CLOCK.bad(text, "keep both in time with chronyd or ntpd")
    return CLOCK.good(f"the collector's clock agrees within {MOST_SKEW_SECONDS:g} s")
