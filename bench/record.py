"""A data set of traces: real jobs, with and without faults, recorded by our own agent at 0.1 s.

What was recorded stays in ``--out``; called again, it goes on where it stopped. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from recording.assembly import assemble
from recording.cpu_cgroup import NEIGHBOUR_SHARES
from recording.plan import FAULTS, HANG_AFTER_SECONDS, HEALTHY, LAUNCHED, QUOTA, Slot, Task, plan
from recording.receiver import Document, is_complete
from recording.stage import PERIOD_SECONDS, STEPS, RecordingError, Stage, local_stage, slurm_stage
from recording.takes import Take, load, recorded_names, save
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

WORKLOADS = Path(__file__).parent / "workloads"
LATE_SECONDS = 4.0  # that a job may need beyond its time, for loading its libraries say
TOLD_SECONDS = 8.0  # for the last messages of a job
POLL_SECONDS = 0.1


def command_of(task: Task, slot: Slot, stage: Stage, seconds: float, seed: int) -> list[str]:
    """The argument vector of a job."""
    fault = slot.fault if slot.fault in LAUNCHED else HEALTHY
    launch = [sys.executable, str(WORKLOADS / "faulty.py"), "--fault", fault]
    launch += ["--after", str(HANG_AFTER_SECONDS), "--quota", str(QUOTA * task.cpus)]
    if stage.cpu.path is not None:
        launch += ["--cpu-cgroup", str(stage.cpu.path)]
    work = [task.script, "--seconds", str(seconds), *task.arguments]
    return [*launch, "--", *work, *([] if task.script == "idle.py" else ["--seed", str(seed)])]


@contextmanager
def neighbour_of(slot: Slot, stage: Stage, seconds: float) -> Iterator[None]:
    """The disturbing processes of a slot, ended with the block."""
    if not slot.neighbour:
        yield
        return
    script, *words = slot.neighbour
    process = subprocess.Popen(
        [sys.executable, WORKLOADS / script, *words, "--seconds", str(seconds)],
        stdout=subprocess.DEVNULL,
        preexec_fn=stage.cpu.entering("neighbour", NEIGHBOUR_SHARES),
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def play(slot: Slot, stage: Stage, seconds: float, seed: int, stop: threading.Event) -> list[Take]:
    """Run the jobs of a slot to their end; what the agent told of each, as far as it did.

    Nothing where ``stop`` is set meanwhile.
    """
    began = time.time()
    end = time.monotonic() + seconds + LATE_SECONDS
    with neighbour_of(slot, stage, seconds + LATE_SECONDS):
        jobs = {
            stage.runner.submit(task, command_of(task, slot, stage, seconds, seed + place)): task
            for place, task in enumerate(slot.tasks)
        }
        try:
            while any(map(stage.runner.runs, jobs)) and time.monotonic() < end:
                if stop.wait(POLL_SECONDS):
                    return []
        finally:
            for job in filter(stage.runner.runs, jobs):
                stage.runner.end(job)
    told = {job: await_told(stage, job) for job in jobs}
    stage.receiver.forget()
    stage.cpu.sweep()
    return [
        Take(task.job_type, slot.fault, slot.repeat, stage.runner.scheduler, began, told[job])
        for job, task in jobs.items()
    ]


def await_told(stage: Stage, job: str) -> list[Document]:
    """The messages of a job, waited for until they are complete."""
    end = time.monotonic() + TOLD_SECONDS
    while not is_complete(told := stage.receiver.told_of(job)) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return told


def record(
    slots: Sequence[Slot],
    stage: Stage,
    options: argparse.Namespace,
    talk: Console,
    stop: threading.Event,
) -> list[str]:
    """Play slots until the time is up; the names of those of which something is missing."""
    missing: list[str] = []
    end = time.monotonic() + 60 * options.minutes
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=talk, refresh_per_second=1) as bar:
        task = bar.add_task("recording", total=len(slots))
        for slot in slots:
            if time.monotonic() + options.seconds + LATE_SECONDS > end:
                break
            bar.update(task, description=slot.name)
            takes = play(slot, stage, options.seconds, options.seed + 100 * slot.repeat, stop)
            if stop.is_set():
                talk.print("interrupted; the same command goes on where this one stopped")
                break
            if all(is_complete(take.documents) for take in takes):
                save(options.out, f"{stage.runner.scheduler}-{slot.name}", takes)
            else:
                missing.append(slot.name)
            bar.advance(task)
    return missing


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--minutes", type=float, default=90.0, help="to record for at most")
    parser.add_argument("--repeats", type=int, default=6, help="runs of each type and fault")
    parser.add_argument("--healthy-extra", type=int, default=0, help="repeats of healthy runs more")
    faults = [HEALTHY, *FAULTS]
    parser.add_argument("--faults", nargs="+", choices=faults, default=faults, help="only these")
    parser.add_argument("--seconds", type=float, default=20.5, help="that each job works")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the window of a run")
    parser.add_argument("--seed", type=int, default=1, help="of the order and of the workloads")
    parser.add_argument(
        "--slurm", action="store_true", help="on the testbed's Slurm (root, Debian)"
    )
    parser.add_argument("--note", default="", help="a sentence on the machine, for the data card")
    parser.add_argument("--small", type=Path, help="write a set of the first repeats there too")
    parser.add_argument("--small-repeats", type=int, default=3)
    options = parser.parse_args()
    shortest = (options.steps + 5) * PERIOD_SECONDS
    if options.seconds < shortest:
        parser.error(f"--seconds: a window takes {shortest:g} s of a job; give that or more")
    return options


def heed_signals() -> threading.Event:
    """What SIGINT and SIGTERM set: the slot is given up, and what was begun is cleared up.

    No exception, which would come in the midst of a submission and leave its job behind.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stop


def main() -> int:
    """Record, then write the data set of all that was recorded so far."""
    options = arguments()
    stop = heed_signals()
    talk = Console(stderr=True)
    began = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    scheduler = "slurm" if options.slurm else "local"
    done = recorded_names(options.out)
    slots = [
        slot
        for slot in plan(options.repeats, options.seed, options.healthy_extra)
        if f"{scheduler}-{slot.name}" not in done and slot.fault in options.faults
    ]
    missing: list[str] = []
    stage_of = slurm_stage if options.slurm else local_stage
    if slots and options.minutes > 0:
        try:
            with stage_of(options.steps) as stage:
                missing = record(slots, stage, options, talk, stop)
        except RecordingError as error:
            print(f"record: {error}", file=sys.stderr)
            return 1
    takes = load(options.out)
    counts = assemble(takes, options.out, options.note)
    if options.small:
        first = [take for take in takes if take.repeat < options.small_repeats]
        counts["small_runs"] = assemble(first, options.small, options.note)["runs"]
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({**counts, "missing": missing, "seconds": seconds, "load": os.getloadavg()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
