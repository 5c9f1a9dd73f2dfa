"""Synthetic records, first part: how often each cause comes, and how it ends a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from numpy.random import Generator

from ....jobs.events import TraceSummary
from ....jobs.exits import Exit, ExitKind, posix_exit

# Shares of the latent causes, by judgement: no public history tells them.
CAUSE_SHARES: Mapping[str, float] = {
    "transient": 0.30,
    "bad site": 0.15,
    "memory": 0.15,
    "bug": 0.14,
    "walltime": 0.08,
    "hang": 0.05,
    "missing input": 0.05,
    "node failure": 0.03,
    "launch failure": 0.02,
    "cpu contention": 0.02,
    "io contention": 0.01,
}

# How a cause shows itself, with weights. One word is drawn per workflow for causes that end all
# runs alike, one per run for the others. Generic codes are shared by several causes on purpose.
SYMPTOMS: Mapping[str, Mapping[str, float]] = {
    "transient": {
        "exit:75": 0.35,
        "exit:1": 0.30,
        "exit:69": 0.10,
        "preempted": 0.10,
        "transfer_failure": 0.10,
        "exit:74": 0.05,
    },
    "bad site": {
        "exit:66": 0.25,
        "exit:1": 0.25,
        "exit:127": 0.15,
        "exit:74": 0.10,
        "launch_failure": 0.10,
        "exit:75": 0.10,
        "signal:7": 0.05,
    },
    "memory": {"out_of_memory": 0.7, "signal:9": 0.2, "exit:1": 0.1},
    "bug": {
        "exit:1": 0.40,
        "signal:11": 0.28,
        "signal:6": 0.17,
        "exit:2": 0.10,
        "signal:8": 0.05,
    },
    "walltime": {"timeout": 1.0},
    "hang": {"timeout": 1.0},
    "missing input": {"exit:66": 0.7, "exit:1": 0.15, "exit:2": 0.15},
    "node failure": {"node_failure": 1.0},
    "launch failure": {"launch_failure": 1.0},
    "cpu contention": {"exit:1": 1.0},
    "io contention": {"exit:1": 1.0},
}
ALIKE = frozenset({"bad site", "bug", "missing input"})

# Parameters of the beta distribution that the share of runs failing by the cause is drawn from.
FAILING: Mapping[str, tuple[float, float]] = {
    "transient": (1.5, 6.0),
    "bad site": (12.0, 1.0),  # of the runs at the bad site
    "memory": (3.0, 1.5),
    "bug": (8.0, 1.0),
    "walltime": (2.0, 1.5),
    "hang": (1.0, 4.0),
    "missing input": (2.0, 1.0),
    "node failure": (1.0, 6.0),
    "launch failure": (1.0, 5.0),
    "cpu contention": (1.0, 30.0),
    "io contention": (1.0, 30.0),
}


def draw(rng: Generator, weights: Mapping[str, float]) -> str:
    """One word, with probability in proportion to its weight."""
    words = list(weights)
    total = sum(weights.values())
    return words[int(rng.choice(len(words), p=[weights[word] / total for word in words]))]


def end_of(word: str) -> Exit:
    """The exit behind a word of :data:`SYMPTOMS`."""
    kind, _, number = word.partition(":")
    if kind == "exit":
        return posix_exit(int(number), None)
    if kind == "signal":
        return posix_exit(None, int(number))
    return Exit("posix", ExitKind(word))


def healthy_trace(rng: Generator, duration: float, limit: int) -> TraceSummary:
    """The trace of a run of ``duration`` seconds that nothing ails, within ``limit`` bytes."""
    busy = float(rng.beta(5, 2)) * duration
    return TraceSummary(
        duration_seconds=duration,
        samples=int(duration),
        cpu_user_seconds=0.9 * busy,
        cpu_system_seconds=0.1 * busy,
        cpu_idle_tail_seconds=float(rng.beta(1, 20)) * duration,
        memory_peak_bytes=int(rng.beta(3, 3) * limit),
        memory_limit_bytes=limit,
        oom_kills=0,
        cpu_waiting_seconds=float(rng.beta(1, 30)) * duration,
        memory_waiting_seconds=float(rng.beta(1, 60)) * duration,
        io_waiting_seconds=float(rng.beta(1, 20)) * duration,
    )


def ailing_trace(rng: Generator, cause: str, trace: TraceSummary) -> TraceSummary:
    """What ``cause`` makes of a healthy trace; causes that leave no mark return it unchanged."""
    duration = trace.duration_seconds
    if cause == "memory":
        limit = trace.memory_limit_bytes or 0
        return replace(trace, memory_peak_bytes=int(limit * rng.uniform(0.93, 1.0)), oom_kills=1)
    if cause == "hang":
        return replace(trace, cpu_idle_tail_seconds=float(rng.uniform(0.4, 0.98)) * duration)
    if cause == "cpu contention":
        return replace(trace, cpu_waiting_seconds=float(rng.beta(6, 6)) * duration)
    if cause == "io contention":
        return replace(trace, io_waiting_seconds=float(rng.beta(6, 6)) * duration)
    return trace


def anomaly_p(rng: Generator, cause: str) -> float:
    """A conformal p-value: uniform where the cause leaves no mark, else mostly small."""
    odd = cause in ("hang", "cpu contention", "io contention", "bug")
    return max(0.002, float(rng.beta(0.5, 4) if odd else rng.uniform()))
