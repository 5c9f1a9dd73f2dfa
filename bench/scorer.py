"""What scoring on a node costs: the scorer against torch, and what leaves the node either way.

For each kind of model a window of --threads hardware threads is scored by the scorer's NumPy code
and by torch, both on one thread, in turn; times are of CPU, and it is told how far the scores are
apart. One model is then scored by the scorer's own process, asked as the agent asks. Also measured:
the agent's cutting of a window out of its rings, and the bytes of all that is sent. Data are
synthetic; scores do not matter here.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before NumPy is loaded, as the scorer's program does.
os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})

import numpy as np
import torch
from numpy.typing import NDArray

from jobmend.agent import memory, windows
from jobmend.agent.child import Child, resident_bytes
from jobmend.agent.scorer import archive
from jobmend.agent.scorer.model import EdgeModel
from jobmend.agent.sources import COLUMNS
from jobmend.classifier.traces import kinds
from jobmend.classifier.traces.ensemble import AutoEncoder
from jobmend.classifier.traces.export import Exportable, export
from jobmend.classifier.traces.normalise import Scaling
from jobmend.jobs import wire
from jobmend.jobs.events import TraceSummary
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES, TraceWindow, WindowLength

KEY = b"a key for this bench"
STEPS = 32
LENGTH = WindowLength(STEPS, 1.0)
CALIBRATION = 500  # scores of healthy runs
OWNER = Run("cluster", "slurm", "123456", "0").key
Windows = NDArray[np.float32]


def drawn(count: int, threads: int) -> Windows:
    """Windows of shares, as /proc/stat would give them."""
    random = np.random.default_rng(0)
    return random.beta(0.5, 2.0, (count, threads, STEPS, len(FEATURES))).astype(np.float32)


def trained(name: str, members: int) -> Exportable:
    """A model of that kind; a little training makes its numbers ordinary ones."""
    values = drawn(16, 8)
    scaling = Scaling.learn(values.reshape(-1, STEPS, len(FEATURES)))
    scaled, mask = scaling.apply(values)
    estimator = kinds.make(name, epochs=2, members=members).fit(scaled, mask)
    calibration = np.sort(np.random.default_rng(1).gamma(2.0, 1.0, CALIBRATION))
    return Exportable(estimator, scaling, LENGTH, FEATURES, {"": calibration}, name)


def with_torch(model: Exportable, window: Windows) -> Callable[[], Any]:
    """The same scores by torch, scaling included, for networks; those of the trainer for others."""
    network = model.estimator
    if not isinstance(network, AutoEncoder) or network.network_ is None:
        return lambda: model.estimator.score_samples(*model.scaling.apply(window[None]))[0]
    run = network.network_
    members = network.members
    weights = {name: torch.from_numpy(array) for name, array in network.weights_.items()}
    median, scale = torch.from_numpy(model.scaling.median), torch.from_numpy(model.scaling.scale)
    values = torch.from_numpy(window)

    def score() -> Any:
        with torch.inference_mode():
            mask = values.isfinite()
            scaled = ((torch.where(mask, values, median) - median) / scale).clamp(-20, 20)
            x = scaled.reshape(1, 1, len(values), -1).expand(members, -1, -1, -1)
            there = mask.any(2).any(1).expand(members, 1, -1)
            z = run.mix(weights, run.encode(weights, x)[0], there)
            error = (run.decode(weights, z) - x).double().square().mean(0)[0]
            kept = mask.reshape(len(values), -1)
            return ((error * kept).sum(1) / kept.sum(1)).numpy()

    return score


def in_turn(
    first: Callable[[], Any], second: Callable[[], Any], runs: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of CPU of both, measured alternately: others disturb both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for call in (first, second):
        for _ in range(5):
            call()
    for _ in range(runs):
        for call, taken in zip((first, second), times, strict=True):
            began = time.thread_time()
            call()
            taken.append(1000 * (time.thread_time() - began))
    return times


def measure(name: str, members: int, threads: int, runs: int) -> dict[str, object]:
    """One kind of model: sizes, times, and how far apart the scores are."""
    model = trained(name, members)
    data = export(model, KEY)
    edge = EdgeModel(archive.read(data, KEY))
    window = drawn(1, threads)[0]
    peer = with_torch(model, window)
    times = in_turn(lambda: edge.score(window), peer, runs)
    ours, theirs = map(statistics.median, times)
    apart = np.abs(edge.score(window) / peer() - 1.0).max()
    return {
        "scorer_cpu_ms": round(ours, 3),
        "scorer_least_cpu_ms": round(min(times[0]), 3),
        "torch_cpu_ms": round(theirs, 3),
        "ratio_to_torch": round(ours / theirs, 3),
        "largest_relative_difference": float(f"{apart:.1e}"),
        "model_bytes": len(data),
    }


def started(data: bytes) -> tuple[Child, float]:
    """A scorer's process that has taken the model, and the seconds until then."""
    child = Child()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.npz").write_bytes(data)
        (folder / "key").write_bytes(KEY)
        began = time.perf_counter()
        child.start()
        paths = {"path": str(folder / "model.npz"), "key_file": str(folder / "key")}
        child.ask({"do": "load", **paths, **vars(LENGTH)}, seconds=60)
        return child, time.perf_counter() - began


def process(data: bytes, threads: int, runs: int) -> dict[str, object]:
    """The scorer's process, asked as the agent does: answers, memory, CPU, and its start."""
    window = drawn(1, threads)[0]
    payload = window.tobytes()
    about = {"shape": window.shape, "step_seconds": LENGTH.step_seconds, "features": FEATURES}
    about |= {"owners": [OWNER] * threads, "kinds": {}}
    child, seconds = started(data)
    taken = []
    cpu_before, before = cpu_seconds(child.pid), time.process_time()
    for _ in range(runs):
        began = time.perf_counter()
        child.ask({"do": "score", **about}, payload, seconds=30)
        taken.append(1000 * (time.perf_counter() - began))
    agent = time.process_time() - before
    told: dict[str, object] = {
        "start_and_load_seconds": round(seconds, 3),
        "answer_ms": round(statistics.median(taken), 3),
        "answer_p99_ms": round(statistics.quantiles(taken, n=100)[-1], 3),
        "scorer_cpu_ms": round(1000 * (cpu_seconds(child.pid) - cpu_before) / runs, 3),
        "agent_cpu_ms": round(1000 * agent / runs, 3),
        "scorer_resident_bytes": resident_bytes(child.pid),
    }
    child.end()
    return told


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Past:
    """Rings of a job and of the threads, full, as the agent has them."""

    def __init__(self, threads: int) -> None:
        self.online = list(range(threads))
        self.sampled_at = 1000.0
        self.ended_epoch = 1e9
        self.cpuset = None
        self.ring = self
        self._words = [self._line(step) for step in range(STEPS + 1)]

    def _line(self, step: int) -> list[bytes]:
        ticks = [b"%d" % (100 * step + mode) for mode in range(10)]
        return [word for cpu in self.online for word in (b"cpu%d" % cpu, *ticks)]

    def rows(self, count: int) -> list[array[float]]:
        """Rows of the job."""
        return [array("f", [1.0] * COLUMNS)] * count

    def past(self, times: list[float]) -> list[list[bytes]]:
        """Words of /proc/stat at each sample."""
        return self._words


def cutting(threads: int, runs: int) -> dict[str, object]:
    """The agent's own part: a window cut out of the rings, and told as a message."""
    past: Any = _Past(threads)
    chosen = dict.fromkeys(past.online, OWNER)
    taken = []
    for _ in range(runs):
        began = time.thread_time()
        window = windows.cut("node0001", past, past, chosen, STEPS)
        taken.append(1000 * (time.thread_time() - began))
    assert window is not None
    return {"cut_cpu_ms": round(statistics.median(taken), 2)}


def sizes(threads: int) -> dict[str, object]:
    """Bytes of a window in memory, as a message, and compressed; of a score in an END."""
    values = array("f", drawn(1, threads).tobytes())
    owners = (OWNER,) * threads
    window = TraceWindow("node0001", 1.7e9, 1.0, tuple(range(threads)), owners, values)
    began = time.thread_time()
    message = wire.dumps(window)
    told = time.thread_time() - began
    began = time.thread_time()
    wire.loads(message)
    read = time.thread_time() - began
    score = TraceSummary(1.0, 1, anomaly_score=1.234567, anomaly_p=0.0123, anomaly_model="0" * 16)
    fields = {name: value for name, value in vars(score).items() if name.startswith("anomaly")}
    return {
        "window_bytes": 4 * len(values),
        "message_bytes": len(message),
        "message_gzip_bytes": len(zlib.compress(message, 6)),
        "message_cpu_ms": round(1000 * told, 3),
        "message_read_cpu_ms": round(1000 * read, 3),
        "score_bytes": len(json.dumps(fields, separators=(",", ":"))) - 1,
    }


def main() -> int:
    """Measure all kinds and print what they cost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=128, help="of the node")
    parser.add_argument("--members", type=int, default=1, help="networks of an ensemble")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--served", default="autoencoder-graph", help="model of the process")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory.keep_for_the_next_window()  # as the scorer's program does
    result: dict[str, object] = {**vars(options), "steps": STEPS, "features": len(FEATURES)}
    for name in kinds.NAMES:
        result[name] = measure(name, options.members, options.threads, options.runs)
        print(f"{name}: {result[name]}", file=sys.stderr)
    data = export(trained(options.served, options.members), KEY)
    result["process"] = process(data, options.threads, options.runs)
    result["agent"] = {**cutting(options.threads, 20), **sizes(options.threads)}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
