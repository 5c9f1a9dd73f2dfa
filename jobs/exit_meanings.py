"""What an exit code means: one look-up over the dictionaries of all sources.

The same number means different things by source and version, so each meaning names both. The keys
that the failure matrix counts (:class:`~jobmend.classifier.failures.task.Cell`) need no source: a
bare number is CMS's, a word or a prefix is a key of :class:`~jobmend.jobs.exits.Exit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from . import exit_atlas, exit_htcondor, exit_posix, exit_slurm, exit_wmcore
from .exit_posix import SIGNALS, signal_of_shell_code

CATEGORIES = (
    "memory",
    "time",
    "input",
    "output",
    "site",
    "network",
    "program",
    "killed",
    "not reported",
    "other",
)
OTHER = "other"
MAX_KEY = 64  # characters; no code of any source is longer

Row = tuple[str, str]  # text, category


@dataclass(frozen=True)
class Meaning:
    """What ``code`` means in one version of one source: a short text and one of CATEGORIES."""

    source: str
    version: str
    code: str
    text: str
    category: str


# Our own words for an end: the values of ExitKind that are keys of Exit.
_KINDS_VERSION = "2026-11"
_KINDS: Mapping[str, Row] = {
    "success": ("success", "other"),
    "out_of_memory": ("out of memory", "memory"),
    "timeout": ("time limit", "time"),
    "cancelled": ("cancelled", "killed"),
    "node_failure": ("the node failed", "site"),
    "preempted": ("preempted", "killed"),
    "held": ("held", "other"),
    "launch_failure": ("could not be launched", "site"),
    "transfer_failure": ("files could not be transferred", "network"),
    "unknown": ("unknown", "not reported"),
    "exit:?": ("a code that nobody told", "not reported"),
}

_PROGRAMS_OWN: Row = ("the program's own code", "program")
_SHELL_CATEGORIES = {
    65: "input",
    66: "input",
    69: "network",
    71: "site",
    73: "output",
    74: "site",
    75: "network",
    77: "other",
    124: "time",
}  # all others: program
_SIGNAL_CATEGORIES = {
    **dict.fromkeys(exit_posix.CRASH_SIGNALS, "program"),
    13: "network",  # the reader of a pipe or socket is gone
    14: "time",
    24: "time",
    25: "output",
}  # all others: killed


def _posix() -> Iterator[tuple[str, Row]]:
    yield "exit:0", ("success", OTHER)
    for code, text in exit_posix.SHELL_CODES.items():
        yield f"exit:{code}", (text, _SHELL_CATEGORIES.get(code, "program"))
    for number in SIGNALS:
        yield f"signal:{number}", _signal(number)
        yield f"exit:{128 + number}", _signal(number)


def _signal(number: int) -> Row:
    return SIGNALS[number], _SIGNAL_CATEGORIES.get(number, "killed")


def _htcondor() -> Iterator[tuple[str, Row]]:
    for code, (name, kind) in exit_htcondor.HOLD_KINDS.items():
        yield str(code), (name, exit_htcondor.HOLD_CATEGORIES.get(code, _KINDS[kind][1]))
    for (code, subcode), (resource, category) in exit_htcondor.HOLD_SUBCODES.items():
        yield f"{code}.{subcode}", (f"over its limit of {resource}", category)


def _slurm() -> Iterator[tuple[str, Row]]:
    yield from exit_slurm.REASONS.items()
    yield from exit_slurm.STATES.items()
    yield f"0:{exit_slurm.OOM_MARKER}", ("a step was touched by the OOM killer", "memory")


def _wrapped() -> Iterator[tuple[str, Row]]:
    for code in exit_wmcore.WRAPPED:
        text, category = exit_wmcore.CODES[code]
        yield str(code % 256), (f"{code} modulo 256: {text}", category)


def _table(source: str, version: str, rows: Mapping[str, Row]) -> dict[str, Meaning]:
    return {code: Meaning(source, version, code, *row) for code, row in rows.items()}


def _numbered(rows: Mapping[int, Row]) -> dict[str, Row]:
    return {str(code): row for code, row in rows.items()}


# Each source's dictionaries by (source, version), the newest version of a source first.
DICTIONARIES: Mapping[tuple[str, str], Mapping[str, Meaning]] = {
    (source, version): _table(source, version, rows)
    for source, version, rows in (
        ("jobmend", _KINDS_VERSION, _KINDS),
        ("posix", exit_posix.VERSION, dict(_posix())),
        ("operators", exit_wmcore.OPERATORS_VERSION, _numbered(exit_wmcore.OPERATORS)),
        ("wmcore", exit_wmcore.VERSION, _numbered(exit_wmcore.CODES)),
        *(("wmcore", older, _numbered(rows)) for older, rows in exit_wmcore.EARLIER.items()),
        ("crab", exit_wmcore.WRAPPER_VERSION, dict(_wrapped())),
        ("atlas", exit_atlas.VERSION, _numbered(exit_atlas.CODES)),
        ("slurm", exit_slurm.VERSION, dict(_slurm())),
        ("htcondor", exit_htcondor.VERSION, dict(_htcondor())),
    )
}


def _keys() -> Iterator[tuple[str, Meaning]]:
    """Keys of the failure matrix, of which the last word counts: the sources in reverse.

    The operators come before WMCore: the histories are theirs. HTCondor's hold codes are no keys,
    numbers as small as theirs are CMS's.
    """
    for (source, _), rows in reversed(tuple(DICTIONARIES.items())):
        if source != "htcondor":
            yield from rows.items()


_KEYS = dict(_keys())
_KEY_CATEGORIES = {code: found.category for code, found in _KEYS.items()}

_ALIASES: dict[int, tuple[int, ...]] = {
    **{code: (code % 256,) for code in exit_wmcore.WRAPPED},
    **{
        low: tuple(code for code in exit_wmcore.WRAPPED if code % 256 == low)
        for low in {code % 256 for code in exit_wmcore.WRAPPED}
    },
}

_NUMBER = re.compile(r"-?[0-9]{1,10}")
_KEY_OF_EXIT = re.compile(r"(exit|signal):(-?[0-9]{1,10})")


def meaning(code_key: str, source: str = "", version: str = "") -> Meaning | None:
    """What a code means; None where no dictionary knows it.

    Without a source ``code_key`` is a key of the failure matrix. With one it is the code as the
    source writes it: ``71104`` of ``wmcore``, ``34`` or ``34.102`` of ``htcondor`` (hold code and
    subcode), ``NODE_FAIL`` of ``slurm``, ``65`` of ``posix``. Without a version the newest is asked
    first.
    """
    if len(code_key) > MAX_KEY:
        return None
    if not source:
        return _KEYS.get(code_key) or _by_pattern(code_key)
    key = _as_written(code_key, source)
    versions = _versions(source, version)
    for each in versions:
        if key in DICTIONARIES[source, each]:
            return DICTIONARIES[source, each][key]
    if not versions:
        return None
    if source == "posix":
        return _of_exit(key)
    return _by_range(key) if source == "wmcore" else None


def category(code_key: str) -> str:
    """The category of a key of the failure matrix; ``other`` where nothing is known of it."""
    known = _KEY_CATEGORIES.get(code_key)
    if known is not None:
        return known
    return OTHER if len(code_key) > MAX_KEY else _category_by_pattern(code_key)


def aliases(code: int) -> tuple[int, ...]:
    """The codes that ``code`` also comes as, where CMS's wrappers hand on its low eight bits."""
    return _ALIASES.get(code, ())


def _versions(source: str, version: str) -> list[str]:
    """The versions to ask in turn. What an old one does not tell is as in the next newer one."""
    known = [each for owner, each in DICTIONARIES if owner == source]
    if not version:
        return known
    return known[known.index(version) :: -1] if version in known else []


@lru_cache(maxsize=4096)
def _category_by_pattern(code_key: str) -> str:
    found = _by_pattern(code_key)
    return found.category if found else OTHER


def _as_written(code: str, source: str) -> str:
    if source == "posix" and _NUMBER.fullmatch(code):
        return f"exit:{code}"
    if source == "slurm" and code[:1].isalpha():
        return re.split(r"[ :+]", code, maxsplit=1)[0]  # "CANCELLED by 20001", "RaisedSignal:9"
    return code


def _by_pattern(key: str) -> Meaning | None:
    return _of_exit(key) or _by_range(key)


def _of_exit(key: str) -> Meaning | None:
    """The meaning of ``exit:n`` and ``signal:n`` for any number."""
    found = _KEY_OF_EXIT.fullmatch(key)
    if not found:
        return None
    row = _PROGRAMS_OWN if found[1] == "exit" else (f"signal {found[2]}", "killed")
    return Meaning("posix", exit_posix.VERSION, key, *row)


def _by_range(key: str) -> Meaning | None:
    """The meaning of a number of CMS by its range, or by the signal that a shell makes of it."""
    if not _NUMBER.fullmatch(key):
        return None
    number = int(key)
    signal = signal_of_shell_code(number)
    if signal is not None:
        return replace(DICTIONARIES["posix", exit_posix.VERSION][f"signal:{signal}"], code=key)
    for first, last, text, what in exit_wmcore.RANGES:
        if first <= number <= last:
            return Meaning("wmcore", exit_wmcore.VERSION, key, text, what)
    return None
