"""The workflows of a campaign: healthy work, and work with one injected cause each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

WORKLOADS = Path(__file__).parents[1] / "workloads"
GOOD_SITE = "siteA"
BAD_SITE = "siteB"


@dataclass(frozen=True)
class Job:
    """One job: a workload script and its arguments, and what it asks the scheduler for."""

    script: str
    arguments: tuple[str, ...] = ()
    site: str = GOOD_SITE
    memory_mb: int = 300
    seconds: int = 60
    cpus: int = 1


@dataclass(frozen=True)
class Scenario:
    """One workflow. ``cause`` is what was injected; ``neighbour`` runs beside it, as no job."""

    workflow: str
    cause: str
    jobs: tuple[Job, ...]
    neighbour: tuple[str, ...] = field(default=())
    mends: bool = False  # is the applied action to bring it to full success?


def healthy() -> list[Scenario]:
    """What well-behaved jobs look like; the trace model is trained on these."""
    return [
        Scenario("fit", "healthy", (Job("fit.py", ("--seconds", "10")),) * 2),
        Scenario("histogram", "healthy", (Job("good_io.py", ("--seconds", "8")),)),
        Scenario("histogram-slow", "healthy", (Job("bad_io.py", ("--seconds", "8")),)),
        Scenario("allreduce", "healthy", (Job("allreduce.py", ("--seconds", "8"), cpus=2),)),
        Scenario("idle", "healthy", (Job("idle.py", ("--seconds", "8")),)),
    ]


def failing(scratch: Path, *, walltime: bool = True) -> list[Scenario]:
    """One workflow a cause; ``scratch`` holds markers and the sites' inputs.

    ``walltime=False`` leaves out the time limit: Slurm counts limits in whole minutes.
    """
    inputs = scratch / "inputs"
    inputs.mkdir(exist_ok=True)
    (inputs / f"{GOOD_SITE}.dat").write_text("events\n")
    first_try = scratch / "tried-once"
    scenarios = [
        Scenario(
            "merge-memory",
            "memory limit exceeded",
            (Job("memory_hog.py", ("--need-mb", "150"), memory_mb=100),) * 2,
            mends=True,
        ),
        Scenario(
            "reco-time",
            "time limit",
            (Job("slow.py", ("--seconds", "6"), seconds=4),) * 2,
            mends=True,
        ),
        Scenario(
            "gen-bug", "bug", (Job("crash.py", site=GOOD_SITE), Job("crash.py", site=BAD_SITE))
        ),
        Scenario(
            "skim-transient",
            "transient failure of the first attempt",
            (
                Job("transient.py", ("--marker", str(first_try))),
                Job("good_io.py", ("--seconds", "1")),
                Job("good_io.py", ("--seconds", "1")),
            ),
            mends=True,
        ),
        Scenario(
            "sim-site",
            "bad site",
            tuple(
                Job("site_bound.py", ("--inputs", str(inputs)), site=site)
                for site in (GOOD_SITE, BAD_SITE) * 2
            ),
            mends=True,
        ),
        Scenario("fit-hang", "hang", (Job("hang.py", seconds=25),)),
    ]
    return [scenario for scenario in scenarios if walltime or scenario.cause != "time limit"]


def beside_neighbours() -> list[Scenario]:
    """Healthy jobs that others on their node disturb; run each with nothing else about."""
    return [
        Scenario(
            "fit-crowded",
            "CPU-hog neighbour",
            (Job("fit.py", ("--seconds", "12")),),
            neighbour=("cpu_hog.py", "--seconds", "11", "--threads", "4"),
        ),
        Scenario(
            "histogram-crowded",
            "I/O-hog neighbour",
            (Job("bad_io.py", ("--seconds", "12")),),
            neighbour=("io_hog.py", "--seconds", "11"),
        ),
    ]
