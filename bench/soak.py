"""The agent for ten minutes while jobs come and go: memory and descriptors must stay flat.

Jobs are real processes in real cgroups, told by real hook datagrams. The last line is one JSON
object: ``flat``, the growth of RSS after a warm-up as a share of it, the slopes an hour of RSS and
descriptors (least squares) with their standard errors, what was there before the first job and
after the last, and all samples.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from campaigns.stand import until
from nodes.agent import AgentProcess
from nodes.cgroups import JobCgroups, enter, job_cgroups, job_id, job_run
from nodes.command import on_signal, say

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import posix_exit
from jobmend.jobs.identity import Run
from jobmend.plugins.hook import tell

SLOTS = 12  # jobs at a time
LIFE_SECONDS = (2.0, 6.0)  # of a job: three start and three end a second
WARM_UP_SECONDS = 120.0  # or a third of the time, where that is shorter
# Growth of RSS after the warm-up that is still called flat: the heap fragments for some time, ever
# more slowly. In ten minutes, 1 kB lost for each job would be 6 %.
GROWTH = 0.05
DESCRIPTORS_AN_HOUR = 5.0  # beyond what chance explains
FORGET_SECONDS = 20  # everything of an ended job is gone from the page then
# Every memory of the agent is full before the warm-up ends. 300 messages are those of a minute.
CONFIG = f"""\
[sample]
period_seconds = 0.5
ring_seconds = 20
[metrics]
exit_ttl_seconds = {FORGET_SECONDS}
totals_ttl_seconds = {FORGET_SECONDS}
[spool]
max_rows = 300
[watch]
contention_seconds = 10
[window]
steps = 4
interval_seconds = 5
"""
# Some milliseconds of work, then sleep.
WORK = "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; sleep {seconds}; exit {code}"


@dataclass(frozen=True)
class Look:
    """The agent at one moment; ``seconds`` since the start."""

    seconds: float
    rss_mb: float
    descriptors: int
    series: int
    bytes: int
    spooled: int


@dataclass(frozen=True)
class Trend:
    """A straight line through looks: growth an hour, and the standard error of that."""

    an_hour: float
    error: float


class Slot:
    """A place on the node: one job after the other."""

    def __init__(self, agent: AgentProcess, jobs: JobCgroups, chance: random.Random) -> None:
        """A free slot; ``chance`` decides on lives and exit codes."""
        self._agent = agent
        self._jobs = jobs
        self._chance = chance
        self._directories: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._run = Run("bench", "local", "", "")
        self.ended = 0
        self.refused = 0  # hooks whose datagram was not taken; the agent then tells by itself

    def start(self) -> None:
        """Start a job and tell of it."""
        number = self._jobs.made
        self._run = Run("bench", "local", job_id(number), job_run(number))
        self._directories = self._jobs.make()
        words = WORK.format(seconds=self._chance.uniform(*LIFE_SECONDS), code=number % 3)
        self._process = subprocess.Popen(["sh", "-c", words], start_new_session=True)
        if self._jobs.kind == "kernel":
            enter(self._directories, self._process.pid)
        self._tell(EventKind.START)

    def turn(self, *, again: bool) -> bool:
        """Clear up after a job that has ended, and start another; True while one is there."""
        if self._process is not None and self._process.poll() is not None:
            self._jobs.drop(self._directories)
            self._tell(EventKind.END)
            self._process, self.ended = None, self.ended + 1
        if self._process is None and again:
            self.start()
        return self._process is not None

    def stop(self) -> None:
        """End the job by force."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # the shell, and its sleep
            self._process.wait()

    def _tell(self, kind: EventKind) -> None:
        code = self._process.poll() if self._process is not None else None
        end = posix_exit(code, None) if kind is EventKind.END else None
        facts = JobFacts(user="alice", workflow="soak", site="here")
        event = JobEvent(kind, self._run, time.time(), "n1", facts, end)
        self.refused += not tell(wire.event_body(event), str(self._agent.hook_socket))


def look(agent: AgentProcess, seconds: float) -> Look:
    """Scrape the agent and look at its process."""
    page = agent.scrape()
    waiting = re.findall(rb"^jobmend_agent_spool_messages\S* (\S+)$", page.page, re.M)
    return Look(
        round(seconds, 1),
        round(agent.resident_mb(), 3),
        agent.descriptors(),
        page.series,
        len(page.page),
        int(sum(map(float, waiting))),
    )


def soak(agent: AgentProcess, slots: Sequence[Slot], seconds: float, every: float) -> list[Look]:
    """Keep all slots busy for ``seconds`` and look at the agent every few of them."""
    looks: list[Look] = []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        for slot in slots:
            slot.turn(again=True)
        if now >= every * len(looks):
            looks.append(look(agent, now))
            say(str(looks[-1]))
        time.sleep(0.05)
    return looks


def drain(slots: Sequence[Slot]) -> None:
    """Let the last jobs end."""
    end = time.monotonic() + 30
    while any([slot.turn(again=False) for slot in slots]) and time.monotonic() < end:
        time.sleep(0.05)


def trend(looks: Sequence[Look], name: str) -> Trend:
    """How the value ``name`` grew."""
    hours = [one.seconds / 3600 for one in looks]
    values = [float(getattr(one, name)) for one in looks]
    slope, start = statistics.linear_regression(hours, values)
    rest = sum((value - start - slope * hour) ** 2 for hour, value in zip(hours, values))
    middle = statistics.mean(hours)
    spread = sum((hour - middle) ** 2 for hour in hours)
    return Trend(slope, (rest / max(len(looks) - 2, 1) / spread) ** 0.5)


def verdict(looks: Sequence[Look], seconds: float) -> dict[str, Any]:
    """The trends after the warm-up, that of memory also in the later half, and are they flat?"""
    warm_up = min(WARM_UP_SECONDS, seconds / 3)
    steady = [one for one in looks if one.seconds >= warm_up]
    if len(steady) < 6:
        raise SystemExit("too short for a trend: give more --seconds, or a smaller --every")
    memory, descriptors = trend(steady, "rss_mb"), trend(steady, "descriptors")
    hours = (steady[-1].seconds - steady[0].seconds) / 3600
    growth = memory.an_hour * hours / statistics.mean(one.rss_mb for one in steady)
    surely = descriptors.an_hour - 2 * descriptors.error
    return {
        "flat": growth <= GROWTH and surely <= DESCRIPTORS_AN_HOUR,
        "rss_growth": round(growth, 4),
        "rss_mb_an_hour": round(memory.an_hour, 2),
        "rss_error": round(memory.error, 2),
        "rss_mb_an_hour_later": round(trend(steady[len(steady) // 2 :], "rss_mb").an_hour, 2),
        "descriptors_an_hour": round(descriptors.an_hour, 2),
        "descriptors_error": round(descriptors.error, 2),
        "rss_mb_most": max(one.rss_mb for one in looks),
        "warm_up_seconds": warm_up,
    }


def plot(looks: Sequence[Look], warm_up: float, path: Path) -> None:
    """RSS and descriptors over time; the end of ``path`` says in which format."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot

    minutes = [one.seconds / 60 for one in looks]
    figure, axes = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    for axis, name, label, colour in (
        (axes[0], "rss_mb", "resident memory (MB)", "tab:blue"),
        (axes[1], "descriptors", "open descriptors", "tab:orange"),
    ):
        values = [getattr(one, name) for one in looks]
        axis.plot(minutes, values, ".-", color=colour)
        axis.set_ylim(0, 1.15 * max(values))
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.axvspan(0, warm_up / 60, color="0.9")
    axes[0].set_title(f"jobmend agent, {SLOTS} jobs at a time, three starts and ends a second")
    axes[0].text(0.01, 0.05, "warm-up", transform=axes[0].transAxes, color="0.4")
    axes[1].set_xlabel("time (minutes)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def run(options: argparse.Namespace) -> tuple[list[Look], dict[str, Any]]:
    """The looks while jobs came and went, and what was there before and after."""
    chance = random.Random(1)
    with (
        tempfile.TemporaryDirectory(prefix="jobmend-bench-") as name,
        job_cgroups(Path(name, "cgroup")) as jobs,
        AgentProcess(Path(name, "agent"), jobs.root, CONFIG) as agent,
    ):
        slots = [Slot(agent, jobs, chance) for _ in range(SLOTS)]
        try:
            before = look(agent, 0)
            looks = soak(agent, slots, options.seconds, options.every)
            drain(slots)
            until(lambda: not agent.scrape().jobs(), FORGET_SECONDS + 30, "ended jobs forgotten")
            after = look(agent, options.seconds)
        finally:
            for slot in slots:
                slot.stop()
        counts = {"jobs": sum(slot.ended for slot in slots), "cgroups": jobs.kind}
        counts |= {"hooks_refused": sum(slot.refused for slot in slots)}
        return looks, {**counts, "before": asdict(before), "after": asdict(after)}


def main() -> int:
    """Soak the agent; 0 when memory and descriptors are flat."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two scrapes")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture (needs matplotlib)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, on_signal)
    os.environ.pop("JOBMEND_HOOK_SOCKET", None)
    looks, counts = run(options)
    found = verdict(looks, options.seconds)
    found["flat"] &= counts["after"]["descriptors"] <= counts["before"]["descriptors"]
    if options.plot:
        plot(looks, found["warm_up_seconds"], options.plot)
    rows = {one.name: [getattr(each, one.name) for each in looks] for one in fields(Look)}
    print(json.dumps({**found, **counts, "seconds": options.seconds, "looks": rows}))
    return 0 if found["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
