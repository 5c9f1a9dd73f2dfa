"""STARTD_CRON's program: what the agent thinks of this node, as attributes of the machine ad.

It reads the small file that the agent renews. A file that is old or missing means that no agent
runs; that makes no node unhealthy, because a monitoring failure must not drain one. What the agent
does not tell is absent.

Source: the manual, "Startd Cron and Schedd Cron Daemon ClassAd Hooks": attributes on lines of their
own, and ``- update:true`` to publish them at once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

DEFAULT_PATH = "/run/jobmend/node.json"
PATH_VARIABLE = "JOBMEND_NODE_FILE"
STALE_SECONDS = 60.0  # without news from the agent
MAX_BYTES = 64 * 1024
MAX_REASON = 256  # characters

# Attributes, and the key in the agent's file each is taken from (agent/standing.py).
TRUTHS = {"JobmendNodeHealthy": "healthy"}
NUMBERS = {
    "JobmendStalledJobs": "stalled_jobs",
    "JobmendContendedJobs": "contended_jobs",
    "JobmendAnomalyScore": "anomaly_score",
}


def main() -> None:
    """Print the attributes and exit 0. A path may be given in place of the default one."""
    paths = [argument for argument in sys.argv[1:] if argument.startswith("/")]
    path = paths[0] if paths else os.environ.get(PATH_VARIABLE) or DEFAULT_PATH
    sys.stdout.write(attributes(read(path), time.time()))


def read(path: str) -> bytes:
    """The agent's file, or nothing where there is none that can be read."""
    try:
        place = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(place, MAX_BYTES)
    except OSError:
        return b""
    finally:
        os.close(place)


def attributes(data: bytes, now: float) -> str:
    """The lines for the startd out of the agent's file, at ``now`` in seconds since the epoch."""
    told = _told(data)
    written = _number(told.get("time"))
    up = written is not None and abs(now - written) <= STALE_SECONDS
    lines = [f"JobmendAgentUp = {_truth(up)}", f"JobmendTime = {int(now)}"]
    if up:
        for name, key in TRUTHS.items():
            if isinstance(told.get(key), bool):
                lines.append(f"{name} = {_truth(told[key])}")
        for name, key in NUMBERS.items():
            number = _number(told.get(key))
            if number is not None:
                lines.append(f"{name} = {number:g}")
        lines.append(f"JobmendNodeReason = {_quoted(told.get('reason'))}")
    return "\n".join([*lines, "- update:true", ""])


def _told(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _number(value: object) -> float | None:
    """A finite number that is not negative, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value < 1e15 else None


def _quoted(value: object) -> str:
    """A ClassAd string: printable ASCII without quotes and backslashes."""
    text = value[:MAX_REASON] if isinstance(value, str) else ""
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else "_" for c in text) + '"'


if __name__ == "__main__":
    main()
