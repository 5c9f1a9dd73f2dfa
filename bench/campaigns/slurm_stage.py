"""A real Slurm for a campaign: two sites of one node each, the shipped hooks, one agent."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaigns.scenarios import BAD_SITE, GOOD_SITE

ROOT = Path(__file__).parents[2]
TESTBED = ROOT / "tests" / "testbed"
CLUSTER = "testbed"


@contextmanager
def slurm() -> Iterator[Path]:
    """Start the cluster and yield a directory that jobs may enter; SLURM_CONF is set meanwhile."""
    base = Path(tempfile.mkdtemp(prefix="jmc", dir="/tmp"))  # short: unix sockets live below it
    base.chmod(0o755)
    nodes = [f"jm{os.getpid()}{letter}" for letter in "ab"]
    sites = "".join(
        f"PartitionName={site} Nodes={node} DefMemPerCPU=200 State=UP\n"
        for site, node in zip((GOOD_SITE, BAD_SITE), nodes, strict=True)
    )
    settings = {
        "JOBMEND_TESTBED": str(base),
        "SLURM_NODES": ",".join(nodes),
        "SLURM_EXTRA": hook_lines(base) + sites,
    }
    environment = {**os.environ, **settings}
    try:
        lines = subprocess.run(
            [TESTBED / "slurm-up"],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout
        told = dict(shlex.split(line)[1].split("=", 1) for line in lines.splitlines())
        os.environ["SLURM_CONF"] = told["SLURM_CONF"]
        yield base
    finally:
        subprocess.run(
            [TESTBED / "slurm-down"], env=environment, check=True, stderr=subprocess.DEVNULL
        )
        os.environ.pop("SLURM_CONF", None)
        shutil.rmtree(base, ignore_errors=True)


def hook_lines(base: Path) -> str:
    """The shipped slurm.conf lines, their hook calling this environment's console script."""
    hook = base / "jobmend-hook"
    text = (ROOT / "etc" / "slurm" / "jobmend-hook").read_text()
    program = Path(sys.executable).with_name("jobmend-slurm-hook")
    text = re.sub(r"^HOOK=.*", f"HOOK={program}", text, flags=re.M)
    text = re.sub(r"^(JOBMEND_HOOK_SOCKET)=.*", rf"\1={base}/hook.sock", text, flags=re.M)
    hook.write_text(text)
    hook.chmod(0o755)
    shipped = (ROOT / "etc" / "slurm" / "jobmend.conf.example").read_text()
    return shipped.replace("/etc/slurm/jobmend-hook", str(hook))


def drained_nodes() -> str:
    """Names of drained nodes, empty when there is none."""
    command = ["sinfo", "--noheader", "--states=drain", "--format=%N"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
