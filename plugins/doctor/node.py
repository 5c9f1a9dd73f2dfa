"""The checks of a compute node: kernel, agent, hook socket, spool, the way to the brain."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from ..hook import SOCKET_VARIABLE
from . import agent, kernel, settings, uplink
from .findings import Check, Finding
from .programs import running
from .settings import Settings, SettingsError

SETTINGS = Check("agent settings", "agent.toml; jobmend-agent --check-config")
SOCKET = Check("hook socket", "agent.toml, [hooks]")
SPOOL = Check("spool", "agent.toml, [spool]")

LEAST_ROOM = 100 << 20  # bytes; a day of 20,000 jobs without a brain takes half of it
NODE_DAEMONS = ("slurmd", "condor_startd")  # where one runs, an agent belongs


def examine(told: Settings, *, wanted: bool = False, agent_url: str = "") -> list[Finding]:
    """All checks of this machine as a node, where the agent does what ``told`` says.

    Without ``wanted`` and without a sign that a node is meant, an agent that is not there is
    none missed. ``agent_url`` stands in place of the configured address.
    """
    proc = Path(told.proc_root)
    wanted = wanted or bool(agent_url) or _is_node(told, proc)
    kernels = kernel.examine(Path(told.cgroup_root), proc)
    url = agent_url.rstrip("/") or told.agent_url
    answered, page = agent.check_agent(url + told.page_path, wanted, told.web_config)
    if page is None and not wanted:
        return [*kernels, answered]  # no node: nothing else is expected here
    return [
        *kernels,
        answered,
        check_socket(Path(os.environ.get(SOCKET_VARIABLE) or told.socket)),
        check_spool(Path(told.spool), _owner(told.socket)),
        *([] if page is None else agent.examine(page)),
        *uplink.examine(told, page),
    ]


def read_settings(config: str = "") -> tuple[Finding, Settings]:
    """Does the agent take its configuration? With what it says, defaults where that is unknown."""
    try:
        told = settings.ask(config)
    except SettingsError as error:
        if error.denied:
            return SETTINGS.note(f"{error}; its defaults are taken", "run this as root"), Settings()
        return SETTINGS.bad(str(error), "correct the key it names"), Settings()
    if not told.known:
        return SETTINGS.note("no jobmend-agent is installed here; its defaults are taken"), told
    return SETTINGS.good(f"cluster {told.cluster}, page at {told.listen}"), told


def _is_node(told: Settings, proc_root: Path) -> bool:
    signs = (settings.DEFAULT_CONFIG, told.socket)
    return any(map(os.path.exists, signs)) or running(*NODE_DAEMONS, proc_root=proc_root)


def check_socket(path: Path) -> Finding:
    """Is there somebody whom hooks can tell, and which users' hooks?"""
    start = f"start jobmend-agent, or set {SOCKET_VARIABLE} to its socket"
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return SOCKET.note(f"{path}: this user may not look there", "run this as root")
    except OSError as error:
        return SOCKET.bad(f"{path}: {error.strerror}", start)
    if not stat.S_ISSOCK(mode):
        return SOCKET.bad(f"{path}: no socket", f"rm {path}, start the agent")
    refusal = _connect(path)
    if refusal == errno.ECONNREFUSED:
        return SOCKET.bad(f"{path}: nobody reads it", "start jobmend-agent: the last one died")
    closed = [str(folder) for folder in path.parents if not folder.stat().st_mode & 0o001]
    if closed or not mode & 0o002:
        text = f"{path}: not every user may write to it; HTCondor's hooks run as the job's user"
        cure = f"chmod o+x {closed[0]}" if closed else "restart the agent"
        return SOCKET.note(text, f"fine on Slurm; else {cure}")
    if refusal:
        return SOCKET.bad(f"{path}: {os.strerror(refusal)}", "restart jobmend-agent")
    return SOCKET.good(f"{path}: every user's hooks may write to it")


def _connect(path: Path) -> int:
    """The error of connecting to a datagram socket, 0 where it works. Nothing is sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(os.fspath(path))


def _owner(path: str) -> int | None:
    """Whose socket it is: the agent's user."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def check_spool(path: Path, agent_uid: int | None) -> Finding:
    """Can the agent write its spool, and is there room?"""
    folder = path.parent
    try:
        found, room = folder.stat(), os.statvfs(folder)
        owners = {found.st_uid, path.stat().st_uid if path.exists() else found.st_uid}
    except PermissionError:
        return SPOOL.note(f"{folder}: this user may not look there", "run this as root")
    except OSError as error:
        return SPOOL.bad(f"{folder}: {error.strerror}", f"make {folder} for the agent's user")
    free = room.f_bavail * room.f_frsize
    strangers = owners - {agent_uid} if agent_uid else set()
    if strangers:
        text = f"{path}: belongs to user {min(strangers)}, the agent runs as {agent_uid}"
        return SPOOL.bad(text, f"chown -R {agent_uid} {folder}, restart the agent")
    if room.f_flag & os.ST_RDONLY:
        return SPOOL.bad(f"{folder}: mounted read-only", "name another place in [spool] path")
    if free < LEAST_ROOM or room.f_files and not room.f_favail:
        text = f"{folder}: {free >> 20} MB and {room.f_favail} files are free"
        return SPOOL.bad(text, "make room there, or name another place in [spool] path")
    return SPOOL.good(f"{folder}: {free >> 20} MB are free")
