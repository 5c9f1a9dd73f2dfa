"""When to look for the cgroups of jobs, and which directories to watch for news of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from ..plugins.layout import JobPath, Layout
from .cgroups import Finder, Sighting, hierarchies
from .notices import Notice, Notices

RELOOK_SECONDS = 10.0  # all is looked through anyhow: a notice may have been missed
_SHARE = 0.05  # of the time may go into looking, while jobs come and go very fast


class Discovery:
    """Finds the jobs of a node: at once where the kernel tells of news, else at each sample."""

    def __init__(self, cgroup_root: str, layouts: Sequence[Layout], notices: Notices) -> None:
        """Look below ``cgroup_root``; nothing is read yet."""
        self._root = cgroup_root
        self._finder = Finder(layouts)
        self._notices = notices
        self._watched: set[str] = set()
        self._news = True
        self._soonest = -math.inf  # not before, even when there are news
        self._latest = -math.inf  # then in any case

    def hear(self, notice: Notice) -> None:
        """Remember that something came or went where jobs may be."""
        if "" in notice.changed or not self._finder.listed.isdisjoint(notice.changed):
            self._news = True

    def doubt(self) -> None:
        """Look again at the next chance: a file said that its cgroup is gone."""
        self._news, self._soonest = True, -math.inf

    def is_due(self, now: float) -> bool:
        """Is it time to look, at the monotonic time ``now``?"""
        if not self._notices.hears_directories:
            return True
        return (self._news and now >= self._soonest) or now >= self._latest

    def due_in(self, now: float) -> float | None:
        """Seconds until news are to be looked after; None where there are none."""
        if not self._news or not self._notices.hears_directories:
            return None
        return max(self._soonest - now, 0.0)

    def look(self, now: float, also: set[str]) -> dict[JobPath, Sighting]:
        """The jobs that are there at the monotonic time ``now``.

        ``also``: more directories that are to be watched.
        """
        began = time.perf_counter()
        self._news = False  # what comes from now on is news again
        found = self._finder.find(hierarchies(self._root))
        watched = self._finder.listed | also
        if not watched <= self._watched:
            self._news = True  # something may have come before its directory was watched
        self._notices.watch_only(watched)
        self._watched = watched
        self._soonest = now + (time.perf_counter() - began) / _SHARE
        self._latest = now + RELOOK_SECONDS
        return found
