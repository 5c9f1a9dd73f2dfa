"""What the agent of this machine is told to do, as ``jobmend-agent --check-config`` prints it.

The doctor may not import the agent, and Python 3.9 reads no TOML by itself. What the agent prints
is its own, simple form: a section in brackets, and on each line a key with a value of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

PROGRAM = "jobmend-agent"
DEFAULT_CONFIG = "/etc/jobmend/agent.toml"
_PATIENCE_SECONDS = 30.0


class SettingsError(Exception):
    """The agent refuses its settings, in its own words; ``denied``: this user may not read them."""

    def __init__(self, words: str, *, denied: bool) -> None:
        """Keep the agent's sentence."""
        super().__init__(words)
        self.denied = denied


@dataclass(frozen=True)
class Settings:
    """The keys of agent.toml that the doctor looks at, with the agent's defaults."""

    cluster: str = "local"
    listen: str = "127.0.0.1:9807"
    page_path: str = "/metrics"
    web_config: str = ""
    socket: str = "/run/jobmend/hook.sock"
    spool: str = "/var/lib/jobmend/spool.db"
    uplink: str = ""
    token_file: str = ""
    cgroup_root: str = "/sys/fs/cgroup"
    proc_root: str = "/proc"
    trusted_uids: tuple[int, ...] = (0,)
    known: bool = False  # told by the agent; else these are its defaults

    @property
    def agent_url(self) -> str:
        """Where the agent's endpoint is asked from this machine."""
        host, _, port = self.listen.rpartition(":")
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
        return f"http://{host}:{port}"


def ask(config: str = "", program: str = "") -> Settings:
    """The settings of the agent that is installed here; defaults where none is.

    SettingsError where it refuses them. ``config`` is a file in place of the default one.
    """
    program = program or installed()
    if not program:
        return Settings()
    command = [program, "--check-config", *(["--config", config] if config else [])]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_PATIENCE_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{program}: {error}", denied=False) from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SettingsError(words, denied="Permission denied" in words)
    return of_document(parse(done.stdout.decode(errors="replace")))


def installed() -> str:
    """The agent's program: from PATH, else beside this Python; empty where there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), PROGRAM)
    return shutil.which(PROGRAM) or (beside if os.access(beside, os.X_OK) else "")


def parse(text: str) -> dict[str, Any]:
    """Keys as ``section.key``, with their values; lines of another form are passed over."""
    found: dict[str, Any] = {}
    section = ""
    for line in text.splitlines():
        key, equals, value = line.partition(" = ")
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif equals:
            try:
                found[section + key] = json.loads(value)
            except ValueError:
                continue
    return found


# Keys of agent.toml, by the field here.
_KEYS = {
    "cluster": "cluster",
    "listen": "metrics.listen",
    "page_path": "metrics.path",
    "web_config": "metrics.web_config",
    "socket": "hooks.socket",
    "spool": "spool.path",
    "uplink": "uplink.url",
    "token_file": "uplink.token_file",
    "cgroup_root": "sample.cgroup_root",
    "proc_root": "sample.proc_root",
}


def of_document(document: Mapping[str, Any]) -> Settings:
    """The settings in a parsed document; what is not there keeps its default."""
    told = {name: str(document[key]) for name, key in _KEYS.items() if key in document}
    uids = tuple(int(uid) for uid in document.get("hooks.trusted_uids", Settings.trusted_uids))
    return replace(Settings(known=True, trusted_uids=uids), **told)  # type: ignore[arg-type]
