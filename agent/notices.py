"""What the kernel says by itself between two samples: a cgroup came, or its last process left.

A directory that is watched tells of cgroups that come and go, so that the first sample of a job is
taken at its start. ``cgroup.events`` of cgroup v2 wakes its poll with POLLPRI when the last process
below it left, while its counters can still be read (cgroup-v2.rst, "Un)populated Notification").
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
from typing import NamedTuple

from .inotify import Inotify

log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """What was said while waiting."""

    changed: frozenset[str]  # watched directories in which one came or went; "" for "perhaps any"
    emptied: frozenset[str]  # cgroups that processes entered, or that the last one left


NOTHING = Notice(frozenset(), frozenset())


class Notices:
    """Waits for notices. Only one thread may use it, but any may call :meth:`wake`."""

    def __init__(self) -> None:
        """Ask for inotify; without it only ``cgroup.events`` and :meth:`wake` are heard."""
        self._epoll = select.epoll()
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(self._woken, select.EPOLLIN)
        self._cgroups: dict[int, str] = {}  # by the descriptor of their cgroup.events
        self._descriptors: dict[str, int] = {}  # the same, by cgroup
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify()
            self._epoll.register(self._inotify.descriptor, select.EPOLLIN)
        except OSError as error:
            self._do_without_inotify(error)

    def _do_without_inotify(self, error: OSError) -> None:
        log.warning("cgroups are looked for at each sample, because inotify fails: %s", error)
        if self._inotify is not None:
            self._epoll.unregister(self._inotify.descriptor)
            self._inotify.close()
            self._inotify = None

    @property
    def hears_directories(self) -> bool:
        """Does silence mean that no directory came or went?"""
        return self._inotify is not None

    def watch_only(self, directories: set[str]) -> None:
        """Hear of directories made and removed in exactly these from now on."""
        if self._inotify is not None:
            try:
                self._inotify.watch_only(directories)
            except OSError as error:  # such as fs.inotify.max_user_watches reached
                self._do_without_inotify(error)

    def watch_processes(self, cgroup: str) -> bool:
        """Hear when the last process leaves a v2 cgroup, until :meth:`forget`.

        False where there is nothing to poll, as under v1 or in a copy of a tree.
        """
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC
            descriptor = os.open(os.path.join(cgroup, "cgroup.events"), flags)
        except OSError:
            return False
        try:
            os.read(descriptor, 64)  # what is unread counts as changed
            self._epoll.register(descriptor, select.EPOLLPRI)
        except OSError:
            os.close(descriptor)
            return False
        self.forget(cgroup)
        self._cgroups[descriptor], self._descriptors[cgroup] = cgroup, descriptor
        return True

    def forget(self, cgroup: str) -> None:
        """Hear no more of a cgroup's processes."""
        descriptor = self._descriptors.pop(cgroup, None)
        if descriptor is not None:
            del self._cgroups[descriptor]
            self._epoll.unregister(descriptor)
            os.close(descriptor)

    def wait(self, seconds: float) -> Notice:
        """Wait for a notice, for at most ``seconds``; NOTHING where none came or one was woken."""
        changed: set[str] = set()
        emptied: set[str] = set()
        for descriptor, _ in self._epoll.poll(max(seconds, 0.0)):
            if descriptor == self._woken:
                os.read(self._woken, 64)
            elif descriptor in self._cgroups:
                cgroup = self._cgroups[descriptor]
                emptied.add(cgroup)
                try:
                    os.pread(descriptor, 64, 0)
                except OSError:  # removed: it would wake for ever
                    self.forget(cgroup)
            elif self._inotify is not None:
                changed |= self._inotify.changed()
        return Notice(frozenset(changed), frozenset(emptied))

    def wake(self) -> None:
        """End the wait of the other thread at once."""
        with contextlib.suppress(BlockingIOError):  # it has not heard the last one yet
            os.write(self._waker, b"!")

    def close(self) -> None:
        """Give all descriptors back."""
        for cgroup in list(self._descriptors):
            self.forget(cgroup)
        if self._inotify is not None:
            self._inotify.close()
        self._epoll.close()
        os.close(self._woken)
        os.close(self._waker)
