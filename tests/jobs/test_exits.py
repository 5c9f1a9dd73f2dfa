"""Each scheduler's words for an end become one vocabulary."""

from __future__ import annotations

import pytest

from jobmend.jobs.exits import Exit, ExitKind, htcondor_exit, posix_exit, slurm_exit


@pytest.mark.parametrize(
    ("code", "signal", "kind", "key", "words"),
    [
        (0, None, ExitKind.SUCCESS, "exit:0", "success"),
        (3, None, ExitKind.ERROR, "exit:3", "exit 3"),
        (
            75,
            None,
            ExitKind.ERROR,
            "exit:75",
            "exit 75 (EX_TEMPFAIL: temporary failure, try again)",
        ),
        (139, None, ExitKind.SIGNAL, "signal:11", "SIGSEGV"),
        (None, 9, ExitKind.SIGNAL, "signal:9", "SIGKILL"),
        (255, None, ExitKind.ERROR, "exit:255", "exit 255"),  # 127 is no signal of Linux
        (None, None, ExitKind.UNKNOWN, "unknown", "unknown"),
    ],
)
def test_posix(code: int | None, signal: int | None, kind: ExitKind, key: str, words: str) -> None:
    end = posix_exit(code, signal)
    assert (end.kind, end.key, end.describe()) == (kind, key, words)


# The rows were seen on Slurm 22.05 and 24.11 (accounting's State and ExitCode).
@pytest.mark.parametrize(
    ("state", "code", "signal", "kind"),
    [
        ("COMPLETED", 0, 0, ExitKind.SUCCESS),
        ("FAILED", 3, 0, ExitKind.ERROR),
        ("FAILED", 0, 11, ExitKind.SIGNAL),
        ("OUT_OF_MEMORY", 0, 125, ExitKind.OUT_OF_MEMORY),
        ("", 0, 125, ExitKind.OUT_OF_MEMORY),  # as the Epilog sees it
        ("TIMEOUT", 0, 0, ExitKind.TIMEOUT),
        ("CANCELLED by 20001", 0, 0, ExitKind.CANCELLED),
        ("NODE_FAIL", 0, 0, ExitKind.NODE_FAILURE),
        ("PREEMPTED", 0, 0, ExitKind.PREEMPTED),
        ("A_STATE_OF_TOMORROW", 4, 0, ExitKind.ERROR),
    ],
)
def test_slurm(state: str, code: int, signal: int, kind: ExitKind) -> None:
    assert slurm_exit(state, code, signal).kind is kind


@pytest.mark.parametrize(
    ("status", "code", "signal", "hold", "kind"),
    [
        (4, 0, None, None, ExitKind.SUCCESS),
        (4, 3, None, None, ExitKind.ERROR),
        (4, None, 11, None, ExitKind.SIGNAL),
        (5, None, 9, 34, ExitKind.OUT_OF_MEMORY),
        (5, None, None, 3, ExitKind.HELD),
        (5, None, None, 46, ExitKind.TIMEOUT),
        (5, None, None, 9999, ExitKind.HELD),
        (3, None, None, None, ExitKind.CANCELLED),
    ],
)
def test_htcondor(
    status: int, code: int | None, signal: int | None, hold: int | None, kind: ExitKind
) -> None:
    assert htcondor_exit(status, code, signal, hold).kind is kind


def test_who_has_to_act() -> None:
    assert Exit("slurm", ExitKind.TIMEOUT).kind.failed
    assert not Exit("slurm", ExitKind.CANCELLED).kind.failed
    assert not Exit("slurm", ExitKind.UNKNOWN).kind.failed


def test_what_may_speak_against_a_site() -> None:
    blaming = {kind.value for kind in ExitKind if kind.blames_site}
    assert blaming == {"error", "node_failure", "launch_failure", "transfer_failure"}
