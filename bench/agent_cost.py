"""What the node agent costs: CPU a scrape against a C program that reads the same files, memory.

Each size is a number of jobs, each a real process in real cgroups of every hierarchy. The last line
is one JSON object: for the headline size ``jobs, cpu_ms_per_scrape, floor_ms, ratio, p50_ms,
p95_ms, rss_mb, series, bytes, ten_hz_core_percent`` and more, all sizes with each run in ``sizes``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from campaigns.stand import until
from nodes.agent import AgentProcess, Scrape
from nodes.cgroups import JobCgroups, job_cgroups, job_id
from nodes.command import on_signal, say
from nodes.floor import floor
from nodes.population import population
from nodes.threads import many_threads

HEADLINE = 64  # jobs
THREADS = 128  # hardware threads of the node in the parts at 10 Hz
TICK_MS = 250  # every job's process works this often; 50 ms where ten samples a second are taken
ALONE = 0.25  # seconds of sampling without scrapes for each scrape that is made
GOLDEN = 0.618  # the phase of scrapes goes round the period in these steps
SCRAPE_SECONDS = 15  # between two scrapes of a usual Prometheus


def measure(size: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run: ``size`` jobs, sampled and scraped once a period, then the floor."""
    with stage(size, TICK_MS) as (folder, jobs, _):
        config = f"[sample]\nperiod_seconds = {options.period}\n"
        with AgentProcess(folder / "agent", jobs.root, config) as agent:
            await_jobs(agent, size)
            for _ in range(3):  # whatever is made once and kept is made now
                agent.scrape()
            found = alone(agent, options.period * max(ALONE * options.scrapes, 3))
            found |= scraped(agent, options.scrapes, options.period)
            files = agent.kept_files(jobs.parents)
        least = floor(files, options.scrapes, options.period, folder)
    # Of files that it keeps and reads at some samples only, the floor reads too many.
    share = min(found["reads_per_sample"] / least.files, 1.0)
    return {
        "jobs": size,
        **found,
        "files": least.files,
        "floor_ms": least.paced_ms * share,
        "floor_mean_ms": least.paced_mean_ms * share,
        "floor_hot_ms": least.hot_ms * share,
        "ratio": found["cpu_ms_per_scrape"] / (least.paced_ms * share),
        "cgroups": jobs.kind,
    }


def alone(agent: AgentProcess, seconds: float) -> dict[str, float]:
    """CPU of one sample while nobody asks for the page."""
    before, cpu = agent.scrape(), agent.cpu_seconds()
    time.sleep(seconds)
    spent = agent.cpu_seconds() - cpu
    return {"cpu_ms_per_sample": 1000 * spent / samples_between(before, agent.scrape())}


def scraped(agent: AgentProcess, scrapes: int, period: float) -> dict[str, float]:
    """CPU of a period with one sample and one scrape, and what the client sees.

    The CPU is that of all the time from the first scrape on, so it holds whatever the agent does
    at longer intervals. The phase of the scrapes goes round: some meet a sample.
    """
    before, reads = agent.scrape(), agent.reads()
    answers = []
    began, cpu = time.monotonic(), agent.cpu_seconds()
    for number in range(scrapes):
        wait_until(began + period * (number + number * GOLDEN % 1))
        answers.append(agent.scrape())
    reads = agent.reads() - reads
    wait_until(began + period * scrapes)
    spent = agent.cpu_seconds() - cpu
    times = [1000 * answer.seconds for answer in answers]
    last = answers[-1]
    return {
        "cpu_ms_per_scrape": 1000 * spent / scrapes,
        "reads_per_sample": reads / samples_between(before, last),
        "p50_ms": statistics.median(times),
        "p95_ms": statistics.quantiles(times, n=20)[-1],
        "rss_mb": agent.resident_mb(),
        "series": last.series,
        "bytes": len(last.page),
        "unkept_files": last.value("jobmend_agent_unkept_files_total"),
    }


def samples_between(before: Scrape, after: Scrape) -> float:
    """Samples that the agent took between two scrapes."""
    name = "jobmend_agent_sample_duration_seconds_count"
    return after.value(name) - before.value(name)


def ten_hz(options: argparse.Namespace) -> dict[str, float]:
    """Ten samples a second of 64 jobs on 128 threads: share of a core, and memory.

    Five minutes of ring at 1 s are 300 samples; at 10 Hz they are there after 30 s.
    """
    with crowded_agent(period=0.1, rows=300) as agent:
        if options.quick:
            return {"ten_hz_core_percent": core_percent(agent, lambda: time.sleep(10))}
        time.sleep(33)
        unasked = core_percent(agent, lambda: time.sleep(30))
        full = agent.resident_mb()
        asked = core_percent(agent, lambda: scrape_slowly(agent, 3))
        return {
            "ten_hz_core_percent": unasked,
            "ten_hz_scraped_core_percent": asked,
            "full_ring_rss_mb": full,
            "full_ring_scraped_rss_mb": agent.resident_mb(),
            "late_samples": agent.scrape().value("jobmend_agent_samples_dropped_total"),
        }


def longer_ring(rss_mb: float, rows: int = 3000) -> dict[str, float]:
    """Memory with ten times the ring; ``rss_mb`` is what it is with 300 samples."""
    period = 0.05
    with crowded_agent(period, rows) as agent:
        time.sleep(rows * period + 5)
        agent.scrape()
        longer = agent.resident_mb()
    a_sample = 1e6 * (longer - rss_mb) / (rows - 300)
    return {
        "rows": rows,
        "rss_mb": longer,
        "bytes_per_sample": a_sample,
        "bytes_per_sample_and_job": a_sample / HEADLINE,
    }


@contextmanager
def crowded_agent(period: float, rows: int) -> Iterator[AgentProcess]:
    """An agent with a ring of ``rows`` samples on a node of 64 jobs and 128 hardware threads."""
    with (
        stage(HEADLINE, 50) as (folder, jobs, pids),
        many_threads(folder / "proc", THREADS, pids) as proc,
    ):
        config = f"""\
[sample]
period_seconds = {period}
ring_seconds = {rows * period}
proc_root = "{proc}"
[watch]
contention_seconds = 10
"""
        with AgentProcess(folder / "agent", jobs.root, config) as agent:
            await_jobs(agent, HEADLINE)
            yield agent


@contextmanager
def stage(size: int, tick_ms: int) -> Iterator[tuple[Path, JobCgroups, list[int]]]:
    """A folder, and ``size`` jobs with their processes."""
    with (
        tempfile.TemporaryDirectory(prefix="jobmend-bench-") as name,
        job_cgroups(Path(name, "cgroup")) as jobs,
        population(jobs, size, tick_ms, Path(name)) as pids,
    ):
        yield Path(name), jobs, pids


def await_jobs(agent: AgentProcess, size: int) -> None:
    """Wait until all jobs are on the page."""
    wanted = {job_id(number) for number in range(size)}
    until(lambda: agent.scrape().jobs() >= wanted, 60, f"{size} jobs on the page", every=0.5)


def core_percent(agent: AgentProcess, work: Callable[[], None]) -> float:
    """Share of one core that the agent takes while ``work`` goes on."""
    began, cpu = time.monotonic(), agent.cpu_seconds()
    work()
    return 100 * (agent.cpu_seconds() - cpu) / (time.monotonic() - began)


def scrape_slowly(agent: AgentProcess, scrapes: int) -> None:
    """Scrape as a usual Prometheus does."""
    for _ in range(scrapes):
        time.sleep(SCRAPE_SECONDS)
        agent.scrape()


def wait_until(moment: float) -> None:
    """Sleep to a moment of the monotonic clock."""
    time.sleep(max(moment - time.monotonic(), 0.0))


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure over the runs; words stay as they are."""
    return {
        name: shortened(
            value if isinstance(value, str) else statistics.median(run[name] for run in runs)
        )
        for name, value in runs[0].items()
    }


def shortened(value: Any) -> Any:
    """Four digits of a figure are more than repeat."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", default="16,64,256,1024", help="sizes, with commas")
    parser.add_argument("--runs", type=int, default=3, help="each size this often; medians count")
    parser.add_argument("--scrapes", type=int, default=50, help="in each run")
    parser.add_argument("--period", type=float, default=1.0, help="seconds between two samples")
    parser.add_argument("--quick", action="store_true", help="64 jobs, one short run: a minute")
    parser.add_argument("--python", help="interpreter of the agent, with options: 'python3 -S'")
    parser.add_argument("--no-ten-hz", action="store_true", help="without the parts at 10 Hz")
    options = parser.parse_args()
    if options.quick:
        options.jobs, options.runs, options.scrapes = str(HEADLINE), 1, 12
    options.sizes = [int(size) for size in options.jobs.split(",")]
    return options


def main() -> int:
    """Measure all sizes, then the parts at 10 Hz."""
    options = arguments()
    signal.signal(signal.SIGTERM, on_signal)
    if options.python:
        AgentProcess.python = shlex.split(options.python)
    sizes = []
    for size in options.sizes:
        runs = []
        for run in range(options.runs):
            runs.append(measure(size, options))
            say(f"{size} jobs, run {run + 1} of {options.runs}: {brief(runs[-1])}")
        sizes.append({**median_of(runs), "runs": [shorten_all(run) for run in runs]})
    say(table(sizes))
    headline = next((size for size in sizes if size["jobs"] == HEADLINE), sizes[0])
    report = {name: value for name, value in headline.items() if name != "runs"}
    if not options.no_ten_hz:
        report |= crowded(options)
    machine = {"cores": os.cpu_count(), "kernel": platform.release()}
    version = subprocess.check_output([*AgentProcess.python, "--version"], text=True)
    machine |= {"python": version.split()[1], "malloc_arena_max": 1}
    print(json.dumps({**report, "machine": machine, "sizes": sizes}))
    return 0


def table(sizes: list[dict[str, Any]]) -> str:
    """The medians as rows of docs/BENCHMARKS.md."""
    names = [
        "jobs",
        "cpu_ms_per_sample",
        "cpu_ms_per_scrape",
        "floor_ms",
        "ratio",
        "p50_ms",
        "p95_ms",
        "rss_mb",
    ]
    names += ["series", "bytes"]
    rows = [" | ".join(f"{size[name]:.7g}" for name in names) for size in sizes]
    return "\n".join([f"| {' | '.join(names)} |", *(f"| {row} |" for row in rows)])


def crowded(options: argparse.Namespace) -> dict[str, Any]:
    """The parts at 10 Hz: medians over the runs, the memory of the full ring in place of RSS."""
    runs = []
    for run in range(options.runs):
        runs.append(ten_hz(options))
        say(f"10 Hz, run {run + 1} of {options.runs}: {brief(runs[-1])}")
    found = median_of(runs)
    report = {**found, "threads": THREADS, "ten_hz_runs": [shorten_all(run) for run in runs]}
    if not options.quick:
        report["rss_mb"] = found["full_ring_scraped_rss_mb"]
        report["longer_ring"] = shorten_all(longer_ring(report["rss_mb"]))
        say(f"ten times the ring: {brief(report['longer_ring'])}")
    return report


def shorten_all(run: dict[str, Any]) -> dict[str, Any]:
    """A run with short figures."""
    return {name: shortened(value) for name, value in run.items()}


def brief(run: dict[str, Any]) -> str:
    """A run on one line."""
    return ", ".join(f"{name} {shortened(value)}" for name, value in run.items())


if __name__ == "__main__":
    sys.exit(main())
