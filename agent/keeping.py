"""Which windows of trace leave the node: those of abnormal and ailing runs, and a random sample.

All others are forgotten. The sample is what models are trained on: of the usual windows of a
period each has the same chance to be in it (reservoir sampling, Vitter 1985, algorithm R).
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from ..jobs.windows import TraceWindow

ABNORMAL, AILING, SAMPLE = "abnormal", "ailing", "sample"
REASONS = (ABNORMAL, AILING, SAMPLE)
HELD_OF_RUN = 2  # newest windows of a run, held until its end tells whether they are wanted
MAX_HELD_BYTES = 8 * 1024 * 1024  # of all runs together; the oldest run's go first
MAX_AILING = 1024  # runs whose windows may yet come


@dataclass(frozen=True)
class Rules:
    """How many windows are kept, and when one is abnormal."""

    alpha: float  # a p-value this small or smaller is abnormal
    sample: int  # windows of a period
    ailing: int  # windows of abnormal and ailing runs in a period, at most
    period_seconds: float


class Keeping:
    """Decides window by window. Only one thread may use it."""

    def __init__(self, rules: Rules, now: float, chance: random.Random | None = None) -> None:
        """Begin a period at the monotonic time ``now``; ``chance`` draws the sample."""
        self._rules = rules
        self._chance = chance or random.Random()
        self._begun = now
        self._held: OrderedDict[str, deque[TraceWindow]] = OrderedDict()
        self._held_bytes = 0
        self._ailing: OrderedDict[str, None] = OrderedDict()
        self._sample: list[TraceWindow] = []
        self._seen = self._ailing_told = 0
        self.kept: Counter[str] = Counter()
        self.passed_over = 0  # of abnormal and ailing runs, beyond what a period may hold

    def judge(self, run: str, window: TraceWindow, p: float | None) -> list[TraceWindow]:
        """What is to be told now that a window of ``run`` has this p-value; None: not scored."""
        if run in self._ailing:
            return self._tell([window], AILING)
        if p is not None and p <= self._rules.alpha:
            return self._tell([window], ABNORMAL)
        self._draw(window)
        self._hold(run, window)
        return []

    def hear(self, run: str, *, ails: bool) -> list[TraceWindow]:
        """What is to be told now that ``run`` failed, stalls or contends, or has ended well."""
        held = self._drop(run)
        if not ails:
            return []
        self._ailing[run] = None
        while len(self._ailing) > MAX_AILING:
            self._ailing.popitem(last=False)
        return self._tell(held, AILING)

    def due(self, now: float) -> list[TraceWindow]:
        """The sample of the period, once that is over at the monotonic time ``now``."""
        if now - self._begun < self._rules.period_seconds:
            return []
        self._begun = now
        return self.finish()

    def finish(self) -> list[TraceWindow]:
        """The sample as far as it has come; a new one begins."""
        drawn, self._sample = self._sample, []
        self._seen = self._ailing_told = 0
        self.kept[SAMPLE] += len(drawn)
        return drawn

    def _tell(self, windows: Iterable[TraceWindow], why: str) -> list[TraceWindow]:
        told = list(windows)
        room = max(self._rules.ailing - self._ailing_told, 0)
        self.passed_over += max(len(told) - room, 0)
        told = told[max(len(told) - room, 0) :]
        self._ailing_told += len(told)
        self.kept[why] += len(told)
        return told

    def _draw(self, window: TraceWindow) -> None:
        self._seen += 1
        if len(self._sample) < self._rules.sample:
            self._sample.append(window)
            return
        place = self._chance.randrange(self._seen)
        if place < self._rules.sample:
            self._sample[place] = window

    def _hold(self, run: str, window: TraceWindow) -> None:
        held = self._held.setdefault(run, deque())
        self._held.move_to_end(run)
        held.append(window)
        self._held_bytes += _size(window)
        if len(held) > HELD_OF_RUN:
            self._held_bytes -= _size(held.popleft())
        while self._held_bytes > MAX_HELD_BYTES:
            self._drop(next(iter(self._held)))

    def _drop(self, run: str) -> list[TraceWindow]:
        held = list(self._held.pop(run, ()))
        self._held_bytes -= sum(map(_size, held))
        return held


def _size(window: TraceWindow) -> int:
    return len(window.values) * window.values.itemsize
