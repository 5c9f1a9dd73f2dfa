"""How fast an hour of traces is read for training: our archive beside servers of time series.

128 hardware threads, 10 features, a step a second: 4.6 million numbers, generated (synthetic), as
windows of 60 steps in the archive, and as 1,280 series of ready features in a real Prometheus (by
``query_range``) and a real VictoriaMetrics (by ``/api/v1/export``). That flatters the servers: an
agent's page has counters of eight modes a thread, which ``rebuilt`` reads as the brain does where
``[learning] source`` is a server. All end as one float32 array, and the numbers are checked to be
the same. Takes turns, after one round that warms caches; times are wall clock, on one thread here.
The last line is one JSON object: seconds of each way (median), ``ratio`` to the archive's of the
same round, bytes on disk a number, the largest difference (``difference``: features computed anew
from counters are rounded differently).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from jobmend.brain.sources.archive import Archive
from jobmend.brain.sources.prometheus import PrometheusSource, Sampling
from jobmend.brain.sources.promql import PromClient, Series
from jobmend.brain.sources.rebuilding import COMPUTED, MODES, PRESSURES
from jobmend.jobs.windows import FEATURES, TraceWindow

Values = NDArray[np.float32]  # [threads, steps, features]
Read = Callable[[], Values]
STEPS = 60  # of a window
INSTANCE, RUN = "n1:9807", "c1/slurm/7/0"
LIMIT = 1 << 30  # bytes of an answer
FEATURE = "bench_feature"
SHARES = [0.5, 0.05, 0.1, 0.2, 0.05, 0.02, 0.05, 0.03]


@dataclass(frozen=True)
class Hour:
    """What is read: features, and the counters that they come from."""

    start: float
    values: Values
    lines: list[str]  # of series, without times
    columns: NDArray[np.object_]  # [series, samples] of their values as text

    @property
    def end(self) -> float:
        """Of the last step."""
        return self.start + float(self.values.shape[1])

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(self.values.size)


def hour(threads: int, steps: int) -> Hour:
    """Ticks of threads by mode, and one job that has them all, drawn at random."""
    rng = np.random.default_rng(0)
    start = math.floor((time.time() - 5 * 3600) / 3600) * 3600.0
    ticks = rng.multinomial(100, SHARES, (threads, steps))
    spent = rng.integers(0, 10**6, (5, steps))
    user, nice, system, _, iowait, irq, softirq, steal = np.moveaxis(ticks / 100, -1, 0)
    of_job = np.stack([(spent[0] + spent[1]) / 1e6 / threads, *spent[2:] / 1e6], axis=-1)
    of_threads = np.stack([user, nice, system, iowait, irq + softirq, steal], axis=-1)
    both = np.concatenate([of_threads, np.broadcast_to(of_job, (threads, steps, 4))], -1)
    values = both.astype(np.float32)
    lines, columns = [], []

    def tell(name: str, numbers: NDArray[np.object_], **labels: object) -> None:
        told = ",".join(f'{k}="{v}"' for k, v in {**labels, "instance": INSTANCE}.items())
        lines.append(f"{name}{{{told}}}")
        columns.append(numbers)

    one = np.full(steps + 1, "1", object)
    job = {"scheduler": "slurm", "jobid": "7", "run": "0"}
    for cpu in range(threads):
        for mode, number in zip(MODES, ticks[cpu].T, strict=True):
            tell("jobmend_thread_cpu_seconds_total", counter(number, 2), cpu=cpu, mode=mode)
        tell("jobmend_thread_job_info", one, cpu=cpu, **job, ownership="exclusive")
        for feature, number in zip(FEATURES, values[cpu].T, strict=True):
            text = number.astype(np.float64).astype(str).astype(object)
            tell(FEATURE, np.append(text, ""), cpu=cpu, feature=feature)
    for name, number in zip((*COMPUTED, *PRESSURES), spent, strict=True):
        tell(name, counter(number, 6), **job)
    seen = (start + np.arange(steps + 1)).astype(str).astype(object)
    tell("jobmend_job_last_seen_timestamp_seconds", seen, **job)
    tell("jobmend_job_cpus", np.full(steps + 1, str(threads), object), **job)
    tell("jobmend_build_info", one, version="1")
    return Hour(start, values, lines, np.array(columns, object))


def counter(spent: NDArray[np.int64], digits: int) -> NDArray[np.object_]:
    """A counter's values as the agent's page has them: whole numbers with a power of ten."""
    total = np.concatenate([[0], np.cumsum(spent)]) + 10**7
    return np.char.add(total.astype(str), f"e-{digits}").astype(object)


def windows(hour: Hour) -> Iterator[TraceWindow]:
    """The hour as windows of STEPS steps."""
    threads, steps, _ = hour.values.shape
    for first in range(0, steps, STEPS):
        flat = array("f", np.ascontiguousarray(hour.values[:, first : first + STEPS]).tobytes())
        owners = (RUN,) * threads
        yield TraceWindow("n1", hour.start + first, 1.0, tuple(range(threads)), owners, flat)


def exposition(hour: Hour, scale: int) -> Iterator[str]:
    """All samples as text, a tenth of a second into each step; times times ``scale``."""
    times = hour.start + 0.1 + np.arange(hour.columns.shape[1])
    stamps = [f"{at * scale:.{1 if scale == 1 else 0}f}" for at in times]
    for name, numbers in sorted(zip(hour.lines, hour.columns, strict=True), key=lambda of: of[0]):
        rows = zip(numbers, stamps, strict=True)
        yield "".join(f"{name} {number} {stamp}\n" for number, stamp in rows if number)


# ---- ways to read it ---------------------------------------------------------------------------


def from_archive(archive: Archive, hour: Hour) -> Values:
    """As training reads it."""
    frames = list(archive.frames(hour.start, hour.end))
    order = np.argsort(np.concatenate([one.starts for one in frames]), kind="stable")
    values = np.concatenate([one.values for one in frames])
    if (np.diff(order) != 1).any():
        values = values[order]
    joined: Values = np.concatenate(list(values), axis=1)
    return joined


def placed(series: Iterator[Series] | list[Series], hour: Hour) -> Values:
    """Ready features at their places."""
    values = np.full(hour.values.shape, np.nan, np.float32)
    places = {name: place for place, name in enumerate(FEATURES)}
    for one in series:
        steps = np.rint(one.times - hour.start - 0.1).astype(int)
        values[int(one.labels["cpu"]), steps, places[one.labels["feature"]]] = one.values
    return values


def by_query_range(client: PromClient, hour: Hour) -> Values:
    """As any client of Prometheus reads it."""
    first = hour.start + 0.1
    last = first + hour.values.shape[1] - 1
    return placed(client.query_range(FEATURE, first, last, 1.0), hour)


def by_export(client: PromClient, hour: Hour) -> Values:
    """As VictoriaMetrics gives it fastest without a decoder of its own."""
    return placed(client.export([FEATURE], hour.start, hour.end), hour)


def rebuilt(client: PromClient, hour: Hour) -> Values:
    """Out of the agent's counters."""
    source = PrometheusSource(client, {"slurm": "c1"}, Sampling(STEPS, STEPS))
    found = source.windows(hour.start, hour.end)
    shaped = [np.array(one.values, np.float32).reshape(one.shape) for one in found]
    values: Values = np.concatenate(shaped, axis=1)
    return values


# ---- servers -----------------------------------------------------------------------------------


@contextmanager
def server(argv: list[str], flag: str, ready: str) -> Iterator[str]:
    """One on a free port of the loopback; its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*argv, f"{flag}=127.0.0.1:{port}"], stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(url + ready):
                    break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def prometheus(folder: Path, hour: Hour) -> Iterator[PromClient]:
    """A Prometheus whose blocks hold the hour."""
    with (folder / "samples").open("w") as file:
        file.writelines(exposition(hour, 1))
        file.write("# EOF\n")
    make = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    done = [*make, str(folder / "samples"), str(folder / "prometheus")]
    subprocess.run(done, check=True, stdout=subprocess.DEVNULL)
    (folder / "prometheus.yml").write_text("global: {}\n")
    argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}"]
    argv.append(f"--storage.tsdb.path={folder / 'prometheus'}")
    with (
        server(argv, "--web.listen-address", "/-/ready") as url,
        PromClient(url, max_bytes=LIMIT) as client,
    ):
        yield client


@contextmanager
def victoria(folder: Path, hour: Hour) -> Iterator[PromClient]:
    """A VictoriaMetrics that took the hour in."""
    argv = ["victoria-metrics", f"-storageDataPath={folder / 'victoria'}"]
    with server(argv, "-httpListenAddr", "/health") as url:
        for text in exposition(hour, 1000):
            urllib.request.urlopen(f"{url}/api/v1/import/prometheus", text.encode()).close()
        urllib.request.urlopen(f"{url}/internal/force_flush").close()
        urllib.request.urlopen(f"{url}/internal/force_merge").close()
        with PromClient(url, max_bytes=LIMIT) as client:
            yield client


def main() -> None:
    """Make the hour, fill what is there, take turns in reading it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=128)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        with console.status("making an hour of synthetic traces"):
            made = hour(options.threads, options.minutes * 60)
        archive = Archive(folder / "archive")
        archive.add(windows(made), time.time())
        ways: dict[str, Read] = {"archive": lambda: from_archive(archive, made)}
        sizes = {"archive": archive.size() / made.size}
        if shutil.which("promtool"):
            with console.status("making Prometheus' blocks"):
                client = stack.enter_context(prometheus(folder, made))
            ways["prometheus_query_range"] = lambda: by_query_range(client, made)
            ways["prometheus_rebuilt"] = lambda: rebuilt(client, made)
        if shutil.which("victoria-metrics"):
            with console.status("filling VictoriaMetrics"):
                other = stack.enter_context(victoria(folder, made))
            ways["victoria_export"] = lambda: by_export(other, made)
        told = measured(ways, made, options.rounds, console)
    told |= {"synthetic": True, "numbers": made.size, "archive_bytes_a_number": sizes["archive"]}
    print(json.dumps(told))


def measured(ways: dict[str, Read], made: Hour, rounds: int, console: Console) -> dict[str, object]:
    """Seconds of each way, its ratio to the archive's, and how far its numbers are off."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    differences = {}
    for turn in range(rounds + 1):
        for name, read in ways.items():
            with console.status(f"round {turn}: {name}"):
                began = time.perf_counter()
                found = read()
                took = time.perf_counter() - began
            differences[name] = float(np.abs(found - made.values).max())
            if turn:
                seconds[name].append(took)
    ratios = {
        name: statistics.median(np.divide(took, seconds["archive"]).tolist())
        for name, took in seconds.items()
    }
    medians = {name: statistics.median(took) for name, took in seconds.items()}
    return {"seconds": medians, "ratio": ratios, "difference": differences}


if __name__ == "__main__":
    main()
