"""The loop: one turn of each subject under one lock, resumed where it was interrupted."""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...classifier import tracking
from ...classifier.artifact import ArtifactError
from ...jobs.text import printable
from ..config import BrainConfig
from ..models import champions
from ..store import Store
from . import folders, lock, replay, seen, turns
from .course import Course, Reached
from .incumbents import shadow_of
from .steps import promoting, telling
from .steps.telling import Registered, Told
from .subject import Subject, Tell
from .turn import Ended, Turn
from .turns import TurnRecord, TurnState
from .work import DAY, NothingToLearn, Work

if TYPE_CHECKING:
    from .registry.registry import Registry

log = logging.getLogger("jobmend.learning")

Clock = Callable[[], float]  # seconds since the epoch
MAX_SENTENCE = 1000


@dataclass(frozen=True)
class Turned:
    """A turn that ended, and the seconds of each of its steps."""

    record: TurnRecord
    seconds: Mapping[str, float]

    @property
    def failed(self) -> bool:
        """Did it fail? The champion is in place all the same."""
        return self.record.state is TurnState.FAILED


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def _nowhere(_point: str) -> None:
    """Interrupt nothing."""


@dataclass(frozen=True)
class Loop:
    """What turns need beside their subjects; ``config.store.models`` holds their files.

    ``chance`` gives the random bytes of a turn's id, which decides what the turn draws.
    """

    store: Store
    config: BrainConfig
    clock: Clock = time.time
    tell: Tell = _quiet
    registry: Registry | None = None
    reached: Reached = _nowhere
    chance: folders.Chance = os.urandom

    def learn(self, subjects: Sequence[Subject[Any]]) -> list[Turned]:
        """One turn of each subject, one after the other; :class:`.lock.Busy` where others turn.

        First the one that has waited longest, so that no subject that is killed, again and again,
        keeps the others from theirs.
        A turn that fails is told in its record; OSError or sqlite3.Error only where that is
        impossible.
        """
        with lock.held(folders.lock_of(self.config.store.models), self.clock()):
            return [self._turn(subject) for subject in sorted(subjects, key=self._last_begun)]

    def _last_begun(self, subject: Subject[Any]) -> float:
        with self.store.read() as db:
            found = turns.history(db, subject.name, 1)
        return found[0].begun if found else -math.inf

    def _turn(self, subject: Subject[Any]) -> Turned:
        record = self._begin(subject.name)
        work = self._work(subject, record)
        course: Course | None = None
        try:
            folders.sweep(folders.subject_of(work.models, subject.name))
            folders.sweep(work.models / subject.name)
            self._prune(work)
            self._publish(work)
            course = Course(work, self.store, self.clock(), self.reached)
            remember = partial(replay.remember, work, self.store)
            ended = Turn(work, self.store, course, self.registry, remember).go()
        except NothingToLearn as reason:
            ended = self._unchanged(work, TurnState.KEPT, str(reason))
        except (
            Exception
        ) as error:  # whatever it is, the other subject has its turn, and people know
            log.exception("subject=%s turn=%s failed", subject.name, record.id)
            why = _sentence(error, work.models)
            ended = self._unchanged(work, TurnState.FAILED, why)
        self.reached("end:before")
        return self._end(work, ended, course.seconds if course else {})

    def _publish(self, work: Work[Any]) -> None:
        """What a killed turn did not come to."""
        try:
            promoting.publish(work, self.store)
        except ArtifactError as error:
            log.warning("subject=%s turn=%s %s", work.subject.name, work.id, error)

    def _begin(self, subject: str) -> TurnRecord:
        """The turn to go on with, or a new one."""
        now = self.clock()
        with self.store.write() as db:
            open_ones = turns.running(db, subject)
            young = [one for one in open_ones if self._may_resume(one, now)][-1:]
            for one in open_ones:
                if one not in young:
                    turns.end(db, one.id, TurnState.ABANDONED, now, {"why": "interrupted"})
            if young:
                log.info("subject=%s turn=%s resumed", subject, young[0].id)
                return young[0]
            new = TurnRecord(
                folders.new_id(now, self.chance), subject, now, None, TurnState.RUNNING
            )
            turns.begin(db, new)
            return new

    def _may_resume(self, turn: TurnRecord, now: float) -> bool:
        return 0 <= now - turn.begun < self.config.learning.resume_seconds

    def _work(self, subject: Subject[Any], record: TurnRecord) -> Work[Any]:
        learning = self.config.learning
        with self.store.read() as db:
            last = turns.closed(db, subject.name, record.begun)
            known = seen.by_others(db, subject.name, record.id)
            left_out = seen.left_out(db, subject.name)
        since = last.begun if last else record.begun - learning.period_seconds
        folder = folders.turn_of(self.config.store.models, subject.name, record.id)
        return Work(
            id=record.id,
            subject=subject,
            config=self.config,
            begun=record.begun,
            newest_since=max(since, record.begun - learning.days * DAY),
            folder=folder,
            tell=self.tell,
            seen=known,
            left_out=left_out,
        )

    def _unchanged(self, work: Work[Any], state: TurnState, why: str) -> Ended:
        """Nothing came of it: champion and shadow are what they were."""
        with self.store.read() as db:
            newest = champions.newest(db, work.subject.name)
            waiting = shadow_of(db, work.subject.name, self.clock())
        number = newest.number if newest else 0
        shadow = vars(waiting) if waiting else None
        body = {"why": why, "before": number, "after": number, "shadow": shadow}
        if state is TurnState.FAILED:
            told = Told(state, why, shadow=waiting)
            tell = partial(telling.register, work, self.store, self.registry, told, self.clock())
        elif newest is not None:
            tell = partial(telling.catch_up, work, self.store, self.registry, waiting)
        else:
            return Ended(state, body)
        return Ended(state, {**body, "notes": self._notes(work, tell)})

    def _notes(self, work: Work[Any], tell: Callable[[], Registered]) -> Sequence[str]:
        """What the registry could not be told. Whatever that is, the turn ends as it did."""
        try:
            return tell().notes
        except Exception as error:
            log.exception("subject=%s turn=%s is not told to MLflow", work.subject.name, work.id)
            return (_sentence(error, work.models),)

    def _end(self, work: Work[Any], ended: Ended, seconds: Mapping[str, float]) -> Turned:
        now = self.clock()
        with self.store.write() as db:
            turns.end(db, work.id, ended.state, now, ended.body)
        log.info(
            "subject=%s turn=%s state=%s why=%r",
            work.subject.name,
            work.id,
            ended.state.value,
            printable(str(ended.body.get("why", "")), MAX_SENTENCE),
        )
        self.reached("end:after")
        self._prune(work)
        with self.store.read() as db:
            return Turned(turns.get(db, work.id), seconds)

    def _prune(self, work: Work[Any]) -> None:
        """Make room: old turns' folders, models that are in shadow no more, old champions."""
        learning, name = self.config.learning, work.subject.name
        with self.store.read() as db:
            waiting = shadow_of(db, name, self.clock())
        kept = {waiting.turn} if waiting else set()
        folders.prune(work.models, name, learning.kept_turns - 1, learning.disk_bytes, {work.id})
        folders.prune_shadows(work.models, name, kept | {work.id})
        champions.prune(self.store, work.models, name)


def _sentence(error: Exception, models: Path) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{models}: there is no room left on the disk; make room, or lower [learning] "
            "disk_bytes and archive_bytes"
        )
    name = type(error).__name__
    return tracking.public(f"{name}: {error}" if str(error) else name, MAX_SENTENCE)
