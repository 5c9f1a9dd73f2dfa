"""Slots: how many CPUs jobs may have together. A lock file each, so a dead holder holds nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_GATE = "gate.lock"


class Allotment:
    """Slots held by this process until :meth:`release` or its death."""

    def __init__(self, cpus: Sequence[int], locks: Sequence[int]) -> None:
        """Hold the open ``locks``; ``cpus`` are the hardware threads they stand for."""
        self.cpus = tuple(sorted(set(cpus)))
        self._locks = list(locks)

    def release(self) -> None:
        """Give the slots back."""
        while self._locks:
            os.close(self._locks.pop())


class Slots:
    """The slots of one queue: one per hardware thread this process may use, or ``count``.

    With more slots than hardware threads several slots stand for the same thread.
    """

    def __init__(self, directory: Path, count: int | None = None) -> None:
        """Keep the lock files in ``directory``, which is made when it is needed."""
        allowed = sorted(os.sched_getaffinity(0))
        self._directory = directory
        self._cpus = [allowed[index % len(allowed)] for index in range(count or len(allowed))]

    def __len__(self) -> int:
        """How many slots there are."""
        return len(self._cpus)

    def acquire(self, wanted: int) -> Allotment | None:
        """Take ``wanted`` slots or none; None when fewer are free now."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        locks: dict[int, int] = {}
        with self._gate():
            for index in range(len(self._cpus)):
                if len(locks) == wanted:
                    break
                lock = _lock(self._directory / f"slot{index}.lock", fcntl.LOCK_NB)
                if lock is not None:
                    locks[index] = lock
            allotment = Allotment([self._cpus[index] for index in locks], list(locks.values()))
            if len(locks) < wanted:
                allotment.release()
        return allotment if len(locks) == wanted else None

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """One taker at a time: two that each hold half of what they want would both go without."""
        gate = _lock(self._directory / _GATE)
        try:
            yield
        finally:
            if gate is not None:
                os.close(gate)


def _lock(path: Path, flags: int = 0) -> int | None:
    """An open, locked file; None where somebody else has it (only with LOCK_NB)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
