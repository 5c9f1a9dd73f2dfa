"""A real cluster under another slurm.conf, or without a node, for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.plugins.slurm.conftest import Cluster

PATIENCE_SECONDS = 120.0
START_SECONDS = 20.0  # after which a slurmd that is not there is taken for dead


@contextmanager
def configured(cluster: Cluster, change: Callable[[str], str]) -> Iterator[None]:
    """The cluster with a changed slurm.conf, as long as the block lasts."""
    file = cluster.root / "etc" / "slurm.conf"
    before = file.read_text()
    try:
        _reconfigure(cluster, file, change(before))
        yield
    finally:
        _reconfigure(cluster, file, before)


def _reconfigure(cluster: Cluster, file: Path, text: str) -> None:
    """Put a file in its place at once: a daemon may still read it for the last change."""
    if text != file.read_text():
        beside = file.with_name("slurm.conf.new")
        beside.write_text(text)
        beside.chmod(file.stat().st_mode & 0o777)
        beside.replace(file)
        before = _reconfigurations(cluster)
        cluster.run("scontrol", "reconfigure")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(now <= then for now, then in zip(_reconfigurations(cluster), before)):
            assert time.monotonic() < deadline, "a slurmd did not read the new slurm.conf"
            time.sleep(0.1)


def _reconfigurations(cluster: Cluster) -> list[int]:
    """How often each slurmd was told to read slurm.conf; until it has, it takes no job."""
    logs = (cluster.root / "log" / f"slurmd.{node}.log" for node in cluster.nodes)
    return [log.read_text(errors="replace").count("got reconfigure request") for log in logs]


class LostNode:
    """A node whose slurmd is killed and comes back."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node

    def kill(self) -> None:
        os.kill(int(self._pid_file().read_text()), signal.SIGKILL)

    def revive(self) -> None:
        """Start its slurmd, which may die of that on a busy machine, and wait until it is fit."""
        began = time.monotonic()
        deadline, again = began + PATIENCE_SECONDS, began + START_SECONDS
        self._start()
        while state := self._cluster.unfit().get(self._node):
            assert time.monotonic() < deadline, f"node {self._node} is {state}"
            time.sleep(0.5)
            if time.monotonic() > again and not self._lives():
                again = time.monotonic() + START_SECONDS
                self._start()

    def _pid_file(self) -> Path:
        return self._cluster.root / "run" / f"slurmd.{self._node}.pid"

    def _lives(self) -> bool:
        pid = self._pid_file().read_text().strip()
        return pid.isdigit() and Path(f"/proc/{pid}").exists()

    def _start(self) -> None:
        command = ["slurmd", "-N", self._node, "-f", self._cluster.env["SLURM_CONF"]]
        env = {**self._cluster.env, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        null = subprocess.DEVNULL
        subprocess.run(
            command, env=env, check=True, timeout=60, stdin=null, stdout=null, stderr=null
        )
