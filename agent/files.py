"""Reading the same kernel file again and again: the descriptor is kept and read at offset 0.

A kept descriptor is three times cheaper than opening, and a cgroup that was removed answers ENODEV
on it. Where descriptors run out, files are opened and closed at each read instead.
"""

from __future__ import annotations

import errno
import logging
import os
import resource

_FIRST_READ = 4096  # bytes; a cgroup file of a job is hardly ever longer
_HEADROOM = 64  # descriptors left for sockets, the spool and files that are not kept
_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ENOTDIR})

log = logging.getLogger(__name__)


class Gone(Exception):
    """The file was there and is no more: its cgroup was removed."""


class Descriptors:
    """How many files may be kept open, and how many reads had to do without."""

    def __init__(self, limit: int | None = None) -> None:
        """Allow ``limit`` kept files; None: what RLIMIT_NOFILE leaves after some headroom."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._free = max(soft - _HEADROOM, 0) if limit is None else limit
        self._told = False
        self.open = 0  # files kept now
        self.unkept_reads = 0

    def take(self) -> bool:
        """May one more file be kept open? Where not, that is logged once."""
        if self._free > 0:
            self._free -= 1
            self.open += 1
            return True
        if not self._told:
            self._told = True
            log.warning(
                "no file descriptor is free, so files are opened at each sample; "
                "raise LimitNOFILE of the agent (20 for each job)"
            )
        return False

    def give(self) -> None:
        """One kept file was closed."""
        self._free += 1
        self.open -= 1


class KernelFile:
    """One file of procfs or a cgroup; kept open where ``kept`` allows it."""

    __slots__ = ("path", "size", "descriptor", "_kept")  # there are thousands of them

    def __init__(self, path: str, kept: Descriptors | None = None) -> None:
        """Look whether ``path`` can be read; OSError where it cannot, or is not there.

        Without ``kept`` the file is opened at each read and nothing is counted.
        """
        self.path = path
        self._kept = kept
        self.size = _FIRST_READ  # bytes asked for at a time
        self.descriptor = -1  # none is kept
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if kept is None or not kept.take():
            os.close(self.descriptor)
            self.descriptor = -1

    def read(self) -> bytes:
        """The content now; Gone where the cgroup was removed, OSError where reading fails."""
        try:
            if self.descriptor >= 0:
                return self._pread(self.descriptor)
            return self._open_and_read()
        except OSError as error:
            if error.errno in _GONE:
                self.close()
                raise Gone(self.path) from None
            raise

    def _open_and_read(self) -> bytes:
        if self._kept is not None:
            self._kept.unkept_reads += 1
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._pread(descriptor)
        finally:
            os.close(descriptor)

    def _pread(self, descriptor: int) -> bytes:
        data = os.pread(descriptor, self.size, 0)
        while len(data) == self.size:  # perhaps there is more
            self.size *= 2
            data = os.pread(descriptor, self.size, 0)
        return data

    def close(self) -> None:
        """Give the descriptor back; may be called again."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            if self._kept is not None:
                self._kept.give()
