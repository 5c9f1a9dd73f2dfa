"""How Slurm's commands name jobs: ``42``, ``40_2``, and many at once as ``40_[2,4-6],42``.

The many are what scontrol(1) and scancel(1) call a job list; squeue(1) knows no brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_TASKS = 100_000  # of one array in brackets

_NUMBER = "[0-9]{1,10}"
_SINGLE = re.compile(f"({_NUMBER})(?:_({_NUMBER}))?")
_RANGE = f"{_NUMBER}(?:-{_NUMBER})?"
# What is left of an array that waits, as accounting names it; %2: at most two run at a time.
_TASKS = re.compile(rf"({_NUMBER})_\[({_RANGE}(?:,{_RANGE})*)(?:%{_NUMBER})?\]")
_WORD = re.compile(r"[^,\[]+(?:\[[^\]]*\])?")


def expand(address: str) -> list[str]:
    """The single jobs and tasks that accounting's ``address`` names; ValueError if it is none."""
    if _SINGLE.fullmatch(address):
        return [address]
    match = _TASKS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} names no job")
    spans = [tuple(map(int, span.split("-"))) for span in match[2].split(",")]
    if any(span[0] > span[-1] for span in spans):
        raise ValueError(f"{address!r} counts backwards")
    if sum(span[-1] - span[0] + 1 for span in spans) > MAX_TASKS:
        raise ValueError(f"{address!r} has more than {MAX_TASKS} tasks")
    return [f"{match[1]}_{task}" for span in spans for task in range(span[0], span[-1] + 1)]


def join(addresses: Iterable[str]) -> str:
    """Single jobs and tasks as one job list, in order of their numbers."""
    tasks: dict[int, list[int]] = {}
    words: dict[tuple[int, int], str] = {}
    for array, task in sorted({numbers(address) for address in addresses}):
        if task < 0:
            words[array, -1] = str(array)
        else:
            tasks.setdefault(array, []).append(task)
    for array, of_array in tasks.items():
        spans = _spans(of_array)
        single = len(of_array) == 1
        words[array, 0] = f"{array}_{spans}" if single else f"{array}_[{spans}]"
    return ",".join(words[key] for key in sorted(words))


def parse(jobs: str) -> list[str]:
    """The single jobs and tasks of a job list that :func:`join` made; ValueError if it did not."""
    words = _WORD.findall(jobs)
    if ",".join(words) != jobs or not words:
        raise ValueError(f"{jobs!r} is no list of jobs")
    return [address for word in words for address in expand(word)]


def numbers(address: str) -> tuple[int, int]:
    """Job and task (-1: none) of a single job or task, for sorting; ValueError for others."""
    match = _SINGLE.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is no single job or task")
    return int(match[1]), -1 if match[2] is None else int(match[2])


def _spans(tasks: list[int]) -> str:
    """``2,4-6`` of sorted numbers."""
    spans: list[list[int]] = []
    for task in tasks:
        if spans and task == spans[-1][1] + 1:
            spans[-1][1] = task
        else:
            spans.append([task, task])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)
