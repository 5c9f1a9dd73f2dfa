"""What Slurm's accounting says, row by row: how ``sacct`` is asked, and how its answer is read.

Users choose a job's name, comment and wckey, and sacct prints them as they are, newlines and
delimiters included. So each call uses a random delimiter, which no job can hold, after every
cell, and newlines between rows mean nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
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
SLUID = "SLUID"  # the run's own name, where this sacct knows it (``sacct --helpformat``)

# Under it times are seconds since the epoch, and --starttime is read as UTC.
ENVIRONMENT = {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC", "LC_ALL": "C"}

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
    fields: Sequence[str], delimiter: str, *, since: float = 0.0, jobs: Sequence[str] = ()
) -> list[str]:
    """sacct for all runs of ``jobs``, or for all that were active after ``since`` (epoch)."""
    argv = ["sacct", "--allusers", "--duplicates", "--allocations", "--noheader", "--noconvert"]
    argv += ["--parsable", f"--delimiter={delimiter}", "--format=" + ",".join(fields)]
    if jobs:
        return [*argv, "--jobs=" + ",".join(jobs)]
    # A day after the epoch at the earliest: 0 could be taken for no start, which is today's.
    start = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(max(since, 86400.0)))
    return [*argv, f"--starttime={start}"]


def parse(text: str, delimiter: str, fields: Sequence[str] = FIELDS) -> list[Row]:
    """The rows of sacct's answer to :func:`command`, in its order; AccountingError if it is cut."""
    *cells, rest = text.split(delimiter)
    if len(cells) % len(fields) or rest.strip("\n"):
        raise AccountingError(
            f"sacct printed {len(cells)} cells, which are no rows of {len(fields)}"
        )
    rows = [cells[start : start + len(fields)] for start in range(0, len(cells), len(fields))]
    return [_row(dict(zip(fields, row))) for row in rows]


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
