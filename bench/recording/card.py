"""The card that goes with a recorded data set: what it is, how it came about, its limits."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from jobmend.classifier.traces.dataset import RUNS, SPLITS, WINDOWS
from jobmend.jobs.windows import FEATURES, TraceWindow

from .takes import Take

FAULTS = {
    "none": "nothing: a healthy run",
    "cpu_hog": "four processes that compute beside the job, pinned to the node's threads",
    "io_hog": "two writers beside the job whose blocks go to the disk at once",
    "memory_leak": "16 MB/s taken and touched in the job, never given back; below its limit",
    "hang": "8 s after its start one process of the job stands still (SIGSTOP)",
    "throttled": "a fifth of the CPUs it asked for, by the kernel's bandwidth control",
    "oversubscribed": "16 threads (fit) or 8 ranks (mpi2) on two hardware threads",
}


class Run(Protocol):
    """What the card wants to know of a run."""

    @property
    def take(self) -> Take:
        """What was recorded."""

    @property
    def split(self) -> str:
        """The part it belongs to."""

    @property
    def windows(self) -> tuple[TraceWindow, ...]:
        """Its windows."""


def card(runs: Sequence[Run], note: str = "") -> str:
    """The card as Markdown; ``note`` is a sentence on the machine."""
    first = runs[0].windows[0]
    windows = sum(len(run.windows) for run in runs)
    found = {time.strftime("%Y-%m-%d", time.gmtime(run.take.began)) for run in runs}
    days = " to ".join(sorted({min(found), max(found)}))
    return f"""\
# Traces of jobs with and without faults

Real runs of small jobs, recorded by jobmend's agent every {first.step_seconds:.1f} s. Nothing here
is synthetic: each number was read from the kernel while the job ran. The faults were injected.

| | |
|---|---|
| licence | Creative Commons Attribution 4.0 (CC-BY 4.0), the jobmend developers |
| recorded | {days}, with `bench/record.py` |
| machine | {machine()} |
| note | {note or "none"} |
| runs, windows | {len(runs)} runs, {windows} windows of {first.steps} steps |
| schedulers | {", ".join(sorted({run.take.scheduler for run in runs}))} |
| split | by run: {splits(runs)} |
| features | {", ".join(FEATURES)} |

`{WINDOWS}`: one row a hardware thread and window. `{RUNS}`: one row a run, what its end told. The
columns are described in jobmend's docs/trace-data.md.

## Runs by type and fault

{counts(runs)}

## Faults

| fault | what was done |
|---|---|
{told_faults(runs)}

## Limits

- One machine and few days: what is learned here need not hold for another node.
- Windows end with the run, so that libraries being loaded at its start are mostly missing.
- `fault_start` is the start of the job, 8 s later for a hang; the fault may take a second more.
- Features of threads count all programs of the machine, those of jobs the job alone.
- A memory leak below the limit hardly shows in windows; it shows in the peak of `{RUNS}`.
"""


def machine() -> str:
    """The class of this machine; never its name."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} hardware threads ({model}), {memory:.0f} GiB, Linux {kernel}"


def splits(runs: Sequence[Run]) -> str:
    """How many runs each part has."""
    found = Counter(run.split for run in runs)
    return ", ".join(f"{found[split]} {split}" for split in SPLITS)


def counts(runs: Sequence[Run]) -> str:
    """The table of types against faults."""
    found = Counter((run.take.job_type, run.take.fault) for run in runs)
    types = sorted({job_type for job_type, _ in found})
    faults = [fault for fault in FAULTS if any((kind, fault) in found for kind in types)]
    lines = [f"| type | {' | '.join(faults)} |", f"|---|{'---|' * len(faults)}"]
    for job_type in types:
        cells = (str(found[job_type, fault] or "–") for fault in faults)
        lines.append(f"| {job_type} | {' | '.join(cells)} |")
    return "\n".join(lines)


def told_faults(runs: Sequence[Run]) -> str:
    """What was done in each fault of the set."""
    here = {run.take.fault for run in runs}
    return "\n".join(f"| {fault} | {words} |" for fault, words in FAULTS.items() if fault in here)
