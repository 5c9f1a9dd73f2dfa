"""The table of runs: those open and those that ended lately, found by what events and paths say.

Every question is a look into a dictionary, whatever the number of runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..jobs.events import JobEvent
from ..jobs.identity import Run
from ..plugins.layout import JobPath
from .trace import JobTrace
from .tracked import Tracked, same_slot, short_slot

Name = tuple[str, ...]  # a key under which a run can be found


class Runs:
    """Runs by name. After a change of a run's identity, slot, cgroup or end call :meth:`file`."""

    def __init__(self) -> None:
        """Start with no run."""
        self._open: dict[int, Tracked] = {}
        self._ended: dict[int, Tracked] = {}
        self._serials: dict[int, int] = {}  # in the order in which runs were taken in
        self._taken_in = 0
        self._names: dict[int, tuple[Name, ...]] = {}
        self._named: dict[Name, dict[int, Tracked]] = {}
        self._traces: dict[int, Tracked] = {}
        self._trace_of: dict[int, int] = {}
        self._unsettled: dict[int, Tracked] = {}
        self._unseen: dict[int, Tracked] = {}
        self._of_user: Counter[int | None] = Counter()
        self._uid_of: dict[int, int | None] = {}

    # ---- asking ---------------------------------------------------------------------------------

    def told_of(self, event: JobEvent) -> Tracked | None:
        """The run an event speaks of: an open one before one that ended, the newest first."""
        run = event.run
        exact = ("run", run.scheduler, run.job_id, run.run)
        guesses = [("path", run.scheduler, word) for word in (run.run, run.job_id)]
        guesses.append(("path", run.scheduler, short_slot(event.facts.slot)))
        ended: Tracked | None = None
        for name in (exact, *guesses):
            for tracked in self._newest(name):
                if tracked.is_told_by(event, event.node):
                    if tracked.ended is None:
                        return tracked
                    ended = ended or tracked
        return ended

    def shown_by(self, path: JobPath) -> Tracked | None:
        """The open run whose cgroup was just seen at ``path``; the newest of several."""
        return next((one for one in self._newest(_at(path)) if one.is_shown_by(path)), None)

    def given_up_at(self, path: JobPath) -> Tracked | None:
        """The run at ``path`` that a hook began and none ended: it ended with its cgroup."""
        if path.slot:
            return None
        for tracked in self._newest(_at(path)):
            if tracked.ended is not None and tracked.path == path:
                return tracked
        return None

    def waiting_for(self, path: JobPath, users: frozenset[int]) -> Tracked | None:
        """The open run of a trusted teller, or of one of ``users``, that may be at ``path``."""
        for tracked in self._newest(_at(path)):
            if tracked.is_shown_by(path) and (tracked.trusted or tracked.uid in users):
                return tracked
        return None

    def holder_of(self, slot: str, scheduler: str) -> Tracked | None:
        """The run that is measured in a slot now, ended or not."""
        for tracked in self._newest(("slot", scheduler, short_slot(slot))):
            here = tracked.path
            if here is not None and tracked.is_measured and same_slot(here.slot, slot):
                return tracked
        return None

    def of_run(self, run: Run, node: str) -> list[Tracked]:
        """Those that a run of this name is on a node: more than one where names come again."""
        name = ("run", run.scheduler, run.job_id, run.run)
        return [tracked for tracked in self._newest(name) if tracked.node == node]

    def measured_by(self, trace: JobTrace) -> Tracked | None:
        """The run whose newest trace this is."""
        return self._traces.get(id(trace))

    def unsettled(self) -> list[Tracked]:
        """The open runs of which something is to be told or found out, oldest first."""
        return list(self._unsettled.values())

    def all(self) -> list[Tracked]:
        """The open runs, then those that ended, oldest first."""
        return [*self._open.values(), *self._ended.values()]

    def count_open(self, uid: int | None = None) -> int:
        """How many runs are open; of one user alone where ``uid`` is given."""
        return len(self._open) if uid is None else self._of_user[uid]

    def oldest_unseen(self) -> Tracked | None:
        """The oldest open run whose cgroup was never seen."""
        return next(iter(self._unseen.values()), None)

    def _newest(self, name: Name) -> list[Tracked]:
        here = self._named.get(name)
        if here is None:
            return []
        places = sorted(here, key=self._serials.__getitem__, reverse=True)
        return [here[place] for place in places]

    # ---- changing -------------------------------------------------------------------------------

    def file(self, tracked: Tracked) -> None:
        """Take a run in, or find it under its present names from now on."""
        place = id(tracked)
        self._unfile(place)
        if place not in self._serials:
            self._taken_in += 1
            self._serials[place] = self._taken_in
        self._names[place] = names = tuple(_names(tracked))
        for name in names:
            self._named.setdefault(name, {})[place] = tracked
        if tracked.trace is not None:
            self._traces[id(tracked.trace)] = tracked
            self._trace_of[place] = id(tracked.trace)
        if tracked.ended is None:
            self._ended.pop(place, None)
            self._open[place] = tracked
            self._of_user[tracked.uid] += 1
            self._uid_of[place] = tracked.uid
        else:
            self._open.pop(place, None)
            self._ended[place] = tracked
        _keep(self._unsettled, tracked, not tracked.is_settled)
        _keep(self._unseen, tracked, tracked.ended is None and tracked.trace is None)

    def drop(self, tracked: Tracked) -> None:
        """Forget a run."""
        place = id(tracked)
        self._unfile(place)
        self._serials.pop(place, None)
        for table in (self._open, self._ended, self._unsettled, self._unseen):
            table.pop(place, None)

    def forget_ended(self, now: float, ttl: float, most: int) -> None:
        """Forget runs that ended ``ttl`` seconds before ``now``, and the oldest beyond ``most``.

        One whose cgroup is still there loses its exit alone: somebody may take the cgroup over.
        """
        for _ in range(len(self._ended)):
            oldest = next(iter(self._ended.values()))
            recent = oldest.ended is not None and now - oldest.ended < ttl
            if recent and len(self._ended) <= most:
                return
            if oldest.is_measured:
                oldest.exit, oldest.ended = None, now
                self._ended[id(oldest)] = self._ended.pop(id(oldest))
            else:
                self.drop(oldest)

    def _unfile(self, place: int) -> None:
        for name in self._names.pop(place, ()):
            here = self._named[name]
            del here[place]
            if not here:
                del self._named[name]
        trace = self._trace_of.pop(place, 0)
        if trace in self._traces and id(self._traces[trace]) == place:
            del self._traces[trace]
        if place in self._uid_of:
            uid = self._uid_of.pop(place)
            self._of_user[uid] -= 1
            if not self._of_user[uid]:
                del self._of_user[uid]


def _keep(table: dict[int, Tracked], tracked: Tracked, wanted: bool) -> None:
    if wanted:
        table.setdefault(id(tracked), tracked)
    else:
        table.pop(id(tracked), None)


def _names(tracked: Tracked) -> Iterator[Name]:
    run, path = tracked.run, tracked.path
    yield ("run", run.scheduler, run.job_id, run.run)
    if tracked.guessed and path is not None:
        yield ("path", run.scheduler, path.job_id or path.run or short_slot(path.slot))
    if tracked.ended is None or (tracked.start is not None and not tracked.end_heard):
        yield ("job", run.scheduler, run.job_id)
        if not run.run.isdigit():  # a restart count finds nobody
            yield ("sluid", run.scheduler, run.run)
    slot = tracked.slot or (path.slot if path is not None else "")
    if slot and (tracked.ended is None or tracked.is_measured):
        yield ("slot", run.scheduler, short_slot(slot))


def _at(path: JobPath) -> Name:
    """The name under which the run at a path is found."""
    if path.job_id:
        return ("job", path.scheduler, path.job_id)
    if path.run:
        return ("sluid", path.scheduler, path.run)
    return ("slot", path.scheduler, short_slot(path.slot))
