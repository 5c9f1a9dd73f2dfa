"""Events out of a schedd's event log: for pools that keep no epochs, on the schedd's machine.

It needs ``EVENT_LOG_JOB_AD_INFORMATION_ATTRS`` in the schedd's configuration, or the events do not
say which execution they are of. The numbers are the manual's, "Job Event Log Codes".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...jobs.events import EventKind, JobEvent
from . import ads, ends, history
from .ads import JobAd
from .history import Naming
from .pool import Pool

# How each event is told: as the ad would stand in the queue, as an epoch, or in the history.
_STATUS_IN_QUEUE = {0: 1, 1: 2, 12: ends.HELD, 13: 1}  # submitted, executing, held, released
_EVICTED, _TERMINATED, _ABORTED = 4, 5, 9
_VACATE_CODES = {7: 1002, 24: 1008}  # shadow exception, reconnect failed

SETTLE_SECONDS = 5.0  # an eviction may be followed by the hold or the removal that it came of
_MARK_EVERY = 500  # events
_MAX_MARKS = 2000


@dataclass(frozen=True)
class _Mark:
    time: float  # of the events behind it
    inode: int
    offset: int


class EventLog:
    """A schedd's event log. After a restart it is read from its oldest event on, once.

    What was told before is told again where it is asked for again, so nothing need be kept.
    """

    def __init__(self, pool: Pool, path: str, further: Iterable[str]) -> None:
        """Read ``path`` (EVENT_LOG) with the bindings; ``further`` as in :func:`ads.read`."""
        self._pool = pool
        self._path = path
        self._further = tuple(further)
        self._marks: deque[_Mark] = deque(maxlen=_MAX_MARKS)

    def events(self, since: float, until: float, now: float, naming: Naming) -> Iterator[JobEvent]:
        """What happened between ``since`` and ``until`` (epoch seconds), as far as it is final."""
        told = (
            event
            for time, ad in self._read(since - SETTLE_SECONDS)
            for event in of_event(ad, time, naming)
        )
        for event in settled(told, now):
            if since <= event.time < until:
                yield event

    def _read(self, since: float) -> Iterator[tuple[float, tuple[int, JobAd]]]:
        start = next((mark for mark in reversed(self._marks) if mark.time <= since), None)
        attributes = [*ads.wanted(self._further), "EventTime", "Trigger"]
        answers = self._pool.ask(
            "event_log",
            path=self._path,
            inode=start.inode if start else 0,
            offset=start.offset if start else 0,
            attributes=attributes,
        )
        for number, answer in enumerate(answers, start=1):
            time = float(answer["ad"].get("EventTime", 0))
            if number % _MARK_EVERY == 0:
                self._mark(_Mark(time, answer["inode"], answer["offset"]))
            found = _ad(answer["ad"], self._further)
            if found is not None:
                yield time, found

    def _mark(self, mark: _Mark) -> None:
        if not self._marks or mark.time > self._marks[-1].time:
            self._marks.append(mark)


def _ad(values: Mapping[str, Any], further: Iterable[str]) -> tuple[int, JobAd] | None:
    ad = ads.read(values, tuple(further))
    trigger = values.get("Trigger")
    return (trigger, ad) if ad is not None and type(trigger) is int else None


def of_event(event: tuple[int, JobAd], time: float, naming: Naming) -> Iterator[JobEvent]:
    """What one event of the log says; ``event`` is its number and the job's ad at that time."""
    number, ad = event
    if number in _STATUS_IN_QUEUE:
        status = _STATUS_IN_QUEUE[number]
        yield from history.of_queue(replace(ad, status=status, entered=time), naming)
    elif number in (_EVICTED, _TERMINATED):
        yield from history.of_epoch(replace(ad, written=time), naming)
    elif number in _VACATE_CODES:
        code = _VACATE_CODES[number]
        yield from history.of_epoch(replace(ad, written=time, vacate_code=code), naming)
    elif number == _ABORTED:
        removed = replace(ad, status=ends.REMOVED, entered=time, completed=None)
        yield from history.of_history(removed, naming)


def settled(events: Iterable[JobEvent], now: float) -> Iterator[JobEvent]:
    """The events, of each run's ends only the last of those that follow each other closely."""
    waiting: dict[str, JobEvent] = {}
    for event in events:
        yield from _ripe(waiting, event.time - SETTLE_SECONDS)
        if event.kind is EventKind.OUTCOME:
            waiting.pop(event.run.key, None)
            waiting[event.run.key] = event
        else:
            yield event
    yield from _ripe(waiting, now - SETTLE_SECONDS)


def _ripe(waiting: dict[str, JobEvent], before: float) -> Iterator[JobEvent]:
    while waiting:
        key, event = next(iter(waiting.items()))
        if event.time >= before:
            return
        yield waiting.pop(key)
