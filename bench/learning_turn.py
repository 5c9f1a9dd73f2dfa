"""What a day's turn of learning costs: time by step, memory and disk, on two cores.

**Synthetic.** A store with ``--runs`` runs and an archive with ``--days`` days of ``--nodes`` nodes
that each sent ``--windows`` windows a day (an agent sends 2 an hour where it scores, 48 a day) of
``--threads`` hardware threads, 32 steps and 10 features. Of the runs some own those windows, the
others belong to tasks that failed and were decided. Windows are drawn from a pool and blurred: what
a turn costs does not depend on what they hold.

The turn reads every window of its days once, and keeps a fair sample of them (reservoir sampling,
half of it from the newest day) that fits into its memory; of failed tasks the newest. Told is the
turn of the last day, which finds the champion that a turn of the day before made. Each runs with
the usual settings in a process of its own, on two cores. The last line is one JSON object: of each
subject the state, seconds by step and examples; seconds of all, rss_mb (peak of that process) and
rss_mb_before (what it imports), first (the turn before: seconds, rss_mb), archive_mb, store_mb,
models_mb; within (30 minutes and 4 GB, both turns).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from jobmend.brain import ingest
from jobmend.brain.config import BrainConfig, StoreConfig, read_config
from jobmend.brain.learning.simulated import feeding
from jobmend.brain.learning.simulated.cluster import CLUSTER, SCHEDULER
from jobmend.brain.learning.simulated.failing import failing_day
from jobmend.brain.learning.simulated.scenario import DAY_SECONDS, Scenario
from jobmend.brain.sources.archive import Archive
from jobmend.brain.store import Store
from jobmend.classifier.traces.synthetic_cluster import STEPS, TYPES, window
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import Exit, ExitKind, posix_exit
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES, TraceWindow

CORES = 2
MINUTES, GIGABYTES = 30, 4
POOL = 200  # windows that all others are blurred from
BLUR = 0.005
RUNS_A_WINDOW = 2
FAILED = 0.1  # of the runs that own windows
TASK_RUNS = 6.7  # of a failed task, on average
RUN_SECONDS = 3600.0
QUICK_ARMS = 'arms_traces = ["pca"]\narms_failures = ["majority", "logistic"]'
BATCH = 2000  # messages told at once
BATCH_WINDOWS = 256


@dataclass(frozen=True)
class Size:
    """How much there is."""

    nodes: int
    windows: int
    threads: int
    days: int
    runs: int
    arms: str = ""  # lines of [learning]; empty: the usual ones

    @property
    def begin(self) -> float:
        """When the first day begins, epoch seconds."""
        return Scenario.begins(1)

    @property
    def end(self) -> float:
        """When the last day ends."""
        return self.begin + self.days * DAY_SECONDS

    @property
    def traced_runs(self) -> int:
        """Runs that own windows; the others belong to failed tasks."""
        return self.runs // 2


# ---- what there is to learn from ---------------------------------------------------------------


def fill(folder: Path, size: Size, talk: Console) -> BrainConfig:
    """A store and an archive of that size in ``folder``, with their configuration."""
    config = BrainConfig(
        store=StoreConfig(
            path=folder / "brain.db", models=folder / "models", archive=folder / "archive"
        )
    )
    store = Store(config.store.path)
    rng = np.random.default_rng(0)
    messages = list(_traced(size, rng))
    for at in track(range(0, len(messages), BATCH), "runs", console=talk):
        ingest.take(store, messages[at : at + BATCH], now=size.end, max_windows=1)
    _fail(store, size, talk)
    archive = Archive(config.store.archive)
    total = size.nodes * size.windows * size.days
    batches = _batches(size, rng)
    for batch in track(batches, "windows", -(-total // BATCH_WINDOWS), console=talk):
        archive.add(batch, size.end)
    archive.compact()
    store.close()
    return config


def _traced(size: Size, rng: np.random.Generator) -> Iterator[JobEvent]:
    names = list(TYPES)
    for number in range(size.traced_runs):
        start = float(rng.uniform(size.begin, size.end - RUN_SECONDS))
        facts = JobFacts(workflow=names[number % len(names)], site=CLUSTER)
        failed = rng.random() < FAILED
        end = Exit("posix", ExitKind.TIMEOUT) if failed else posix_exit(0, None)
        run = _run(number)
        yield JobEvent(EventKind.START, run, start, f"node{number % size.nodes}", facts)
        yield JobEvent(EventKind.OUTCOME, run, start + RUN_SECONDS, "", facts, end)


def _run(number: int) -> Run:
    return Run(CLUSTER, SCHEDULER, str(number), "0")


def _fail(store: Store, size: Size, talk: Console) -> None:
    """The runs that are left, in tasks that failed and were decided, day by day."""
    tasks = max(1, round((size.runs - size.traced_runs) / TASK_RUNS / size.days))
    scenario = Scenario(days=size.days, tasks=tasks, poison=0)
    for day in track(range(1, size.days + 1), "failed tasks", console=talk):
        feeding.feed_failures(store, failing_day(scenario, day))


def _batches(size: Size, rng: np.random.Generator) -> Iterator[list[TraceWindow]]:
    pool = [_pooled(rng, size.threads) for _ in range(POOL)]
    batch = []
    for number in range(size.nodes * size.windows * size.days):
        batch.append(_window(pool[number % POOL], number, size, rng))
        if len(batch) == BATCH_WINDOWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _pooled(rng: np.random.Generator, threads: int) -> tuple[str, np.ndarray[Any, Any]]:
    """The type of job and the values of a full node."""
    name = list(TYPES)[int(rng.integers(len(TYPES)))]
    drawn = window(rng, TYPES[name], "c/l/0/0", node="n", start=0.0, threads=threads)
    values = np.frombuffer(drawn.values, np.float32).reshape(drawn.shape)
    return name, values[:threads]


def _window(
    pooled: tuple[str, np.ndarray[Any, Any]], number: int, size: Size, rng: np.random.Generator
) -> TraceWindow:
    """One of the pool, its threads in another order and blurred, owned by some of the runs."""
    name, values = pooled
    blurred = values[rng.permutation(len(values))] + rng.normal(0, BLUR, values.shape)
    kinds = len(TYPES)
    first = int(rng.integers(max(1, size.traced_runs // kinds - RUNS_A_WINDOW)))
    runs = [_run((first + n) * kinds + list(TYPES).index(name)).key for n in range(RUNS_A_WINDOW)]
    each = -(-size.threads // RUNS_A_WINDOW)
    return TraceWindow(
        node=f"node{number % size.nodes}",
        start=size.begin + (number + 0.5) * size.days * DAY_SECONDS / _windows(size),
        step_seconds=1.0,
        threads=tuple(range(size.threads)),
        owners=tuple(runs[thread // each] for thread in range(size.threads)),
        values=array("f", np.clip(blurred, 0.0, None).astype(np.float32).tobytes()),
    )


def _windows(size: Size) -> int:
    return size.nodes * size.windows * size.days


# ---- the turn ----------------------------------------------------------------------------------


def turn(folder: Path, end: float) -> dict[str, Any]:
    """In a process of its own: one turn of both subjects at ``end`` by the clock of the data."""
    import torch

    from jobmend.brain.learning.loop import Loop
    from jobmend.brain.learning.subjects import MADE

    torch.set_num_threads(CORES)
    config = read_config(folder / "brain.toml")
    store = Store(config.store.path)
    before = peak_mb()
    began = time.perf_counter()
    loop = Loop(store, config, clock=lambda: end)
    turned = loop.learn([make(store, config) for make in MADE.values()])
    seconds = time.perf_counter() - began
    store.close()
    return {
        "seconds": round(seconds, 1),
        "rss_mb": peak_mb(),
        "rss_mb_before": before,
        "subjects": {
            one.record.subject: {
                "state": one.record.state.value,
                "why": one.record.body.get("why", ""),
                "examples": one.record.body.get("examples", 0),
                "seconds": {step: round(taken, 2) for step, taken in one.seconds.items()},
            }
            for one in turned
        },
    }


def peak_mb() -> float:
    """Peak resident memory of this program; getrusage would tell its parent's too."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)


def mb(path: Path) -> float:
    """Size of a file or of all files below a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return round(sum(one.stat().st_size for one in files) / 2**20, 1)


def measure(size: Size, folder: Path, talk: Console) -> dict[str, Any]:
    """Fill a folder, run the turn on it, and say what it took."""
    config = fill(folder, size, talk)
    lines = [f'{name} = "{getattr(config.store, name)}"' for name in ("path", "models", "archive")]
    told = "\n".join(["[store]", *lines, "[learning]", size.arms])
    (folder / "brain.toml").write_text(told + "\n")
    first, found = (
        _apart(folder, end)
        for end in track((size.end - DAY_SECONDS, size.end), "turns", console=talk)
    )
    seconds, peak = (max(first[name], found[name]) for name in ("seconds", "rss_mb"))
    return {
        "synthetic": True,
        **vars(size),
        "steps": STEPS,
        "features": len(FEATURES),
        "cores": CORES,
        **found,
        "first": {name: first[name] for name in ("seconds", "rss_mb")},
        "archive_mb": mb(config.store.archive),
        "store_mb": mb(config.store.path),
        "models_mb": mb(config.store.models),
        "within": seconds < MINUTES * 60 and peak < GIGABYTES * 1024,
    }


def _apart(folder: Path, end: float) -> Any:
    """A turn in a process of its own."""
    argv = [sys.executable, __file__, "--turn", str(folder), "--end", str(end)]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, and print the JSON object."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--nodes", type=int, default=1000, help="nodes [1000]")
    options.add_argument("--windows", type=int, default=48, help="windows a node and day [48]")
    options.add_argument("--threads", type=int, default=128, help="hardware threads a node [128]")
    options.add_argument("--days", type=int, default=2, help="days in the archive, from 2 [2]")
    options.add_argument("--runs", type=int, default=100_000, help="runs in the store [100000]")
    options.add_argument(
        "--folder", type=Path, help="where to fill; kept. Default: a temporary one"
    )
    options.add_argument(
        "--quick", action="store_true", help="tiny, and few arms, to see that it runs"
    )
    options.add_argument("--turn", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--end", type=float, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.turn is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
        print(json.dumps(turn(asked.turn, asked.end)))
        return
    if asked.days < 2:
        options.error("--days: at least 2 are needed, one for the champion before")
    size = Size(asked.nodes, asked.windows, asked.threads, asked.days, asked.runs)
    if asked.quick:
        size = replace(size, nodes=20, windows=12, threads=8, runs=3000, arms=QUICK_ARMS)
    talk = Console(stderr=True)
    if asked.folder is not None:
        print(json.dumps(measure(size, asked.folder, talk)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(size, Path(folder), talk)))


if __name__ == "__main__":
    main()
