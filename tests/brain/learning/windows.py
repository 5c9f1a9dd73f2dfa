"""Examples of synthetic windows, and a source that holds them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from jobmend.brain.learning.subject import Example
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.classifier.traces import synthetic

LEVEL = [FEATURES.index(name) for name in ("user", "system", "job_cpu")]


@dataclass
class Source:
    """What a test put there."""

    told: list[TraceWindow] = field(default_factory=list)

    def windows(self, since: float, until: float) -> Iterator[TraceWindow]:
        return iter([window for window in self.told if since <= window.start < until])


def example(window: TraceWindow, kind: str = "fit", truth: str = "healthy") -> Example[TraceWindow]:
    group = "+".join(sorted({owner for owner in window.owners if owner is not None}))
    return Example(window.key, window.start, group, kind, truth, window)


def healthy(
    seed: int, runs: int, per_run: int = 4, begin: float = 0.0, name: str = "run"
) -> list[Example[TraceWindow]]:
    """``per_run`` windows of each of ``runs`` runs, a minute apart from ``begin`` on."""
    rng = np.random.default_rng(seed)
    return [
        example(replace(synthetic.window(rng, f"{name}-{n // per_run}"), start=begin + 60.0 * n))
        for n in range(runs * per_run)
    ]


def ailing(
    seed: int, runs: int, truth: str = "ailing", name: str = "bad"
) -> list[Example[TraceWindow]]:
    rng = np.random.default_rng(seed)
    ailments = synthetic.AILMENTS
    return [
        example(
            synthetic.window(rng, f"{name}-{n // 4}", ailment=ailments[n % len(ailments)]),
            truth=truth,
        )
        for n in range(4 * runs)
    ]


def drifted(examples: Iterable[Example[TraceWindow]]) -> list[Example[TraceWindow]]:
    """The same work as a new version of the program does it: at a third, waiting for storage."""
    found = []
    for one in examples:
        values = np.frombuffer(one.content.values, np.float32).reshape(one.content.shape).copy()
        values[:-1, :, LEVEL] *= 0.35
        values[:-1, ::3, FEATURES.index("iowait")] += 0.4
        values[:-1, ::3, FEATURES.index("job_io_pressure")] += 0.4
        found.append(
            replace(one, content=replace(one.content, values=array("f", values.tobytes())))
        )
    return found
