"""inotify(7) by the C library, for directories made and removed: Python has no call for it."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import Any

_IN_CREATE, _IN_DELETE, _IN_Q_OVERFLOW, _IN_ONLYDIR = 0x100, 0x200, 0x4000, 0x01000000
_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows
_MAX_BYTES = 65536


class Inotify:
    """One inotify instance. ``descriptor`` is readable when something was made or removed."""

    def __init__(self) -> None:
        """Make an instance; OSError where the system gives none."""
        try:
            import ctypes
        except ImportError as error:  # a Python built without libffi
            raise OSError(str(error)) from error
        self._errno = ctypes.get_errno
        self._libc: Any = ctypes.CDLL(None, use_errno=True)
        self._paths: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        self.descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def _checked(self, answer: int) -> int:
        if answer < 0:
            raise OSError(self._errno(), os.strerror(self._errno()))
        return answer

    def watch_only(self, directories: set[str]) -> None:
        """Hear of exactly these directories from now on; OSError where one cannot be watched.

        One that is not there is passed over.
        """
        for gone in self._watches.keys() - directories:
            watch = self._watches.pop(gone)
            if self._paths.get(watch) == gone:
                del self._paths[watch]
                self._libc.inotify_rm_watch(self.descriptor, watch)  # fails where it is gone
        for path in directories - self._watches.keys():
            try:
                mask = _IN_CREATE | _IN_DELETE | _IN_ONLYDIR
                raw = os.fsencode(path)
                watch = self._checked(self._libc.inotify_add_watch(self.descriptor, raw, mask))
            except FileNotFoundError:
                continue
            self._watches[path], self._paths[watch] = watch, path

    def changed(self) -> set[str]:
        """The watched directories in which something was made or removed; "" for "perhaps any"."""
        found: set[str] = set()
        with contextlib.suppress(BlockingIOError):  # all that there was is read
            while True:
                for watch, mask in _events(os.read(self.descriptor, _MAX_BYTES)):
                    if mask & (_IN_CREATE | _IN_DELETE):
                        found.add(self._paths.get(watch, ""))
                    elif mask & _IN_Q_OVERFLOW:
                        found.add("")
        return found

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def _events(data: bytes) -> Iterator[tuple[int, int]]:
    """Watch and mask of each event in what was read; names are passed over."""
    place = 0
    while place < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, place)
        yield watch, mask
        place += _EVENT.size + length
