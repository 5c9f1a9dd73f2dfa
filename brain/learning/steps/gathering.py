"""Step gather: the examples of the newest days, and of older ones what is remembered."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...store import Store
from .. import folders, seen
from ..subject import Content, Example
from ..work import NothingToLearn, Work

log = logging.getLogger("jobmend.learning")

FILE = "examples"


@dataclass(frozen=True)
class Gathered:
    """What was gathered, in numbers of examples. Times are seconds since the epoch.

    Of the ``newest`` are those ``late``, that are older than the newest period and came behind it.
    """

    since: float
    newest_since: float
    until: float
    newest: int
    older: int
    replayed: int
    left_out: int  # beyond [learning] max_examples
    late: int = 0
    notes: tuple[str, ...] = ()  # what no model could read beside the others, in sentences


def gather(work: Work[Content], store: Store, remembered: Sequence[Example[Content]]) -> Gathered:
    """Write the turn's examples into its folder. NothingToLearn where there are none.

    ``remembered`` is the reservoir; what is not older than the days that are read is passed over.
    What there is no room for is left out by the turns to come, too.
    """
    since = work.since
    replayed = [one for one in _once(remembered) if one.time < since]
    read = _once(work.subject.gather(since, work.begun))
    fit = [one for one in read if seen.mark(one) not in work.left_out]
    told, note = work.subject.alike([*replayed, *fit])
    if note:
        log.warning("subject=%s turn=%s %s", work.subject.name, work.id, note)
    newest, past = list[Example[Content]](), list[Example[Content]]()
    for one in told:
        (newest if work.is_new(one) else past).append(one)
    bound = work.config.learning.max_examples
    ours = drawn(newest, max(bound // 2, bound - len(past)), work.seed)
    theirs = drawn(past, bound - len(ours), work.seed)
    if not ours and not theirs:
        raise NothingToLearn(
            f"{work.subject.name}: there is no example in the newest "
            f"{work.config.learning.days:g} days; the next turn looks again"
        )
    _write(work, [*ours, *theirs])
    taken = {one.key for one in (*ours, *theirs)}
    left_out = [one for one in told if one.key not in taken]
    with store.write() as db:
        seen.keep(db, work.subject.name, seen.LEFT_OUT, left_out, since)
    kept_replay = sum(one.time < since for one in theirs)
    return Gathered(
        since,
        work.newest_since,
        work.begun,
        newest=len(ours),
        older=len(theirs) - kept_replay,
        replayed=kept_replay,
        left_out=len(left_out),
        late=sum(one.time < work.newest_since for one in ours),
        notes=(note,) if note else (),
    )


def _write(work: Work[Content], examples: Sequence[Example[Content]]) -> None:
    work.folder.mkdir(parents=True, exist_ok=True)
    work.subject.write(work.folder / FILE, sorted(examples, key=lambda one: one.time))
    _check_room(work)


def _check_room(work: Work[Content]) -> None:
    """ValueError where the turn takes more of the disk than all turns may."""
    taken, room = folders.size(work.folder), work.config.learning.disk_bytes
    if taken > room:
        raise ValueError(
            f"{work.folder}: takes {taken} bytes, more than the {room:.0f} of [learning] "
            "disk_bytes; raise it, or lower max_examples"
        )


def examples_of(work: Work[Content]) -> list[Example[Content]]:
    """The examples as they were gathered, oldest first; ValueError where the file is damaged."""
    return work.subject.read(work.folder / FILE)


def drawn(
    examples: Sequence[Example[Content]], bound: int, seed: int
) -> Sequence[Example[Content]]:
    """At most ``bound`` of them, whole groups by chance; the order stays.

    Groups are drawn by a digest of their names, so a resumed turn draws the same.
    """
    if len(examples) <= bound:
        return examples
    places = sorted(range(len(examples)), key=lambda at: (chance(seed, examples[at].group), at))
    return [examples[at] for at in sorted(places[: max(bound, 0)])]


def chance(seed: int | str, name: str) -> bytes:
    """A place in an order by chance, the same each time."""
    return hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogateescape")).digest()


def _once(examples: Iterable[Example[Content]]) -> list[Example[Content]]:
    """Of examples of one key the first."""
    found: dict[str, Example[Content]] = {}
    for one in examples:
        found.setdefault(one.key, one)
    return list(found.values())
