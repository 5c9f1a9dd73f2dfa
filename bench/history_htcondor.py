"""How fast HTCondor's history is read, and in how much memory: the plugin against a real schedd.

A pool is started (tests/testbed; root, Debian), one job is run in it, and its ad is written into
the schedd's history so many times: **synthetic** jobs, each with an id and an end of its own, read
by the schedd's real history helper. What is measured is the way from there to events.

The last line is one JSON object: jobs, events, seconds, events_per_second, poll_seconds (a poll of
the last ten minutes of the same history), rss_mb (peak of this process and of the bindings'),
rss_mb_before, all_at_once_mb (the bindings' peak when they are asked for all in one answer).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobmend.plugins.htcondor.scheduler import HTCondorScheduler

TESTBED = Path(__file__).parents[1] / "tests" / "testbed"
DAYS = 7
JOB = "executable = /bin/true\ntransfer_executable = false\nrequest_memory = 60\nqueue\n"

ALL_AT_ONCE = """
import htcondor2, resource, sys
from jobmend.plugins.htcondor.ads import ATTRIBUTES
(location,) = htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)
ads = htcondor2.Schedd(location).history("true", list(ATTRIBUTES))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Start a pool, write its history, read it, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="in the history [100000]")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jmb", dir="/tmp"))
    base.chmod(0o755)
    env = {**os.environ, "JOBMEND_TESTBED": str(base)}
    try:
        lines = subprocess.run(
            [TESTBED / "condor-up"], env=env, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        told = dict(shlex.split(line)[1].split("=", 1) for line in lines.splitlines())
        root = Path(told["JOBMEND_CONDOR_ROOT"])
        write_history(root, ad_of_a_job(root, told["JOBMEND_CONDOR_USER"]), options.jobs)
        print(json.dumps(measure(told["CONDOR_CONFIG"], options.jobs)))
    finally:
        subprocess.run([TESTBED / "condor-down"], env=env, check=True)
        shutil.rmtree(base, ignore_errors=True)


def ad_of_a_job(root: Path, user: str) -> str:
    """The ad that a real job left in the history."""
    command = [str(root / "in"), "-u", user, "condor_submit", "-terse", "-"]
    subprocess.run(command, input=JOB, text=True, check=True, stdout=subprocess.DEVNULL)
    history = root / "spool" / "history"
    deadline = time.monotonic() + 60
    while not (history.exists() and "\n*** " in history.read_text()):
        if time.monotonic() > deadline:
            raise SystemExit("the job did not end in 60 s")
        time.sleep(0.5)
    return history.read_text().partition("\n*** ")[0]


def write_history(root: Path, ad: str, jobs: int) -> None:
    """``jobs`` copies of ``ad``, with their ends spread over the last days, the newest last."""
    history, new = root / "spool" / "history", root / "spool" / "history.new"
    now, offset = int(time.time()), 0
    with new.open("w") as file:
        for number in range(jobs):
            end = now - DAYS * 86400 + DAYS * 86400 * (number + 1) // jobs
            cluster = 1000 + number
            text = _replaced(ad, cluster, end)
            banner = (
                f"\n*** Offset = {offset} ClusterId = {cluster} ProcId = 0 Owner ="
                f' "tester" CompletionDate = {end} CurrentTime = {end}\n'
            )
            offset += file.write(text + banner)
    shutil.copystat(history, new)
    os.chown(new, history.stat().st_uid, history.stat().st_gid)
    new.rename(history)


def _replaced(ad: str, cluster: int, end: int) -> str:
    text = re.sub(r"^ClusterId = .*", f"ClusterId = {cluster}", ad, flags=re.M)
    text = re.sub(r'^(GlobalJobId = "[^#]*)#.*', rf'\1#{cluster}.0#{end - 90}"', text, flags=re.M)
    for name, before in (("CompletionDate", 0), ("EnteredCurrentStatus", 0), ("QDate", 90)):
        text = re.sub(rf"^{name} = .*", f"{name} = {end - before}", text, flags=re.M)
    return text


def measure(config: str, jobs: int) -> dict[str, float]:
    """Read all of it, then the last ten minutes, then for comparison all in one answer."""
    scheduler = HTCondorScheduler("bench", config=config)
    before = _peak(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    events = 0
    for event in scheduler.history(time.time() - DAYS * 86400 - 3600, time.time() + 3600):
        events += 1
        if events % 20_000 == 0:
            print(f"{events} events, {event.run.job_id}", file=sys.stderr)
    seconds = time.perf_counter() - begun
    peak = _peak(resource.RUSAGE_SELF) + _peak(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    for _ in scheduler.history(time.time() - 600):
        pass
    polled = time.perf_counter() - begun
    env = {**os.environ, "CONDOR_CONFIG": config}
    told = subprocess.run(
        [sys.executable, "-c", ALL_AT_ONCE], env=env, check=True, stdout=subprocess.PIPE
    ).stdout
    return {
        "jobs": jobs,
        "events": events,
        "seconds": round(seconds, 2),
        "events_per_second": round(events / seconds),
        "poll_seconds": round(polled, 2),
        "rss_mb": round(peak, 1),
        "rss_mb_before": round(before, 1),
        "all_at_once_mb": round(int(told) / 1024, 1),
    }


def _peak(whose: int) -> float:
    return resource.getrusage(whose).ru_maxrss / 1024


if __name__ == "__main__":
    main()
