"""Is jobmend in order on this machine? Checks, each with what to do about a bad finding."""

from __future__ import annotations

import enum
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from ..plugins.hook import SOCKET, SOCKET_VARIABLE
from . import tokens
from .client import BadAnswer, Client, Unreachable

SLURM_COMMANDS = ("sacct", "scontrol", "scancel", "sbatch")
AGENT_URL = "http://127.0.0.1:9807"


class Level(str, enum.Enum):
    """How a check went."""

    GOOD = "good"
    NOTE = "note"  # less is known or can be done, and that may be meant
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What a check found, and the cure where it is not good."""

    check: str
    level: Level
    text: str
    cure: str = ""


def examine(
    client: Client,
    agent_url: str = AGENT_URL,
    cgroup_root: Path = Path("/sys/fs/cgroup"),
    proc_root: Path = Path("/proc"),
) -> list[Finding]:
    """All checks, in the order in which things depend on each other."""
    return [
        check_brain(client),
        check_token(client.settings.token_file),
        check_agent(agent_url),
        check_hook_socket(Path(os.environ.get(SOCKET_VARIABLE) or SOCKET)),
        check_cgroups(cgroup_root),
        check_pressure(proc_root),
        check_scheduler(),
    ]


def check_brain(client: Client) -> Finding:
    """Does the brain answer, and does it go its rounds?"""
    url = client.settings.url
    try:
        status = client.status()
    except Unreachable as error:
        cure = "start jobmend-brain, or set JOBMEND_URL to where it listens"
        return Finding("brain", Level.BAD, str(error), cure)
    except BadAnswer as error:
        return Finding("brain", Level.BAD, str(error), "set JOBMEND_URL to where the brain listens")
    failing = [poll for poll in status.schedulers if poll.error]
    if not status.watching:
        return Finding("brain", Level.BAD, f"{url}: its watcher stands still", "restart the brain")
    if failing:
        text = f"{url}: {failing[0].scheduler} of {failing[0].cluster}: {failing[0].error}"
        return Finding("brain", Level.BAD, text, "run that command as the brain's user")
    return Finding("brain", Level.GOOD, f"{url}: version {status.version}")


def check_token(path: Path | None) -> Finding:
    """Can the operator's token be read, by nobody else?"""
    if path is None:
        cure = "set JOBMEND_TOKEN_FILE to a copy of the brain's operator token"
        return Finding("token", Level.NOTE, "none is named: apply and reject need one", cure)
    try:
        tokens.read(path)
    except tokens.TokenError as error:
        text, _, cure = str(error).partition("; ")
        return Finding("token", Level.BAD, text, cure or f"give this user a copy of it as {path}")
    return Finding("token", Level.GOOD, f"{path}: readable by its owner alone")


def check_agent(url: str) -> Finding:
    """Does the agent of this machine serve its metrics?"""
    cure = "start jobmend-agent, or name its address with --agent"
    try:
        response = httpx2.get(f"{url.rstrip('/')}/metrics", timeout=5, trust_env=False)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Finding("agent", Level.BAD, f"{url}/metrics: {error}", cure)
    if response.status_code != 200 or "jobmend_" not in response.text:
        text = f"{url}/metrics: no page of an agent (status {response.status_code})"
        return Finding("agent", Level.BAD, text, cure)
    return Finding("agent", Level.GOOD, f"{url}/metrics: {len(response.text.splitlines())} lines")


def check_hook_socket(path: Path) -> Finding:
    """Is there somebody whom hooks can tell?"""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        cure = f"start jobmend-agent, or set {SOCKET_VARIABLE} to its socket"
        return Finding("hook socket", Level.BAD, f"{path}: {error.strerror}", cure)
    if not stat.S_ISSOCK(mode):
        return Finding(
            "hook socket", Level.BAD, f"{path}: no socket", f"rm {path}, start the agent"
        )
    return Finding("hook socket", Level.GOOD, str(path))


def check_cgroups(root: Path) -> Finding:
    """Which version of cgroups is mounted?"""
    if (root / "cgroup.controllers").exists():
        return Finding("cgroups", Level.GOOD, f"{root}: version 2")
    controllers = [name for name in ("memory", "cpuacct", "cpuset") if (root / name).is_dir()]
    if controllers:
        return Finding("cgroups", Level.GOOD, f"{root}: version 1 ({', '.join(controllers)})")
    return Finding("cgroups", Level.BAD, f"{root}: no cgroups", "mount cgroup2 there")


def check_pressure(root: Path) -> Finding:
    """Does the kernel measure pressure stalls?"""
    try:
        (root / "pressure" / "cpu").read_bytes()
    except OSError as error:
        text = f"{root}/pressure/cpu: {error.strerror}; contention is not seen"
        return Finding("pressure", Level.NOTE, text, "boot a kernel with CONFIG_PSI and psi=1")
    return Finding("pressure", Level.GOOD, f"{root}/pressure/cpu: readable")


def check_scheduler(commands: Sequence[str] = SLURM_COMMANDS) -> Finding:
    """Are the scheduler's commands there?"""
    missing = [command for command in commands if shutil.which(command) is None]
    if not missing:
        return Finding("scheduler", Level.GOOD, f"Slurm: {', '.join(commands)}")
    if len(missing) == len(commands):
        return Finding("scheduler", Level.NOTE, "no Slurm here; local jobs only")
    text = f"Slurm: {', '.join(missing)} not in PATH"
    return Finding("scheduler", Level.BAD, text, "install Slurm's client commands or extend PATH")
