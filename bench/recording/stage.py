"""Where a recording plays: a scheduler, an agent at 0.1 s that sees its jobs alone, a receiver."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from campaigns.slurm_stage import CLUSTER, slurm
from nodes.agent import AgentProcess
from nodes.cgroups import job_cgroups

from .cpu_cgroup import CpuCgroup
from .receiver import Receiver
from .runners import LocalRunner, Runner, SlurmRunner, hooked

PERIOD_SECONDS = 0.1
STEPS = 192  # 19.2 s, in one window a run: the agent cuts it as the job ends
HIERARCHIES = Path("/sys/fs/cgroup")


class RecordingError(Exception):
    """Nothing can be recorded here; the message says why."""


@dataclass(frozen=True)
class Stage:
    """What plays together."""

    runner: Runner
    receiver: Receiver
    agent: AgentProcess
    cpu: CpuCgroup


@contextmanager
def local_stage(steps: int = STEPS) -> Iterator[Stage]:
    """The local plugin; its cgroups are those of this process's benches, removed at the end."""
    if os.geteuid():
        raise RecordingError("jobs get cgroups of their own from root alone; record as root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobmend-record-")))
        jobs = stack.enter_context(job_cgroups(folder / "cgroup"))
        if jobs.kind != "kernel":
            raise RecordingError("no cgroup can be made here; mount the hierarchies for writing")
        instance = jobs.parents[0].name.partition("_")[2]
        for parent in jobs.parents:  # the plugin removes a parent without children
            (parent / "keep").mkdir()
        os.environ["JOBMEND_LOCAL_INSTANCE"] = instance
        cpu = CpuCgroup(jobs.parents[0].name)
        stack.callback(cpu.remove)
        receiver = stack.enter_context(Receiver())
        agent = stack.enter_context(
            AgentProcess(folder / "a", jobs.root, settings(receiver, steps))
        )
        adopt(agent, cpu)
        hooked(agent.hook_socket)
        runner = LocalRunner(folder / "local", "bench")
        stack.callback(runner.close)
        yield Stage(runner, receiver, agent, cpu)


@contextmanager
def slurm_stage(steps: int = STEPS) -> Iterator[Stage]:
    """The testbed's Slurm and its shipped hooks."""
    with ExitStack() as stack:
        base = stack.enter_context(slurm())
        cpu = CpuCgroup(f"jobmend_r{os.getpid()}")
        stack.callback(cpu.remove)
        receiver = stack.enter_context(Receiver())
        root = shown(base / "cgroup", f"slurm_jm{os.getpid()}*")
        hooks = f'[hooks]\nsocket = "{base}/hook.sock"\n'
        told = f'cluster = "{CLUSTER}"\n{settings(receiver, steps)}{hooks}'
        agent = stack.enter_context(AgentProcess(base / "a", root, told))
        adopt(agent, cpu)
        yield Stage(SlurmRunner(base), receiver, agent, cpu)


def shown(folder: Path, pattern: str) -> Path:
    """A root that leads to the cgroups of ``pattern`` alone: others work on this machine too."""
    for found in HIERARCHIES.glob(f"*/{pattern}"):
        (folder / found.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / found.parent.name / found.name).symlink_to(found)
    if not folder.exists():
        raise RecordingError(f"{HIERARCHIES}: no cgroup {pattern}; Slurm confines no jobs here")
    return folder


def adopt(agent: AgentProcess, cpu: CpuCgroup) -> None:
    """Let the agent compute beside the jobs: late samples are lost ones."""
    if cpu.path is not None:
        cpu.entering("agent")
        (cpu.path / "agent" / "cgroup.procs").write_text(str(agent.pid))


def settings(receiver: Receiver, steps: int) -> str:
    """The agent's configuration beyond its places."""
    return f"""\
[sample]
period_seconds = {PERIOD_SECONDS}
ring_seconds = {max(60, 1.5 * steps * PERIOD_SECONDS):g}
[window]
steps = {steps}
interval_seconds = 3600
[uplink]
url = "{receiver.url}"
interval_seconds = 0.2
[watch]
contention_seconds = 20
"""
