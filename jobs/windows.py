"""A stretch of trace: what every hardware thread did, step by step, and whose job ran there."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass

# Thread features are shares of the step (0..1) from /proc/stat; job features belong to the job
# that owns the thread and are NaN where nobody does or the kernel does not tell. job_cpu is CPU
# seconds per second and per CPU the job may use; pressures are "some" seconds per second.
FEATURES = (
    "user",
    "nice",
    "system",
    "iowait",
    "irq",
    "steal",
    "job_cpu",
    "job_cpu_pressure",
    "job_memory_pressure",
    "job_io_pressure",
)


# Usual steps (1, 2, 5, 10, 15, 30 s) are half as long again as the next or more; those of a busy
# node are a little longer than asked for.
SAME_STEP = 2**0.5


@dataclass(frozen=True)
class WindowLength:
    """How long a window is: ``steps`` of ``step_seconds`` each.

    A model reads windows of the length it learned from alone: a mean over 15 s is another number
    than one over 1 s, whatever the job does.
    """

    steps: int
    step_seconds: float

    @property
    def seconds(self) -> float:
        """From the beginning of the first step to the end of the last."""
        return self.steps * self.step_seconds

    def same(self, other: WindowLength, within: float = SAME_STEP) -> bool:
        """As many steps, and the longer ones at most ``within`` times as long as the others."""
        shorter, longer = sorted((self.step_seconds, other.step_seconds))
        return self.steps == other.steps and longer <= within * shorter

    def __str__(self) -> str:
        """In words."""
        return f"{self.steps} steps of {self.step_seconds:.3g} s"


@dataclass(frozen=True)
class TraceWindow:
    """``[threads, steps, features]`` of one node, with the run that owned each thread.

    ``values`` is a flat float32 array in C order; NaN is "not measured". ``owners`` has one run
    key per thread, or None for a thread that belonged to nobody or to several.
    """

    node: str
    start: float  # seconds since the epoch, of the first step
    step_seconds: float
    threads: tuple[int, ...]
    owners: tuple[str | None, ...]
    values: array[float]
    features: tuple[str, ...] = FEATURES

    def __post_init__(self) -> None:
        """Refuse a window whose numbers do not fill its shape."""
        if len(self.owners) != len(self.threads):
            raise ValueError(f"{len(self.owners)} owners for {len(self.threads)} threads")
        per_step = len(self.threads) * len(self.features)
        if self.values.typecode != "f" or not per_step or len(self.values) % per_step:
            raise ValueError(f"{len(self.values)} values do not fill steps of {per_step} float32")

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.values) // (len(self.threads) * len(self.features))

    @property
    def length(self) -> WindowLength:
        """Steps, and how long each is."""
        return WindowLength(self.steps, self.step_seconds)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(threads, steps, features)``."""
        return len(self.threads), self.steps, len(self.features)

    @property
    def key(self) -> str:
        """Two windows of one key are the same window told twice."""
        return f"{self.node}/{self.start:.3f}/{'-'.join(str(thread) for thread in self.threads)}"

    def to_bytes(self) -> bytes:
        """The values as little-endian float32."""
        values = array("f", self.values)
        if sys.byteorder == "big":
            values.byteswap()
        return values.tobytes()


def values_from_bytes(data: bytes) -> array[float]:
    """Read :meth:`TraceWindow.to_bytes` back."""
    values = array("f")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
