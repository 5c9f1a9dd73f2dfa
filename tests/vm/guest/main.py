"""Runs in the guest: jobs of every kind under the agent's eyes, and writes down what is seen.

Nothing is judged here. ``out/observed.json`` holds pages, events, what the kernel and Slurm said
and what the jobs measured of themselves; the tests outside compare them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import agent, delegated, slurm

OUT = Path("/mnt/share/out")
FORGOTTEN_SECONDS = 60.0  # more than the agent's settings keep anything
SCRAPE_SECONDS = 5.0
BURST = 8

seen: dict[str, Any] = {"jobs": {}, "pages": {}, "kernel": {}, "failures": {}}


def ended(job_id: str) -> str:
    """A pattern of a page that tells how the job ended."""
    return rf'jobmend_job_exit_info{{[^\n]*jobid="{job_id}"'


def running(job_id: str) -> tuple[str, ...]:
    """Patterns of a page that shows the job with its owner and what is counted slowly."""
    job = rf'jobid="{job_id}"'
    return (
        rf"jobmend_job_info{{[^\n]*{job}[^\n]*user=",
        rf"jobmend_job_memory_anon_bytes{{[^\n]*{job}",
        rf"jobmend_job_processes{{[^\n]*{job}",
        rf"jobmend_thread_job_info{{[^\n]*{job}",
    )


def busy() -> None:
    """A job that computes until it is told to stop, and then fails."""
    pages = seen["pages"]
    job = slurm.submit_load("busy", "--ntasks=1", "--mem=150M", "--comment=merge")
    pages["busy early"] = agent.page_with(*running(job.id))
    time.sleep(SCRAPE_SECONDS)
    pages["busy late"] = agent.page()
    pages["busy seen by root"] = agent.page_of_root()
    seen["kernel"]["busy"] = _counted(job.id)
    (slurm.HOME / f"{job.id}.stop").touch()
    seen["jobs"]["busy"] = job.ended()
    pages["busy ended"] = agent.page_with(ended(job.id))


def _counted(job_id: str) -> dict[str, Any]:
    """What the kernel says about a running job."""
    (job,) = Path("/sys/fs/cgroup/system.slice").glob(f"*slurmstepd.scope/job_{job_id}")
    processes = [len(file.read_text().split()) for file in job.glob("**/cgroup.procs")]
    return {
        "cgroup": str(job.relative_to("/sys/fs/cgroup")),
        "controllers": (job / "cgroup.controllers").read_text().split(),
        "cpus": (job / "cpuset.cpus.effective").read_text().strip(),
        "limit": int((job / "memory.max").read_text()),
        "processes": sum(processes),
    }


def greedy() -> None:
    """A job over its memory limit."""
    job = slurm.submit_load("eat", "--mem=60M")
    seen["jobs"]["greedy"] = job.ended()
    seen["pages"]["greedy ended"] = agent.page_with(ended(job.id))


def short() -> None:
    """A job of two seconds that nobody scrapes while it lives."""
    job = slurm.submit_load("short")
    seen["jobs"]["short"] = job.ended()
    seen["pages"]["short ended"] = agent.page_with(ended(job.id))


def burst() -> None:
    """More short jobs than fit on the node at once, so that they come and go together."""
    jobs = [slurm.submit_load("quick", "--mem=60M") for _ in range(BURST)]
    seen["jobs"].update({f"burst {place}": job.ended() for place, job in enumerate(jobs)})


def idle() -> None:
    """A job that sleeps, and an allocation in which nothing was ever started."""
    sleeper = slurm.submit("exec sleep 3600", "--mem=60M")
    empty = slurm.allocate("empty", "--mem=60M")
    for job in (sleeper, empty):
        slurm.wait(job.id, "RUNNING")
    seen["pages"]["idle"] = agent.page_with(*running(sleeper.id))
    slurm.output("scancel", sleeper.id, empty.id)
    seen["jobs"]["idle"] = sleeper.ended()
    seen["jobs"]["empty"] = empty.ended()


def every_controller() -> None:
    """A job's cgroup that has what Slurm gives its jobs only from 25.05 on."""
    job = delegated.start()
    try:
        seen["pages"]["every controller"] = agent.page_with(*running_by_hand())
        seen["kernel"]["every controller"] = delegated.counted()
    finally:
        delegated.stop(job)


def running_by_hand() -> tuple[str, ...]:
    """Patterns of a page that shows the job made by hand, which no hook told of."""
    job = rf'jobid="{delegated.JOB}"[^\n]*}}'
    return (
        rf"jobmend_job_io_write_bytes_total{{[^\n]*{job} [1-9]",
        rf"jobmend_job_threads{{[^\n]*{job} [1-9]",
    )


def forgotten() -> None:
    """Wait until the page has no job any more."""
    slurm.until(lambda: "jobid=" not in agent.page(), FORGOTTEN_SECONDS)
    seen["pages"]["forgotten"] = agent.page()


def attempt(scene: Callable[[], None]) -> None:
    """Play one scene; where it fails, the others are still played."""
    try:
        scene()
    except Exception as error:  # the boundary of a scene
        failed = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
        seen["failures"][scene.__name__] = f"{traceback.format_exc()}\n{failed or ''}"
    print(f"scene {scene.__name__}: {'failed' if scene.__name__ in seen['failures'] else 'done'}")
    sys.stdout.flush()


def finish() -> None:
    """What the agent is and what it told."""
    seen["agent"] = agent.process()
    seen["events"] = agent.told()


def main() -> None:
    for scene in (
        agent.start,
        busy,
        greedy,
        short,
        burst,
        idle,
        every_controller,
        forgotten,
        finish,
    ):
        attempt(scene)
    seen["log"] = agent.log()
    (OUT / "observed.json").write_text(json.dumps(seen, indent=1))
    for name in ("slurmd", "slurmctld"):
        (OUT / f"{name}.log").write_text(Path(f"/var/log/slurm/{name}.log").read_text())


if __name__ == "__main__":
    main()
