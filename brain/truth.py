"""Whose word counts where two tell how a run ended: its nodes, accounting, accounting again."""

from __future__ import annotations

import signal

from ..jobs.exits import Exit, ExitKind
from ..jobs.text import printable

# Of the nodes of one run the gravest end counts.
_GRAVITY = {ExitKind.UNKNOWN: 0, ExitKind.SUCCESS: 1, ExitKind.CANCELLED: 2}
_FAILURE = 3

# Accounting's words for a row whose end was overwritten by what came after it (sacct(1), "JOB STATE
# CODES"): what is left of the end is believed only where nothing better was told before.
_OVERWRITTEN = frozenset({"REQUEUED"})

# How a scheduler ends what it requeues, preempts or times out: no end of the job's own.
_ENDED_BY_SCHEDULER = frozenset({signal.SIGTERM, signal.SIGKILL})


def gravest(known: Exit | None, told: Exit) -> Exit:
    """The end of a run on several nodes, after one more node told its own."""
    return told if known is None or _gravity(told) > _gravity(known) else known


def _gravity(exit: Exit) -> int:
    return _GRAVITY.get(exit.kind, _FAILURE)


def joined(by_nodes: Exit | None, accounted: Exit) -> Exit:
    """The end of a run out of what its nodes said, None for nothing, and what accounting says.

    Accounting wins. Where it knows no end, the nodes do; but where it says that the end was
    overwritten, their success is none (in a hook a timeout looks like one), nor is the signal by
    which the scheduler took the run away a failure of the job.
    """
    if accounted.kind is not ExitKind.UNKNOWN or by_nodes is None:
        return accounted
    if accounted.state in _OVERWRITTEN and not _is_own(by_nodes):
        return accounted
    return by_nodes


def _is_own(exit: Exit) -> bool:
    """Is it an end that the job came to by itself?"""
    if exit.kind is ExitKind.SIGNAL:
        return exit.signal not in _ENDED_BY_SCHEDULER
    return exit.kind not in (ExitKind.SUCCESS, ExitKind.UNKNOWN)


def corrects(known: Exit, told: Exit) -> bool:
    """Does what accounting tells now replace what it told before?

    The newer word does, except where it knows less: nothing at all, no reason of the same end, or
    only what a requeue left of it.
    """
    if told == known or told.kind is ExitKind.UNKNOWN:
        return told != known and known.kind is ExitKind.UNKNOWN and _details(told) > _details(known)
    if known.kind is ExitKind.UNKNOWN:
        return True
    if told.state in _OVERWRITTEN and known.state not in _OVERWRITTEN:
        return False
    same = told.key == known.key or (told.kind is ExitKind.HELD and told.state == known.state)
    return not same or _details(told) >= _details(known)


def _details(exit: Exit) -> int:
    return sum(
        (exit.code is not None, exit.signal is not None, bool(exit.state), bool(exit.reason))
    )


def phrase(exit: Exit) -> str:
    """The end for people, with the reason that was told, such as ``held (disk quota)``."""
    detail = exit.reason or (exit.state if exit.kind is ExitKind.UNKNOWN else "")
    return exit.describe() + (f" ({printable(detail)})" if detail else "")
