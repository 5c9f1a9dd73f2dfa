"""A real Slurm for the session: three nodes, two sites, the hook as it is shipped."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.records import RunRecord
from jobmend.plugins.slurm.scheduler import SlurmScheduler

REPOSITORY = Path(__file__).parents[3]
TESTBED = REPOSITORY / "tests" / "testbed"


@dataclass
class Receiver:
    """A real socket in the agent's place, read at once, all datagrams kept."""

    path: Path
    datagrams: list[bytes] = field(default_factory=list)

    def listen(self) -> Callable[[], None]:
        """Start receiving; returns how to stop."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        channel.bind(str(self.path))

        def receive() -> None:
            while data := channel.recv(65536):
                self.datagrams.append(data)

        thread = threading.Thread(target=receive)
        thread.start()

        def stop() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(self.path))
            thread.join()
            channel.close()

        return stop

    def events(self, job_id: str) -> list[JobEvent]:
        """What the hooks told of one job, in order of arrival."""
        messages = [wire.loads(data) for data in self.datagrams]
        return [
            message
            for message in messages
            if isinstance(message, JobEvent) and message.run.job_id == job_id
        ]


@dataclass
class Cluster:
    """The running cluster, and what tests do on it."""

    env: dict[str, str]
    root: Path
    cgroups: str
    nodes: tuple[str, ...]
    hooks: Receiver
    operator_bin: Path  # Slurm's commands, run by an operator who is not root

    def run(self, *argv: str) -> str:
        """A Slurm command as root; its output."""
        done = subprocess.run(argv, capture_output=True, timeout=60, env=self.env, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout.decode(errors="replace").strip()

    def submit(self, script: str, *options: str) -> str:
        """Submit a shell line as the job user; the job id."""
        user = ["setpriv", "--reuid=tester", "--regid=tester", "--init-groups"]
        sbatch = ["sbatch", "--parsable", "--output=/dev/null", "--chdir=/", *options]
        return self.run(*user, *sbatch, f"--wrap={script}")

    def state(self, address: str) -> str:
        """The job's state as the controller knows it, such as COMPLETED."""
        shown = self.run("scontrol", "show", "job", "--oneliner", address)
        return str(re.findall(r" JobState=(\w+)", shown)[-1])

    def raw_ids(self, array: str) -> list[str]:
        """The job ids of the array's tasks, in no order."""
        shown = self.run("scontrol", "show", "job", "--oneliner", array)
        return re.findall(r"\bJobId=(\d+)", shown)

    def accounting(self, job_id: str) -> tuple[str, str]:
        """State and ExitCode of the job's last run, as a person reads them in sacct."""
        listed = self.run("sacct", "-nXP", "-o", "JobIDRaw,State,ExitCode", "-j", job_id)
        rows = [line.split("|") for line in listed.splitlines()]
        return next((state, code) for raw, state, code in rows if raw == job_id)

    def wait(self, address: str, *states: str, seconds: float = 60.0) -> str:
        """Wait until the controller says one of ``states``."""
        deadline = time.monotonic() + seconds
        while (state := self.state(address)) not in states:
            assert time.monotonic() < deadline, f"job {address} is {state}, not {states}"
            time.sleep(0.1)
        return state

    def scheduler(self, workflow_from: Sequence[str] = ("comment", "name")) -> SlurmScheduler:
        """The plugin, working as the operator."""
        return SlurmScheduler("testbed", workflow_from, str(self.operator_bin), self.env)

    def record(
        self, scheduler: SlurmScheduler, job_id: str, attempt: int = 0, ended: bool = True
    ) -> RunRecord:
        """One run of a job, out of history; waits until accounting has it (and its end)."""
        deadline = time.monotonic() + 20
        while True:
            told = {
                event.kind: event
                for event in scheduler.history(time.time() - 600)
                if event.run.job_id == job_id and event.facts.attempt == attempt
            }
            if (EventKind.OUTCOME if ended else EventKind.START) in told:
                start, end = told.get(EventKind.START), told.get(EventKind.OUTCOME)
                event = next(iter(told.values()))
                return RunRecord(
                    event.run,
                    event.facts,
                    started=start.time if start else None,
                    ended=end.time if end else None,
                    exit=end.exit if end else None,
                )
            assert time.monotonic() < deadline, f"accounting never told of job {job_id}: {told}"
            time.sleep(0.2)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """The cluster; skipped where it cannot be, which JOBMEND_TEST_REQUIRE=all makes a failure."""
    if os.geteuid() != 0:
        pytest.skip("a real Slurm needs root")
    if not Path("/etc/debian_version").exists():
        pytest.skip("a real Slurm comes from Debian's packages, and this is not Debian")
    base = Path(tempfile.mkdtemp(prefix="jm", dir="/tmp"))  # short, and others may enter it
    base.chmod(0o755)
    hooks = Receiver(base / "hook.sock")
    stop = hooks.listen()
    nodes = tuple(f"jm{os.getpid()}n{number}" for number in (1, 2, 3))
    settings = {"JOBMEND_TESTBED": str(base), "SLURM_NODES": ",".join(nodes)}
    env = {**os.environ, **settings, "SLURM_NODE_CPUS": "4", "SLURM_EXTRA": _extra(base, nodes)}
    try:
        lines = subprocess.run(
            [TESTBED / "slurm-up"], env=env, check=True, timeout=280, stdout=subprocess.PIPE
        ).stdout.decode()
        told = dict(shlex.split(line)[1].split("=", 1) for line in lines.splitlines())
        plain = {"PATH": os.environ["PATH"], "SLURM_CONF": told["SLURM_CONF"]}
        cluster = Cluster(
            plain,
            Path(told["JOBMEND_SLURM_ROOT"]),
            told["JOBMEND_SLURM_CGROUPS"],
            nodes,
            hooks,
            _operator_bin(base),
        )
        cluster.run("sacctmgr", "-i", "modify", "user", "tester2", "set", "adminlevel=Operator")
        yield cluster
    finally:
        subprocess.run([TESTBED / "slurm-down"], env=env, check=True, timeout=60)
        stop()
        shutil.rmtree(base, ignore_errors=True)


def _extra(base: Path, nodes: Sequence[str]) -> str:
    """The shipped hook and the shipped slurm.conf lines, with this test's paths, and two sites."""
    hook = base / "jobmend-hook"
    text = (REPOSITORY / "etc/slurm/jobmend-hook").read_text()
    console_script = Path(sys.executable).with_name("jobmend-slurm-hook")
    text = re.sub(r"^HOOK=.*", f"HOOK={console_script}", text, flags=re.M)
    text = re.sub(r"^(JOBMEND_HOOK_SOCKET)=.*", rf"\1={base}/hook.sock", text, flags=re.M)
    hook.write_text(text)
    hook.chmod(0o755)
    shipped = (REPOSITORY / "etc/slurm/jobmend.conf.example").read_text()
    sites = (
        f"PartitionName=siteA Nodes={nodes[0]} DefMemPerCPU=200 State=UP\n"
        f"PartitionName=siteB Nodes={nodes[1]},{nodes[2]} DefMemPerCPU=200 State=UP\n"
    )
    return shipped.replace("/etc/slurm/jobmend-hook", str(hook)) + sites


def _operator_bin(base: Path) -> Path:
    folder = base / "bin"
    folder.mkdir()
    for command in ("sacct", "squeue", "scontrol", "scancel"):
        script = folder / command
        user = "setpriv --reuid=tester2 --regid=tester2 --init-groups"
        script.write_text(f'#!/bin/sh\nexec {user} /usr/bin/{command} "$@"\n')
        script.chmod(0o755)
    return folder
