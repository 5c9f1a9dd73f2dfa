"""Jobs go on, whatever becomes of the agent: killed, hung, its directory gone. No node drains.

One real agent hears the hooks of all nodes, until it does not. What it misses, accounting tells.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.agent.config import Config, Hooks, Metrics, Spool, render
from jobmend.brain import ingest, runs
from jobmend.brain.brain import Brain, assemble
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.identity import Run
from tests.agent.running import answers, until
from tests.brain.scene import config_of
from tests.ports import reserved_port

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

OF_A_PHASE = 15
PHASES = ("up", "killed", "hung", "gone", "back")
# What a job does, by the turn it comes, with how accounting calls its end and the key of our exit.
ENDS = (
    ("sleep 0.5; exit 0", "COMPLETED", "exit:0"),
    ("sleep 0.5; exit 3", "FAILED", "exit:3"),
    ("sleep 0.5; kill -SEGV $$", "FAILED", "signal:11"),
)


class Agent:
    """An agent in a process of its own, which can be treated badly."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home = folder / "run"  # where its socket is
        self.spool = folder / "spool.db"
        self.listen = f"127.0.0.1:{port}"
        config = Config(
            cluster="testbed",
            metrics=Metrics(listen=self.listen),
            hooks=Hooks(socket=str(self.home / "hook.sock")),
            spool=Spool(path=str(self.spool)),
        )
        self._config = folder / "agent.toml"
        self._config.write_text(render(config))
        self.log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "jobmend.agent", "--config", str(self._config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log)
        until(lambda: answers(self.listen) and (self.home / "hook.sock").exists())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def events(self, nodes: Sequence[str]) -> list[JobEvent]:
        """What the hooks of these nodes told it."""
        with closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True)) as spool:
            rows = spool.execute("SELECT body FROM messages ORDER BY id").fetchall()
        messages = [wire.loads(body) for (body,) in rows]
        return [one for one in messages if isinstance(one, JobEvent) and one.node in nodes]

    def heard(self, kind: EventKind, nodes: Sequence[str]) -> set[str]:
        """The jobs of which they told it such an event."""
        return {event.run.job_id for event in self.events(nodes) if event.kind is kind}


@contextmanager
def heard_by(slurm: Cluster, agent: Agent) -> Iterator[None]:
    """The cluster's hooks tell this agent for a while."""
    script = slurm.hooks.path.parent / "jobmend-hook"
    before = script.read_text()
    line = f"JOBMEND_HOOK_SOCKET={agent.home}/hook.sock"
    _replace(script, re.sub(r"^JOBMEND_HOOK_SOCKET=.*", line, before, flags=re.M))
    try:
        yield
    finally:
        _replace(script, before)


def _replace(script: Path, text: str) -> None:
    new = script.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    os.replace(new, script)


def submit(slurm: Cluster, count: int) -> dict[str, int]:
    """So many jobs; the turn of each."""
    return {
        slurm.submit(ENDS[turn % 3][0], "--mem=50M", "--comment=campaign"): turn % 3
        for turn in range(count)
    }


def ended(slurm: Cluster, jobs: Mapping[str, int]) -> None:
    for job_id, turn in jobs.items():
        slurm.wait(job_id, ENDS[turn][1])


def until_off_the_nodes(slurm: Cluster) -> None:
    """Epilogs are over: no job is completing."""
    deadline = time.monotonic() + 120
    while slurm.run("squeue", "-h", "--states=CG"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def carry_through(slurm: Cluster, agent: Agent) -> dict[str, dict[str, int]]:
    """The phases, one after the other; the jobs of each."""
    phases: dict[str, dict[str, int]] = {}
    for phase in PHASES:
        if phase == "killed":  # in mid-campaign: some have begun, others not
            jobs = submit(slurm, OF_A_PHASE // 2)
            slurm.wait(next(iter(jobs)), "RUNNING", "COMPLETED")
            agent.kill()
            jobs |= submit(slurm, OF_A_PHASE - len(jobs))
        else:
            if phase in ("hung", "back"):
                agent.kill()
                agent.start()
            if phase == "hung":
                agent.send(signal.SIGSTOP)
            elif phase == "gone":
                agent.send(signal.SIGCONT)
                shutil.rmtree(agent.home)
            jobs = submit(slurm, OF_A_PHASE)
        ended(slurm, jobs)
        until_off_the_nodes(slurm)
        if phase in ("up", "back"):
            until_heard(slurm, agent, jobs)
        phases[phase] = jobs
    return phases


def until_heard(slurm: Cluster, agent: Agent, jobs: Mapping[str, int]) -> None:
    """A hook waits for no answer: the agent may still be at what it was told."""
    until(lambda: set(jobs) <= agent.heard(EventKind.END, slurm.nodes))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with reserved_port() as port:
        agent = Agent(tmp_path_factory.mktemp("campaign"), port)
        agent.start()
        yield agent
        agent.kill()


@pytest.fixture(scope="module")
def phases(slurm: Cluster, agent: Agent) -> dict[str, dict[str, int]]:
    with heard_by(slurm, agent):
        return carry_through(slurm, agent)


Phases = Mapping[str, Mapping[str, int]]


def test_no_node_was_drained(slurm: Cluster, phases: Phases) -> None:
    assert sum(map(len, phases.values())) >= 50
    assert slurm.unfit() == {}


def test_every_job_ran_once_and_ended_as_it_should(slurm: Cluster, phases: Phases) -> None:
    jobs = {job_id: turn for of_phase in phases.values() for job_id, turn in of_phase.items()}
    wanted = sorted((job_id, ENDS[turn][1]) for job_id, turn in jobs.items())
    deadline = time.monotonic() + 60
    while (rows := accounted_for(slurm, jobs)) != wanted and time.monotonic() < deadline:
        time.sleep(0.5)  # the controller tells the database of an end some time after it
    assert rows == wanted


def accounted_for(slurm: Cluster, jobs: Iterable[str]) -> list[tuple[str, ...]]:
    """Job id and state of each run of these jobs, as sacct has them."""
    listed = slurm.run("sacct", "-nXPD", "-o", "JobIDRaw,State", "-j", ",".join(jobs))
    return sorted(tuple(line.split("|")) for line in listed.splitlines())


def test_the_agent_heard_all_while_it_was_well_and_missed_the_rest(
    slurm: Cluster, agent: Agent, phases: Phases
) -> None:
    starts, ends = (agent.heard(kind, slurm.nodes) for kind in (EventKind.START, EventKind.END))
    for phase in ("up", "back"):
        assert set(phases[phase]) <= starts & ends
    for phase in ("killed", "hung"):
        assert set(phases[phase]) - ends
    assert not set(phases["gone"]) & (starts | ends)


def test_what_the_agent_missed_comes_from_accounting(
    slurm: Cluster, agent: Agent, phases: Phases, tmp_path: Path
) -> None:
    wanted = {
        Run("testbed", "slurm", job_id, "0"): ENDS[turn][1:]
        for jobs in phases.values()
        for job_id, turn in jobs.items()
    }
    brain = assemble(config_of(tmp_path), {("testbed", "slurm"): slurm.scheduler()})
    with closing(brain.store):
        events = agent.events(slurm.nodes)
        ingest.take_events(brain.store, events, now=time.time(), max_windows=9)
        deadline = time.monotonic() + 120
        while waits := [run for run in wanted if not accounted(brain, run)]:
            assert time.monotonic() < deadline, f"the brain never heard of {waits}"
            brain.watcher.round()
        for run, end in wanted.items():
            with brain.store.read() as db:
                record = runs.load(db, run)
            assert record is not None and record.exit is not None
            assert (record.exit.state, record.exit.key) == end
            assert record.facts.workflow == "tester/campaign"


def accounted(brain: Brain, run: Run) -> bool:
    with brain.store.read() as db:
        row = db.execute("SELECT accounted FROM runs WHERE key = ?", (run.key,)).fetchone()
    return row is not None and bool(row["accounted"])


def test_the_agent_had_nothing_to_complain_of(agent: Agent, phases: Phases) -> None:
    assert phases and re.findall("Traceback|^ERROR.*", agent.log.read_text(), re.M) == []
