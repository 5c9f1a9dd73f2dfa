"""How fast window models learn, beside a plain PyTorch loop over the same network.

The plain loop is the usual one: modules, a shuffled DataLoader, Adam with its defaults, the same
masked loss, batches of 128 threads. Its graph layer is ours: bench/graph_layer.py has that beside a
peer. Data are noise with a tenth not measured: windows of 64 steps and 10 features, nodes of 32
threads. Both take turns over whole epochs. Times are of the CPU, on one thread, so that other load
on the machine counts little.
The last line is one JSON object: of each model threads' windows a second, seconds an epoch, the
median ratio ours / plain of the same round, and the peak memory of a process that does nothing else
(``rss_mb``, ``plain_rss_mb``, ``idle_rss_mb`` with torch and the data alone). ``ensemble`` has the
seconds of ten members stacked and one after another; ``scoring`` windows a second by numpy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from jobmend.classifier.traces import kinds, variational
from jobmend.classifier.traces.ensemble import USUAL_HIDDEN
from jobmend.classifier.traces.network import Architecture, Network
from jobmend.classifier.traces.normalise import Floats, Mask
from jobmend.classifier.traces.training import Part, Plan, initial, train

STEPS, FEATURES, LATENT, THREADS, BATCH = 64, 10, 16, 32, 128
INPUTS = STEPS * FEATURES
MEMBERS = 10
NOISE = 0.1
Epoch = Callable[[], object]


def data(windows: int) -> tuple[Floats, Mask]:
    """``[windows, threads, steps, features]`` of noise, a tenth not measured."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(windows, THREADS, STEPS, FEATURES)).astype(np.float32)
    mask = rng.random(values.shape) < 0.9
    return np.where(mask, values, np.float32(0)), mask


def architecture(name: str) -> Architecture:
    """Of a model with its usual settings."""
    about = dict(kinds.NETWORKS[name])
    hidden = USUAL_HIDDEN[about.get("coder", "dense")]
    return Architecture(STEPS, FEATURES, latent=LATENT, hidden=hidden, **about)


# ---- the plain loop ----------------------------------------------------------------------------


class Plain(nn.Module):  # type: ignore[misc]
    """The same layers as modules; the graph layer is ours, with the same shapes."""

    def __init__(self, about: Architecture) -> None:
        """Layers as in the coders."""
        super().__init__()
        self.about = about
        codes = 2 * LATENT if about.variational else LATENT
        coder = conv_modules if about.coder == "conv" else dense_modules
        self.encode, self.decode = coder(about.hidden, codes)
        self.graph = nn.ParameterDict()
        if about.graph:
            first = initial(Network(about), (0,))
            names = [name for name in first if name.startswith("graph.")]
            self.graph = nn.ParameterDict({n.replace(".", "/"): first[n] for n in names})

    def forward(self, x: torch.Tensor, there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Windows ``[rows, threads, inputs]`` put together again, and the divergence."""
        z, divergence = self.encode(x.flatten(0, 1)), torch.zeros(())
        if self.about.variational:
            mean, log_variance = z.chunk(2, -1)
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            divergence = variational.divergence(mean, log_variance).sum()
        if self.about.graph:
            weights = {name.replace("/", "."): value for name, value in self.graph.items()}
            grouped = z.unflatten(0, x.shape[:2])[None]
            z = Network(self.about).mix(weights, grouped, there[None])[0].flatten(0, 1)
        return self.decode(z).unflatten(0, x.shape[:2]), divergence


def dense_modules(hidden: int, codes: int) -> tuple[nn.Module, nn.Module]:
    """Two dense layers each way."""
    encode = nn.Sequential(nn.Linear(INPUTS, hidden), nn.ReLU(), nn.Linear(hidden, codes))
    decode = nn.Sequential(nn.Linear(LATENT, hidden), nn.ReLU(), nn.Linear(hidden, INPUTS))
    return encode, decode


def conv_modules(hidden: int, codes: int) -> tuple[nn.Module, nn.Module]:
    """Two strided convolutions and a dense layer each way, channels first."""
    wide, quarter = 2 * hidden, STEPS // 4
    encode = nn.Sequential(
        nn.Unflatten(1, (FEATURES, STEPS)),
        *(nn.Conv1d(FEATURES, hidden, 4, 2, 1), nn.ReLU()),
        *(nn.Conv1d(hidden, wide, 4, 2, 1), nn.ReLU(), nn.Flatten()),
        nn.Linear(wide * quarter, codes),
    )
    decode = nn.Sequential(
        *(nn.Linear(LATENT, wide * quarter), nn.ReLU(), nn.Unflatten(1, (wide, quarter))),
        *(nn.ConvTranspose1d(wide, hidden, 4, 2, 1), nn.ReLU()),
        *(nn.ConvTranspose1d(hidden, FEATURES, 4, 2, 1), nn.Flatten()),
    )
    return encode, decode


def plain(name: str, part: Part) -> Epoch:
    """One epoch of the usual loop."""
    about = architecture(name)
    torch.manual_seed(0)
    model = Plain(about)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    threads = part.values.shape[1]
    loader = DataLoader(
        TensorDataset(part.values, part.mask, part.there), BATCH // threads, shuffle=True
    )

    def epoch() -> None:
        for values, mask, there in loader:
            optimiser.zero_grad()
            out, divergence = model(values, there)
            total = ((out - values) ** 2 * mask).sum() + 2 * NOISE * divergence
            (total / mask.sum()).backward()
            optimiser.step()

    return epoch


# ---- ours --------------------------------------------------------------------------------------


def ours(name: str, part: Part, members: int = 1) -> Epoch:
    """One epoch of training, without what is held out."""
    network, nobody = Network(architecture(name)), part.first(0)
    plan = Plan(seeds=tuple(range(members)), epochs=1, batch=BATCH, noise=NOISE)
    return lambda: train(network, part, nobody, plan)


def parts(name: str, windows: int) -> Part:
    """The data as the model reads it: without a graph layer each thread is a window alone."""
    values, mask = data(windows)
    if not architecture(name).graph:
        shape = (-1, 1, STEPS, FEATURES)
        values, mask = values.reshape(shape), mask.reshape(shape)
    return Part.of(values, mask)


def in_turns(work: Mapping[str, Epoch], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, in which all take turns, after one to warm up."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, call in work.items():
            begun = time.process_time()
            call()
            if turn:
                found[name].append(time.process_time() - begun)
    return found


def measure(name: str, windows: int, rounds: int) -> dict[str, Any]:
    """Both loops, and their memory."""
    part = parts(name, windows)
    seconds = in_turns({"ours": ours(name, part), "plain": plain(name, part)}, rounds)
    pairs = zip(seconds["plain"], seconds["ours"], strict=True)
    row: dict[str, Any] = {"ratio": round(statistics.median(p / o for p, o in pairs), 2)}
    for who, prefix in (("ours", ""), ("plain", "plain_")):
        epoch = statistics.median(seconds[who])
        row[f"{prefix}epoch_seconds"] = round(epoch, 4)
        row[f"{prefix}windows_per_second"] = round(windows * THREADS / epoch)
        row[f"{prefix}rss_mb"] = peak(name, who, windows)
    row["idle_rss_mb"] = peak(name, "idle", windows)
    return row


def peak(name: str, who: str, windows: int) -> int:
    """Peak resident megabytes of a process with one epoch of that loop, or none."""
    argv = [sys.executable, __file__, "--windows", str(windows), "--only", name, who]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def only(name: str, who: str, windows: int) -> None:
    """What :func:`peak` starts."""
    part = parts(name, windows)
    if who != "idle":
        (ours if who == "ours" else plain)(name, part)()
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    print(int(line.split()[1]) // 1024)  # ru_maxrss has that of the process that started us


def ensemble(name: str, windows: int, rounds: int) -> dict[str, Any]:
    """Ten members stacked, and the same ten one after another."""
    part = parts(name, windows)
    network, nobody = Network(architecture(name)), part.first(0)

    def one_by_one() -> None:
        for seed in range(MEMBERS):
            train(network, part, nobody, Plan(seeds=(seed,), epochs=1, batch=BATCH))

    seconds = in_turns({"stacked": ours(name, part, MEMBERS), "alone": one_by_one}, rounds)
    pairs = zip(seconds["alone"], seconds["stacked"], strict=True)
    return {
        "ratio": round(statistics.median(a / s for a, s in pairs), 2),
        **{f"{way}_seconds": round(statistics.median(s), 3) for way, s in seconds.items()},
    }


def scoring(name: str, windows: int) -> dict[str, float]:
    """Threads' windows scored a second by numpy, and milliseconds of one node's window."""
    values, mask = data(windows)
    options = {"latent": LATENT} if name in kinds.NETWORKS else {}
    learned = slice(4 if name in kinds.NETWORKS else None)  # weights do not change the time
    model = kinds.make(name, epochs=0, options=options).fit(values[learned], mask[learned])
    begun = time.process_time()
    model.score_samples(values, mask)
    seconds = time.process_time() - begun
    alone = []
    for row in range(min(20, windows)):
        begun = time.process_time()
        model.score_samples(values[row : row + 1], mask[row : row + 1])
        alone.append(1000 * (time.process_time() - begun))
    return {
        "windows_per_second": round(windows * THREADS / seconds),
        "node_ms": round(statistics.median(alone), 3),
    }


def main() -> None:
    """Print a table for people, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=512, help="nodes' windows [512]")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each loop [5]")
    parser.add_argument("--models", nargs="+", choices=kinds.NAMES, default=kinds.NAMES)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if options.only:
        name, who = options.only
        only(name, who, options.windows)
        return
    talk = Console(stderr=True)
    report: dict[str, Any] = {"data": "noise", "training": {}, "ensemble": {}, "scoring": {}}
    networks = [name for name in options.models if name in kinds.NETWORKS]
    for name in track(networks, "training", console=talk):
        report["training"][name] = measure(name, options.windows, options.rounds)
        talk.print(f"{name:18} {report['training'][name]}", soft_wrap=True)
    for name in track(networks, "ensembles", console=talk):
        report["ensemble"][name] = ensemble(name, options.windows, options.rounds)
        talk.print(f"{name:18} {report['ensemble'][name]}", soft_wrap=True)
    for name in track(options.models, "scoring", console=talk):
        report["scoring"][name] = scoring(name, options.windows)
        talk.print(f"{name:18} {report['scoring'][name]}", soft_wrap=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
