"""An agent in a process of its own, and real cgroups for what it measures."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
from prometheus_client.parser import text_string_to_metric_families

from jobmend.agent.config import Config, render
from jobmend.jobs import wire
from jobmend.jobs.events import JobEvent
from jobmend.plugins.hook import tell
from tests.ports import reserved_port

CGROUPS = Path("/sys/fs/cgroup")
_HOOK_TRIES = 1000


class Series(NamedTuple):
    """One sample of a page."""

    name: str
    labels: dict[str, str]
    value: float


class Running:
    """What can be seen of an agent from outside."""

    def __init__(self, config: Config, process: subprocess.Popen[bytes]) -> None:
        self.config = config
        self.process = process

    def page(self) -> bytes:
        with urllib.request.urlopen(f"http://{self.config.metrics.listen}/metrics") as answer:
            page: bytes = answer.read()
        return page

    def series(self) -> list[Series]:
        return parsed(self.page())

    def of_job(self, job_id: str) -> list[Series]:
        return [one for one in self.series() if one.labels.get("jobid") == job_id]

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def hear(self, event: JobEvent) -> int:
        """Tell it as a hook does; how often the socket turned the hook away before.

        An event it was never given is not one it lost, so that is tried again.
        """
        for tries in range(_HOOK_TRIES):
            if tell(wire.event_body(event), self.config.hooks.socket):
                return tries
        raise AssertionError(f"the agent took none of {_HOOK_TRIES} datagrams")

    def spooled(self) -> list[wire.Message]:
        with closing(sqlite3.connect(f"file:{self.config.spool.path}?mode=ro", uri=True)) as spool:
            rows = spool.execute("SELECT body FROM messages ORDER BY id").fetchall()
        return [wire.loads(body) for (body,) in rows]

    def events(self, job_id: str) -> list[JobEvent]:
        told = [one for one in self.spooled() if isinstance(one, JobEvent)]
        return [one for one in told if one.run.job_id == job_id]


def parsed(page: bytes) -> list[Series]:
    families = text_string_to_metric_families(page.decode())
    return [Series(*one[:3]) for family in families for one in family.samples]


@contextmanager
def running(config: Config, folder: Path) -> Iterator[Running]:
    """An agent of ``config``, on a port of its own; its log must tell of no error at the end."""
    with reserved_port() as port:
        listen = f"127.0.0.1:{port}"
        with _running(
            replace(config, metrics=replace(config.metrics, listen=listen)), folder
        ) as it:
            yield it


@contextmanager
def _running(config: Config, folder: Path) -> Iterator[Running]:
    (folder / "running.toml").write_text(render(config))
    command = [sys.executable, "-m", "jobmend.agent", "--config", str(folder / "running.toml")]
    with (folder / "running.log").open("wb") as log:
        process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log)
    try:
        until(lambda: answers(config.metrics.listen) or process.poll() is not None)
        assert process.poll() is None, (folder / "running.log").read_text()
        yield Running(config, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()
    words = (folder / "running.log").read_text(errors="replace")
    assert (process.returncode, re.findall("Traceback|^ERROR.*", words, re.M)) == (0, []), words


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in steps of the kernel's clock tick."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def make_cgroup(directory: Path) -> None:
    """Make a cgroup; a v1 cpuset gets the CPUs of its parent, without which it takes no process."""
    directory.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        file, above = directory / name, directory.parent / name
        if file.exists() and above.exists() and above.read_text().strip():
            file.write_text(above.read_text())


def remove_cgroup(directory: Path) -> None:
    """Remove a cgroup once the kernel has buried its processes."""
    for _ in range(100):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
