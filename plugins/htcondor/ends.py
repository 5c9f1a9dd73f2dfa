"""How one execution of a job ended, by the attributes of its ad.

Sources: the manual's appendices "Hold Reason Codes" and "Vacate Reason Codes". A vacate code below
1000 is the code of the hold that the vacate came of. Codes that releases before 24.0 do not tell
are absent there.
"""

from __future__ import annotations

from ...jobs.exit_htcondor import HOLD_KINDS
from ...jobs.exits import Exit, ExitKind, htcondor_exit
from ...jobs.wire import MAX_TEXT
from .ads import JobAd

REMOVED, COMPLETED, HELD = 3, 4, 5  # JobStatus
RUNNING = frozenset({2, 6, 7})  # also transferring output, suspended

# The words of Exit.state. After some of them the job is still in the queue: jobs.exit_htcondor.
WORD_HELD, WORD_VACATED, WORD_COMPLETED, WORD_REMOVED = "HELD", "VACATED", "COMPLETED", "REMOVED"

_FIRST_VACATE_CODE = 1000

# All others of 1000 and above take a job off a slot that it may have again: PREEMPTED.
VACATE_KINDS = {
    1002: ExitKind.NODE_FAILURE,  # ShadowException: the shadow lost its starter, or died
    1003: ExitKind.LAUNCH_FAILURE,  # JobNotStarted: a setup step failed
    1006: ExitKind.LAUNCH_FAILURE,  # FailedToActivateClaim
    1007: ExitKind.NODE_FAILURE,  # StarterError
    1008: ExitKind.NODE_FAILURE,  # ReconnectFailed
    1012: ExitKind.NODE_FAILURE,  # StartdException
    1020: ExitKind.LAUNCH_FAILURE,  # VMError
    1021: ExitKind.LAUNCH_FAILURE,  # ContainerError
    1023: ExitKind.CANCELLED,  # JobRemoved
    1024: ExitKind.LAUNCH_FAILURE,  # ScratchDirError
    1026: ExitKind.LAUNCH_FAILURE,  # ActivationRefusedBadRequest
    1027: ExitKind.LAUNCH_FAILURE,  # ActivationRefusedNoMatch
    1031: ExitKind.LAUNCH_FAILURE,  # ActivationRefusedBroken
    1036: ExitKind.LAUNCH_FAILURE,  # ActivationRefusedUnhealthy
}


def of_job(ad: JobAd) -> Exit:
    """How a job ended that is held, removed or completed, by its ad in the queue or the history."""
    if ad.status == HELD:
        return htcondor_exit(HELD, ad.code, ad.signal, ad.hold_code, ad.hold_reason[:MAX_TEXT])
    if ad.status == REMOVED:
        reason = ad.remove_reason or ad.vacate_reason
        return htcondor_exit(REMOVED, ad.code, ad.signal, reason=reason[:MAX_TEXT])
    return htcondor_exit(ad.status, ad.code, ad.signal)


def of_execution(ad: JobAd) -> Exit:
    """How an execution ended, by its epoch's ad: what the shadow knew when it went."""
    if ad.hold_code is not None:
        return htcondor_exit(HELD, ad.code, ad.signal, ad.hold_code, ad.hold_reason[:MAX_TEXT])
    if ad.remove_reason:
        return htcondor_exit(REMOVED, ad.code, ad.signal, reason=ad.remove_reason[:MAX_TEXT])
    if ad.vacate_code is None:
        return htcondor_exit(COMPLETED, ad.code, ad.signal)
    return vacated(ad.vacate_code, ad.vacate_reason, ad.code, ad.signal)


def vacated(code: int, reason: str, exit_code: int | None, signal: int | None) -> Exit:
    """The end of an execution that was taken off its slot for a VacateReasonCode."""
    kind = VACATE_KINDS.get(code, ExitKind.PREEMPTED)
    word = WORD_REMOVED if kind is ExitKind.CANCELLED else WORD_VACATED
    if code < _FIRST_VACATE_CODE:
        kind = ExitKind(HOLD_KINDS.get(code, ("", ExitKind.HELD.value))[1])
        word = WORD_HELD
    return Exit("htcondor", kind, exit_code, signal, word, reason[:MAX_TEXT])
