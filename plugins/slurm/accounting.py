"""What Slurm's accounting says, row by row: how ``sacct`` is asked, and how its answer is read.

Users choose a job's name, comment and wckey, and sacct prints them as they are, newlines and
delimiters included. So each call uses a random delimiter, which no job can hold, after every
cell, and newlines between rows mean nothing.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# Fields of sacct(1) that every release since 18.08 has.
FIELDS = (
    "JobIDRaw",
    "JobID",
    "JobName",
    "User",
    "Account",
    "Partition",
    "State",
    "ExitCode",
    "Submit",
    "Start",
    "End",
    "ReqMem",
    "ReqCPUS",
    "NNodes",
    "TimelimitRaw",
    "Comment",
    "WCKey",
)
# Of the batch step of a run, which keeps its own state when a requeue overwrites the run's.
STEP_FIELDS = ("JobIDRaw", "Submit", "State", "End")
BATCH = ".batch"
# How jobs end that never ran.
UNSTARTED = ("CANCELLED", "DEADLINE")
SLUID = "SLUID"  # the run's own name, where this sacct knows it (``sacct --helpformat``)

# Under it times are seconds since the epoch, and --starttime is read as UTC.
ENVIRONMENT = {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC", "LC_ALL": "C"}

MAX_CELL = 2**20  # characters; Slurm keeps comments of 64 kB at most

_ARRAY_TASK = re.compile(r"([0-9]+)_[0-9]+")
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]?)([nc]?)")
_BYTES = {"K": 2**10, "": 2**20, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


class AccountingError(ValueError):
    """An answer of sacct that is not what was asked for."""


@dataclass(frozen=True)
class Row:
    """One run of one job. Times are seconds since the epoch, None where they are not known."""

    job_id: str  # a number; of an array's tasks one has the array's own
    address: str  # how commands name the job: "42", or "40_2" for a task of an array
    name: str
    user: str
    account: str
    partition: str
    state: str  # "CANCELLED by 20001" keeps who it was
    code: int | None
    signal: int | None
    submitted: float
    started: float | None
    ended: float | None
    memory_bytes: int | None  # requested on each node
    walltime_seconds: float | None  # None: no limit of its own
    cpus: int | None  # requested in all
    comment: str
    wckey: str
    sluid: str = ""
    restarts: int | None = None  # requeues before this run, where the reader is told
    batch_state: str = ""  # of the batch step, read of runs that were requeued
    batch_ended: float | None = None

    @property
    def key(self) -> tuple[str, float]:
        """What tells the runs of a job apart."""
        return self.job_id, self.submitted

    @property
    def whole(self) -> bool:
        """Does the row say what the job was? Of a short job the database may get the end first."""
        return bool(self.partition)

    @property
    def array_id(self) -> str:
        """The array this job is a task of, or nothing."""
        match = _ARRAY_TASK.fullmatch(self.address)
        return match[1] if match else ""


def command(
    fields: Sequence[str],
    delimiter: str,
    *,
    since: float = 0.0,
    until: float = math.inf,
    jobs: Sequence[str] = (),
    states: Sequence[str] = (),
    steps: bool = False,
) -> list[str]:
    """sacct for all runs of ``jobs``, or for all that were active between two times (epoch).

    With ``states`` for all that came into one of them then, whether or not they could ever have
    run. With ``steps`` each run is followed by its steps.
    """
    argv = ["sacct", "--allusers", "--duplicates", "--noheader", "--noconvert"]
    argv += [] if steps else ["--allocations"]
    argv += ["--parsable", f"--delimiter={delimiter}", "--format=" + ",".join(fields)]
    if jobs:
        return [*argv, "--jobs=" + ",".join(jobs)]
    # A day after the epoch at the earliest: 0 could be taken for no start, which is today's.
    argv.append(f"--starttime={moment(max(since, 86400.0))}")
    if until < math.inf:
        argv.append(f"--endtime={moment(math.ceil(until))}")
    if states:
        argv.append("--state=" + ",".join(states))
    return argv


def moment(epoch: float) -> str:
    """A time as Slurm's commands take it under :data:`ENVIRONMENT`, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def parse(text: str, delimiter: str, fields: Sequence[str] = FIELDS) -> list[Row]:
    """The rows of sacct's answer to :func:`command`, in its order; AccountingError if it is cut."""
    return list(rows([text], delimiter, fields))


def rows(pieces: Iterable[str], delimiter: str, fields: Sequence[str] = FIELDS) -> Iterator[Row]:
    """The same of an answer that comes in pieces, of which few are kept at a time."""
    return (_row(cell) for cell in _records(pieces, delimiter, fields))


def batch_steps(
    pieces: Iterable[str], delimiter: str
) -> dict[tuple[str, float], tuple[str, float | None]]:
    """State and end of the batch step of each run (:attr:`Row.key`), where there is one.

    Out of sacct's answer to a command with ``steps`` and STEP_FIELDS.
    """
    found: dict[tuple[str, float], tuple[str, float | None]] = {}
    run = ("", 0.0)
    for cell in _records(pieces, delimiter, STEP_FIELDS):
        name, submitted = cell["JobIDRaw"].lstrip("\n"), _whole(cell["Submit"])
        if name.isdigit() and submitted is not None:
            run = name, float(submitted)
        elif name == run[0] + BATCH:
            found[run] = cell["State"], _whole(cell["End"])
    return found


def _records(
    pieces: Iterable[str], delimiter: str, fields: Sequence[str]
) -> Iterator[dict[str, str]]:
    cells: list[str] = []
    rest, count, width = "", 0, len(fields)
    for piece in pieces:
        *more, rest = (rest + piece).split(delimiter)
        if len(rest) > MAX_CELL:
            raise AccountingError(f"sacct printed a cell of more than {MAX_CELL} characters")
        cells += more
        count += len(more)
        whole = len(cells) - len(cells) % width
        for start in range(0, whole, width):
            yield dict(zip(fields, cells[start : start + width]))
        del cells[:whole]
    if cells or rest.strip("\n"):
        raise AccountingError(f"sacct printed {count} cells, which are no rows of {width}")


def _row(cell: dict[str, str]) -> Row:
    job_id = cell["JobIDRaw"].lstrip("\n")  # the newline that ended the row before
    submitted = _whole(cell["Submit"])
    if not job_id.isdigit() or submitted is None:
        raise AccountingError(
            f"sacct printed job id {job_id!r}, submitted {cell['Submit']!r}: numbers are wanted"
        )
    code, _, signal = cell["ExitCode"].partition(":")
    cpus, minutes = _whole(cell["ReqCPUS"]), _whole(cell["TimelimitRaw"])
    return Row(
        job_id=job_id,
        address=cell["JobID"],
        name=cell["JobName"],
        user=cell["User"],
        account=cell["Account"],
        partition=cell["Partition"],
        state=cell["State"],
        code=_whole(code),
        signal=_whole(signal),
        submitted=submitted,
        started=_whole(cell["Start"]),
        ended=_whole(cell["End"]),
        memory_bytes=memory_per_node(cell["ReqMem"], cpus or 1, _whole(cell["NNodes"]) or 1),
        walltime_seconds=None if minutes is None else 60.0 * minutes,
        cpus=cpus,
        comment=cell["Comment"],
        wckey=cell["WCKey"],
        sluid=cell.get(SLUID, ""),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None  # "Unknown", "None", ""


def memory_per_node(text: str, cpus: int, nodes: int) -> int | None:
    """Bytes on each node of a ReqMem; None where the job asked for none.

    Since Slurm 21.08 ReqMem is the whole job's. Before, ``4000Mc`` is for each CPU and ``4000Mn``
    for each node.
    """
    match = _MEMORY.fullmatch(text)
    if match is None or not float(match[1]):
        return None
    amount = float(match[1]) * _BYTES[match[2]]
    if amount >= 2**62:  # how a row that is half written says that nothing is known yet
        return None
    if match[3] == "n":
        return int(amount)
    return int(amount * cpus / nodes if match[3] == "c" else amount / nodes)
