"""How a run ended: raw as the scheduler said it, and normalised so that schedulers compare."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .exit_htcondor import HOLD_KINDS, IN_QUEUE, STATUS_KINDS
from .exit_posix import SHELL_CODES, SIGNALS, signal_of_shell_code
from .exit_slurm import OOM_MARKER, STATE_KINDS


class ExitKind(str, enum.Enum):
    """What kind of end it was, in words all schedulers share."""

    SUCCESS = "success"
    ERROR = "error"  # the program itself returned non-zero
    SIGNAL = "signal"  # the program died of a signal nobody claims
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    HELD = "held"
    LAUNCH_FAILURE = "launch_failure"
    TRANSFER_FAILURE = "transfer_failure"
    UNKNOWN = "unknown"

    @property
    def failed(self) -> bool:
        """Does somebody have to do something about such an end?"""
        return self not in (ExitKind.SUCCESS, ExitKind.CANCELLED, ExitKind.UNKNOWN)

    @property
    def blames_site(self) -> bool:
        """Can the place be to blame? A job's own limits and crashes say nothing about its site."""
        return self in (
            ExitKind.ERROR,
            ExitKind.NODE_FAILURE,
            ExitKind.LAUNCH_FAILURE,
            ExitKind.TRANSFER_FAILURE,
        )


@dataclass(frozen=True)
class Exit:
    """The end of a run. ``source`` names the dictionary ``state`` is a word of."""

    source: str
    kind: ExitKind
    code: int | None = None
    signal: int | None = None
    state: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        """The exit code as the failure matrix knows it: ``exit:3``, ``signal:11``, ``timeout``."""
        if self.kind in (ExitKind.SUCCESS, ExitKind.ERROR):
            return "exit:?" if self.code is None else f"exit:{self.code}"
        if self.kind is ExitKind.SIGNAL:
            return f"signal:{self.signal}"
        return str(self.kind.value)

    @property
    def in_queue(self) -> bool:
        """Is the job still in the scheduler's queue after it, as one that HTCondor holds?"""
        return self.source == "htcondor" and self.state in IN_QUEUE

    def describe(self) -> str:
        """One phrase for people, such as ``exit 139 (SIGSEGV)`` or ``out of memory``."""
        if self.kind is ExitKind.ERROR:
            if self.code is None:
                return "exit code unknown"
            meaning = SHELL_CODES.get(self.code, "")
            return f"exit {self.code}" + (f" ({meaning})" if meaning else "")
        if self.kind is ExitKind.SIGNAL:
            return SIGNALS.get(self.signal or 0, f"signal {self.signal}")
        return str(self.kind.value).replace("_", " ")


def posix_exit(
    code: int | None,
    signal: int | None,
    *,
    source: str = "posix",
    state: str = "",
    reason: str = "",
) -> Exit:
    """The exit of a plain process: a code, or the signal that ended it.

    A shell reports its child's death by signal ``n`` as code ``128+n``; that is read back here.
    """
    if signal is None and code is not None:
        signal = signal_of_shell_code(code)
    if signal:
        kind = ExitKind.SIGNAL
    elif code is None:
        kind = ExitKind.UNKNOWN
    else:
        kind = ExitKind.SUCCESS if code == 0 else ExitKind.ERROR
    return Exit(source, kind, code, signal, state, reason)


def slurm_exit(state: str, code: int | None, signal: int | None, reason: str = "") -> Exit:
    """The exit of a Slurm job out of accounting's State and ExitCode (``code:signal``).

    A hook knows no state: pass ``""``, and TIMEOUT, CANCELLED and NODE_FAIL will look like
    success, as they do in every Slurm hook; accounting corrects it.
    """
    word = state.split(" ", 1)[0].rstrip("+")  # "CANCELLED by 20001"
    if signal == OOM_MARKER:
        return Exit("slurm", ExitKind.OUT_OF_MEMORY, code, None, word, reason)
    if word in STATE_KINDS:
        return Exit("slurm", ExitKind(STATE_KINDS[word]), code, signal or None, word, reason)
    return posix_exit(code, signal or None, source="slurm", state=word, reason=reason)


def htcondor_exit(
    status: int,
    code: int | None,
    signal: int | None,
    hold_code: int | None = None,
    reason: str = "",
) -> Exit:
    """The exit of an HTCondor job: JobStatus, ExitCode, ExitSignal and HoldReasonCode of its ad."""
    state = STATUS_KINDS.get(status, ("", ""))[0]
    if hold_code is not None:
        kind = ExitKind(HOLD_KINDS.get(hold_code, ("", ExitKind.HELD.value))[1])
        return Exit("htcondor", kind, code, signal, state, reason)
    word = STATUS_KINDS.get(status, ("", ""))[1]
    if word:
        return Exit("htcondor", ExitKind(word), code, signal, state, reason)
    return posix_exit(code, signal, source="htcondor", state=state, reason=reason)
