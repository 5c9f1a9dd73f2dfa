"""A real Slurm for the session: three nodes, two sites, the hook as it is shipped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.records import RunRecord
from jobmend.plugins.slurm.rest import RestAccess
from jobmend.plugins.slurm.scheduler import SlurmScheduler
from tests.plugins import testbed
from tests.plugins.receiver import Receiver as EventReceiver

REPOSITORY = Path(__file__).parents[3]
NODE_SIDE = ("__init__.py", "jobs", "plugins")  # what the hook needs of the package
# Slurm's user runs the hook too, and may enter neither a checkout nor an interpreter of root's.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
# The hook tells nothing once it has taken longer than it may, as it does on a busy machine. What it
# tells is tested here, how long it takes in test_hook.py: so it has almost as long as the script.
LAUNCHER = f"""\
#!{PYTHON} -IS
import sys
sys.path.insert(0, "{{folder}}")
import jobmend.plugins.hook as telling
import jobmend.plugins.slurm.hook as hook
telling.PATIENCE_SECONDS, hook.LIMIT_SECONDS = 0.5, 0.9
hook.main()
"""


class Receiver(EventReceiver):
    """A real socket in the agent's place, which keeps nodes' and the controller's hooks apart."""

    def events(self, job_id: str) -> list[JobEvent]:
        """What the nodes' hooks told of one job, in order of arrival."""
        return [event for event in super().events(job_id) if not _of_controller(event)]

    def controller_events(self, job_id: str) -> list[JobEvent]:
        """What the controller's hooks told of one job, in order of arrival."""
        return [event for event in super().events(job_id) if _of_controller(event)]


def _of_controller(event: JobEvent) -> bool:
    return event.kind is EventKind.QUEUED or event.node.startswith("slurmctld@")


@dataclass
class Cluster:
    """The running cluster, and what tests do on it."""

    env: dict[str, str]
    root: Path
    cgroups: str
    nodes: tuple[str, ...]
    hooks: Receiver
    operator_bin: Path  # Slurm's commands, run by an operator who is not root
    rest_url: str = ""  # of slurmrestd

    def run(self, *argv: str) -> str:
        """A Slurm command as root; its output."""
        done = subprocess.run(argv, capture_output=True, timeout=120, env=self.env, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout.decode(errors="replace").strip()

    def unfit(self) -> dict[str, str]:
        """State and reason of each node on which no job may run, by the words sinfo(1) has for it.

        What it calls planned, completing or mixed is at work.
        """
        listed = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T %E").splitlines()
        told = {name: state for name, _, state in (line.partition(" ") for line in listed)}
        assert set(told) == set(self.nodes)
        bad = ("drain", "down", "fail", "error", "inval", "unknown", "*")
        return {
            name: state
            for name, state in told.items()
            if any(word in state.split()[0] for word in bad)
        }

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

    def wait(self, address: str, *states: str, seconds: float = 120.0) -> str:
        """Wait until the controller says one of ``states``."""
        deadline = time.monotonic() + seconds
        while (state := self.state(address)) not in states:
            assert time.monotonic() < deadline, f"job {address} is {state}, not {states}"
            time.sleep(0.1)
        return state

    def scheduler(
        self, workflow_from: Sequence[str] = ("comment", "name"), reader: str = "sacct"
    ) -> SlurmScheduler:
        """The plugin, working as the operator."""
        rest = self.rest_access() if reader == "rest" else None
        commands = str(self.operator_bin)
        return SlurmScheduler(
            "testbed", workflow_from, commands, self.env, reader=reader, rest=rest
        )

    def rest_access(self, user: str = "tester2") -> RestAccess:
        """slurmrestd, with a new token of a user: the operator."""
        path = self.root / f"token-{user}"
        token = self.run("scontrol", "token", f"username={user}", "lifespan=3600")
        path.touch(mode=0o600)
        path.write_text(token)
        return RestAccess(self.rest_url, user, path)

    def record(
        self, scheduler: SlurmScheduler, job_id: str, attempt: int = 0, ended: bool = True
    ) -> RunRecord:
        """One run of a job, out of history; waits until accounting has it (and its end)."""
        deadline = time.monotonic() + 120
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
    extra = {"SLURM_NODE_CPUS": "4", "SLURM_EXTRA": _extra(base, nodes), "SLURM_REST": "1"}
    env = {**os.environ, **settings, **extra}
    try:
        told = testbed.up("slurm-up", env, 280)
        plain = {"PATH": os.environ["PATH"], "SLURM_CONF": told["SLURM_CONF"]}
        cluster = Cluster(
            plain,
            Path(told["JOBMEND_SLURM_ROOT"]),
            told["JOBMEND_SLURM_CGROUPS"],
            nodes,
            hooks,
            _operator_bin(base),
            told["JOBMEND_SLURM_REST"],
        )
        cluster.run("sacctmgr", "-i", "modify", "user", "tester2", "set", "adminlevel=Operator")
        yield cluster
    finally:
        testbed.down("slurm-down", env)
        stop()
        shutil.rmtree(base, ignore_errors=True)


def _extra(base: Path, nodes: Sequence[str]) -> str:
    """The shipped hook and the shipped slurm.conf lines, with this test's paths, and two sites."""
    hook = base / "jobmend-hook"
    text = (REPOSITORY / "etc/slurm/jobmend-hook").read_text()
    text = re.sub(r"^HOOK=.*", f"HOOK={_installed(base)}", text, flags=re.M)
    text = re.sub(r"^(JOBMEND_HOOK_SOCKET)=.*", rf"\1={base}/hook.sock", text, flags=re.M)
    hook.write_text(text)
    hook.chmod(0o755)
    examples = ("jobmend.conf.example", "jobmend-controller.conf.example")
    shipped = "\n".join((REPOSITORY / "etc/slurm" / name).read_text() for name in examples)
    sites = (
        f"PartitionName=siteA Nodes={nodes[0]} DefMemPerCPU=200 State=UP\n"
        f"PartitionName=siteB Nodes={nodes[1]},{nodes[2]} DefMemPerCPU=200 State=UP\n"
    )
    return shipped.replace("/etc/slurm/jobmend-hook", str(hook)) + sites


def _installed(base: Path) -> Path:
    """The hook's program, installed where every user can run it, for the system's Python."""
    package = base / "lib" / "jobmend"
    for name in NODE_SIDE:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        package.mkdir(parents=True, exist_ok=True)
        copy(source, package / name)
    program = base / "jobmend-slurm-hook"
    program.write_text(LAUNCHER.format(folder=package.parent))
    program.chmod(0o755)
    return program


def _operator_bin(base: Path) -> Path:
    folder = base / "bin"
    folder.mkdir()
    for command in ("sacct", "sacctmgr", "scancel", "scontrol", "sinfo", "squeue"):
        script = folder / command
        user = "setpriv --reuid=tester2 --regid=tester2 --init-groups"
        script.write_text(f'#!/bin/sh\nexec {user} /usr/bin/{command} "$@"\n')
        script.chmod(0o755)
    return folder
