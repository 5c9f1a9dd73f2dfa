"""How fast Slurm's history is read, and in how much memory: the plugin on a stand-in ``sacct``.

**Synthetic**: the stand-in prints generated rows, with names, requeues and ends spread over the
days asked for; slurmdbd and its database are not in it. What is measured is the real way from
sacct's output to events: the pipe, the parser, the ordinals, in a process of its own.

The last line is one JSON object for each number of jobs: jobs, runs, events, seconds,
events_per_second, sacct_calls, rss_mb (peak of the reading process), rss_mb_before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAYS = 30
REQUEUED_EACH = 50  # one job in so many has two runs
COUNTS = (100_000, 1_000_000)

# Prints the rows of the jobs asked for, as sacct 22.05 does with --parsable and --delimiter.
STAND_IN = """#!{python} -IS
import calendar, sys, time
JOBS, FIRST, LAST, EACH = {jobs}, {first}, {last}, {each}
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
if "helpformat" in options:
    sys.exit()
with open("{calls}", "a") as calls:
    calls.write("x")
if "state" in options:  # none ended without having run
    sys.exit()
end = options["delimiter"]

def epoch(name, default):
    text = options.get(name)
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")) if text else default

def ended(job):
    return FIRST + (LAST - FIRST) * job // JOBS

def row(job, again):
    at = ended(job) + 60 * again
    state, code = ("REQUEUED", "0:0") if job % EACH == 0 and not again else ("FAILED", "3:0")
    who = (str(job), str(job), "reco-%d|part" % (job // 100), "user%d" % (job % 37), "acct")
    how = ("site%d" % (job % 5), state, code, str(at - 40), str(at - 30), str(at))
    return end.join((*who, *how, "4G", "4", "1", "60", "campaign %d" % (job // 1000), "*", ""))

if "jobs" in options:
    wanted = [(job, True) for job in map(int, options["jobs"].split(","))]
else:
    start, stop = epoch("starttime", FIRST), epoch("endtime", LAST)
    low = max((start - 60 - FIRST) * JOBS // (LAST - FIRST) - 1, 1)
    high = min((stop - FIRST) * JOBS // (LAST - FIRST) + 2, JOBS)
    wanted = [(job, False) for job in range(low, high + 1)]
write = sys.stdout.write
if "allocations" not in options:  # each run with its batch step
    for job, _ in wanted:
        for again in (False, True):
            at = ended(job) + 60 * again
            for name in (str(job), "%d.batch" % job):
                write(end.join((name, str(at - 40), "COMPLETED", str(at), "")) + "\\n")
    sys.exit()
for job, every in wanted:
    for again in (False, True) if job % EACH == 0 else (False,):
        if every or start <= ended(job) + 60 * again <= stop:
            write(row(job, again) + "\\n")
"""


def read_all(folder: str, first: float, last: float) -> dict[str, float]:
    """In a process of its own: read the history through the plugin and count."""
    from jobmend.jobs.events import EventKind
    from jobmend.plugins.slurm.scheduler import SlurmScheduler

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scheduler = SlurmScheduler("bench", bin_dir=folder)
    began = time.perf_counter()
    events = runs = 0
    for event in scheduler.history(first, last + 3600):
        events += 1
        runs += event.kind is EventKind.OUTCOME
    seconds = time.perf_counter() - began
    return {
        "runs": runs,
        "events": events,
        "seconds": round(seconds, 1),
        "events_per_second": round(events / seconds),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "rss_mb_before": round(before, 1),
    }


def measure(jobs: int) -> dict[str, float]:
    """Read a history of ``jobs`` jobs and check that each run was told once."""
    last = int(time.time()) - 7200
    first = last - DAYS * 86400
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder, "calls")
        script = STAND_IN.format(
            python=sys.executable,
            jobs=jobs,
            first=first,
            last=last,
            each=REQUEUED_EACH,
            calls=calls,
        )
        Path(folder, "sacct").write_text(script)
        os.chmod(Path(folder, "sacct"), 0o755)
        argv = [sys.executable, __file__, "--read", folder, str(first), str(last)]
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE)
        found: dict[str, float] = json.loads(done.stdout)
        found["sacct_calls"] = calls.stat().st_size
    expected = jobs + jobs // REQUEUED_EACH
    if found["runs"] != expected:
        raise SystemExit(f"{found['runs']} runs were told of {expected}")
    return {"jobs": jobs, **found}


def main() -> int:
    """Measure each number of jobs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="*", default=[COUNTS[0]], help="default: 100000")
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        folder, first, last = options.read
        print(json.dumps(read_all(folder, float(first), float(last))))
        return 0
    print(json.dumps({"synthetic": True, "histories": [measure(jobs) for jobs in options.jobs]}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
