"""A real HTCondor pool for the session: one node, with the hooks as they are shipped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from jobmend.jobs.events import JobEvent
from tests.plugins import testbed
from tests.plugins.receiver import Receiver

REPOSITORY = Path(__file__).parents[3]
NODE_SIDE = ("__init__.py", "jobs", "plugins")  # what the hooks need of the package
PACKAGE = "/opt/jobmend"  # where the pool sees it
REMOVED, COMPLETED = "3", "4"  # JobStatus
# The hook tells nothing once it has taken longer than it may, as it does on a busy machine. What it
# tells is tested here, how long it takes in test_hook.py: so it has almost as long as the script.
LAUNCHER = """\
#!/usr/bin/python3 -IS
import sys
sys.path.insert(0, "{package}")
import jobmend.plugins.hook as telling
import jobmend.plugins.htcondor.{module} as program
telling.PATIENCE_SECONDS, program.LIMIT_SECONDS = 0.5, 0.9
program.main()
"""


@dataclass
class Pool:
    """The running pool, and what tests do on it."""

    env: dict[str, str]  # for clients out here: PATH, CONDOR_CONFIG
    root: Path  # etc/config.d, log/ with EventLog, spool/, tokens/
    user: str  # the job user
    home: Path  # whose home this is, as seen out here
    cgroups: str  # v1: HTCondor's view was shaped; native: it sees what is mounted
    base_cgroup: str  # BASE_CGROUP
    node: str  # the machine's name
    run_directory: Path  # the pool's /run/jobmend
    hooks: Receiver
    _stops: list[Callable[[], None]] = field(default_factory=list)

    @property
    def token_dir(self) -> Path:
        """A directory with an IDTOKEN of root@testbed.local, who may do everything."""
        return self.root / "tokens"

    def inside(self, *argv: str, user: str | None = None, check: bool = True) -> str:
        """The output of a command inside the pool, as root or as ``user``."""
        who = ["-u", user] if user else []
        done = subprocess.run(
            [self.root / "in", *who, *argv], capture_output=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout.decode(errors="replace").strip()

    def submit(self, script: str, *lines: str, queue: str = "queue") -> str:
        """Submit a shell line as the job user, with further lines of a submit file; the cluster."""
        file = self.home / f"{time.monotonic_ns()}.sub"
        quoted = script.replace('"', '""').replace("'", "''")
        text = [
            "executable = /bin/sh",
            f"arguments = \"-c '{quoted}'\"",
            "request_memory = 100",
            *lines,
            queue,
        ]
        file.write_bytes(os.fsencode("\n".join(text) + "\n"))
        file.chmod(0o644)
        told = self.inside(
            "condor_submit", "-terse", f"/home/{self.user}/{file.name}", user=self.user
        )
        return told.split(".")[0]

    def submit_one(self, script: str, *lines: str) -> str:
        """Submit one job; its id, such as ``3.0``."""
        return f"{self.submit(script, *lines)}.0"

    def attribute(self, job: str, name: str) -> str:
        """An attribute of a job in the queue, else in history, as condor_q prints it."""
        for command in ("condor_q", "condor_history"):
            told = self.inside(command, job, "-af:r", name)
            if told:
                return told.splitlines()[0]
        return ""

    def wait(self, job: str, *statuses: int, seconds: float = 120.0) -> int:
        """Wait until the job's JobStatus is one of ``statuses``; an end is one in the history."""
        deadline = time.monotonic() + seconds
        while (status := self._status(job)) not in statuses:
            assert time.monotonic() < deadline, f"job {job} is {status}, not {statuses}"
            time.sleep(0.3)
        return status

    def process(self, job: str) -> JobEvent:
        """What the hooks told first of the job's processes; waits until they run."""
        deadline = time.monotonic() + 120
        while True:
            for event in self.hooks.events(job):
                if event.facts.pid:
                    return event
            assert time.monotonic() < deadline, f"no hook told that job {job} runs"
            time.sleep(0.1)

    def _status(self, job: str) -> int:
        """Its JobStatus; 0 while no schedd answers, and while a job that ended leaves the queue."""
        queued = self.inside("condor_q", job, "-af", "JobStatus", check=False)
        told = queued or self.inside("condor_history", job, "-af", "JobStatus", check=False)
        ends = queued in (REMOVED, COMPLETED)
        return int(told) if told.isdigit() and not ends else 0

    def configure(self, name: str, text: str) -> None:
        """Put a file into config.d, or take it away where ``text`` is empty, and reconfigure."""
        file = self.root / "etc" / "config.d" / name
        if text:
            file.write_text(text)
            file.chmod(0o644)
        else:
            file.unlink(missing_ok=True)
        self.inside("condor_reconfig")

    def daemon(self, name: str) -> psutil.Process:
        """A daemon of this pool, such as ``condor_schedd``; master starts it anew when it dies."""
        mark = ("JOBMEND_TESTBED_CONDOR", f"{self.root}/")
        for one in psutil.process_iter(["name", "environ"]):
            if one.info["name"] == name and mark in (one.info["environ"] or {}).items():
                return one
        raise AssertionError(f"this pool has no {name}")

    def listen(self) -> None:
        """Hear the hooks in :attr:`hooks`, in the agent's place."""
        self._stops.append(self.hooks.listen())

    def deaf(self) -> None:
        """Hear them no more: the socket is gone."""
        while self._stops:
            self._stops.pop()()

    @contextmanager
    def socket_free(self) -> Iterator[Path]:
        """The path of the hooks' socket, for an agent of the caller's own."""
        self.deaf()
        try:
            yield self.hooks.path
        finally:
            self.listen()


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """The pool; skipped where it cannot be, which JOBMEND_TEST_REQUIRE=all makes a failure."""
    if os.geteuid() != 0:
        pytest.skip("a real HTCondor needs root")
    if not Path("/etc/debian_version").exists():
        pytest.skip("a real HTCondor comes from Debian's packages, and this is not Debian")
    base = Path(tempfile.mkdtemp(prefix="jm", dir="/tmp"))  # short, and others may enter it
    base.chmod(0o755)
    run = base / "run"
    run.mkdir(mode=0o755)
    installed = _install(base / "node")
    settings = {
        "JOBMEND_TESTBED": str(base),
        "CONDOR_BIND": f"{installed}:{PACKAGE} {run}:/run/jobmend",
        "CONDOR_CONFIG_EXTRA": str(_extra(base)),
        "CONDOR_CPUS": "8",
        "CONDOR_MEM": "4000",
    }
    env = {**os.environ, **settings}
    started: Pool | None = None
    try:
        started = _pool(testbed.up("condor-up", env, 580), run)
        started.inside("python3", "-m", "compileall", "-q", PACKAGE)
        started.listen()
        yield started
    finally:
        if started is not None:
            started.deaf()
        testbed.down("condor-down", env)
        shutil.rmtree(base, ignore_errors=True)


def _pool(told: dict[str, str], run: Path) -> Pool:
    root, user = Path(told["JOBMEND_CONDOR_ROOT"]), told["JOBMEND_CONDOR_USER"]
    pool = Pool(
        {"PATH": os.environ["PATH"], "CONDOR_CONFIG": told["CONDOR_CONFIG"]},
        root,
        user,
        root / "home" / user,
        told["JOBMEND_CONDOR_CGROUPS"],
        told["JOBMEND_CONDOR_BASE_CGROUP"],
        "",
        run,
        Receiver(run / "hook.sock"),
    )
    pool.node = pool.inside("condor_status", "-af", "Machine").splitlines()[0]
    return pool


def _install(folder: Path) -> Path:
    """The node's side as a package installs it: modules, launchers, the shipped script."""
    package = folder / "jobmend"
    package.mkdir(parents=True)
    for name in NODE_SIDE:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, package / name, ignore=shutil.ignore_patterns("__pycache__", "local")
            )
        else:
            shutil.copy(source, package / name)
    programs = {"jobmend-condor-hook": "hook", "jobmend-condor-node": "node_health"}
    for name, module in programs.items():
        (folder / name).write_text(LAUNCHER.format(package=PACKAGE, module=module))
    script = (REPOSITORY / "etc/condor/jobmend-hook").read_text()
    script = re.sub(r"^HOOK=.*", f"HOOK={PACKAGE}/jobmend-condor-hook", script, flags=re.M)
    (folder / "condor-hook").write_text(script)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    for name in (*programs, "condor-hook"):
        (folder / name).chmod(0o755)
    return folder


def _extra(base: Path) -> Path:
    """The shipped configuration with this test's paths, and a quicker look at the node."""
    shipped = (REPOSITORY / "etc/condor/50-jobmend.conf").read_text()
    shipped = shipped.replace("/usr/libexec/jobmend/", f"{PACKAGE}/")
    shipped = shipped.replace("/usr/bin/jobmend-condor-node", f"{PACKAGE}/jobmend-condor-node")
    extra = base / "extra.conf"
    extra.write_text(f"{shipped}\nSTARTD_CRON_JOBMEND_PERIOD = 2s\n")
    return extra
