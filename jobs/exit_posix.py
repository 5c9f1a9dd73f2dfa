"""Exit codes and signals of POSIX processes.

Codes: POSIX.1-2024, Shell Command Language, 2.8.2 "Exit Status for Commands", and sysexits.h of
BSD. Signals: the numbers of Linux on x86 and arm, signal(7).
"""

from __future__ import annotations

VERSION = "2026-11"

SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}

# Signals a program brings upon itself: a fault in its code or its data.
CRASH_SIGNALS = frozenset({4, 6, 7, 8, 11, 31})

SHELL_CODES = {
    2: "misuse of a shell builtin",
    64: "EX_USAGE: wrong command line",
    65: "EX_DATAERR: bad input data",
    66: "EX_NOINPUT: cannot open input",
    69: "EX_UNAVAILABLE: a service is not available",
    70: "EX_SOFTWARE: internal error",
    71: "EX_OSERR: system error",
    73: "EX_CANTCREAT: cannot create output",
    74: "EX_IOERR: input/output error",
    75: "EX_TEMPFAIL: temporary failure, try again",
    77: "EX_NOPERM: permission denied",
    78: "EX_CONFIG: configuration error",
    124: "timeout(1) ran out",
    126: "not executable",
    127: "command not found",
}

# Codes by which a program says that another try may well succeed.
TEMPORARY_CODES = frozenset({69, 75})


def signal_of_shell_code(code: int) -> int | None:
    """The signal behind a shell's ``128+n``, or None where the code names no signal known here."""
    return code - 128 if code - 128 in SIGNALS else None
