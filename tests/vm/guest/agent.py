"""The agent as a service without rights in the guest, and what it shows and tells."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import urllib.request

from .slurm import output, until

UNIT = "jobmend-agent"
USER = "jobmend"
PAGE = "http://127.0.0.1:9807/metrics"
SPOOL = "/var/lib/jobmend/spool.db"
CONFIG = "/etc/jobmend/agent.toml"
LIBRARY = "/opt/jobmend"  # the folder in which the package jobmend lies

# As little as a service can be given: no rights, no capability, nothing to write to but its state.
PROPERTIES = (
    f"User={USER}",
    "RuntimeDirectory=jobmend",
    "StateDirectory=jobmend",
    f"Environment=PYTHONPATH={LIBRARY}",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
)


def start() -> None:
    """Start the service and wait for its page."""
    output("python3", "-m", "compileall", "-q", LIBRARY)  # as an installation does
    output("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER)
    properties = [f"--property={line}" for line in PROPERTIES]
    command = ("python3", "-m", "jobmend.agent", "--config", CONFIG)
    output("systemd-run", "--quiet", f"--unit={UNIT}", *properties, *command)
    until(lambda: "jobmend_build_info" in page())


def page() -> str:
    """The page now; empty where nobody answers."""
    try:
        with urllib.request.urlopen(PAGE, timeout=20) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def page_with(*patterns: str, seconds: float = 60.0) -> str:
    """The first page in which every pattern is found, or the last one of ``seconds``."""
    seen = ""

    def found() -> bool:
        nonlocal seen
        seen = page()
        return all(re.search(pattern, seen) for pattern in patterns)

    until(found, seconds)
    return seen


def page_of_root() -> str:
    """What one look with every right would show."""
    command = ["python3", "-m", "jobmend.agent", "--config", CONFIG, "--once"]
    done = subprocess.run(
        command, env={"PYTHONPATH": LIBRARY, "PATH": "/usr/bin"}, check=True, capture_output=True
    )
    return done.stdout.decode()


def told() -> list[str]:
    """The events in the spool, as the JSON the brain would get."""
    with sqlite3.connect(f"file:{SPOOL}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT body FROM messages WHERE kind = 'event' ORDER BY id")
        return [body.decode() for (body,) in rows]


def log() -> str:
    """What the service logged."""
    return output("journalctl", "--no-pager", "--output=cat", f"--unit={UNIT}")


def process() -> dict[str, str]:
    """Status lines of the service's process, such as Uid, CapEff and VmRSS."""
    pid = output("systemctl", "show", "--property=MainPID", "--value", UNIT)
    with open(f"/proc/{pid}/status") as status:
        pairs = (line.split(":", 1) for line in status)
        return {name: value.strip() for name, value in pairs}
