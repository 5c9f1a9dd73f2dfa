"""The queue: one SQLite file that says what every job is, was or shall be.

The state is also the order book: who kills a job sets CANCELLED, who holds it HELD, and the job's
supervisor follows. Every change is one UPDATE guarded by the state it starts from, so that of two
who want the same change one makes it, and nothing is done twice.
"""

from __future__ import annotations

import fcntl
import math
import sqlite3
import time
from pathlib import Path

from ...jobs.identity import Run
from .job import Ending, Job, JobState
from .process import ProcessId
from .spec import JobSpec, spec_from_json
from .ulid import new_ulid

SCHEDULER = "local"
VERSION = 1  # of the schema
BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    job_id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL UNIQUE,
    token TEXT UNIQUE,
    spec TEXT NOT NULL,
    workflow TEXT NOT NULL,
    site TEXT NOT NULL,
    user TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    parent TEXT NOT NULL,
    state TEXT NOT NULL,
    supervisor_pid INTEGER,
    supervisor_start INTEGER,
    submitted REAL NOT NULL,
    started REAL,
    ended REAL,
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    peak_memory_bytes INTEGER,
    cpus TEXT NOT NULL DEFAULT ''
)
"""


class Queue:
    """An open queue; use it in a ``with``. sqlite3.Error when the file cannot be used."""

    def __init__(self, state_dir: Path) -> None:
        """Open the queue in ``state_dir``; folder (0700) and file are made when missing."""
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._base = sqlite3.connect(
            str(state_dir / "queue.db"), timeout=BUSY_SECONDS, isolation_level=None
        )
        self._base.row_factory = sqlite3.Row
        # SQLite does not wait for whom it meets while a file changes to WAL: one opens at a time.
        with (state_dir / "queue.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make_schema()

    def __enter__(self) -> Queue:
        """Use the queue."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._base.close()

    def _make_schema(self) -> None:
        version = self._base.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute(_SCHEMA)
            self._base.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise sqlite3.DatabaseError(
                f"the queue has schema {version}, this release reads {VERSION}"
            )

    # ---- reading ---------------------------------------------------------------------------

    def get(self, run: str) -> Job:
        """The job of a run; KeyError when there is none."""
        return self._one("run = ?", run)

    def find(self, word: str) -> Job:
        """The job a person means: a run key, a run or a job id; KeyError when there is none."""
        if "/" in word:
            return self.get(Run.from_key(word).run)
        return self._one("job_id = ?", int(word)) if word.isdecimal() else self.get(word)

    def jobs(self, since: float = 0.0, until: float = math.inf) -> list[Job]:
        """The jobs that ended between these epoch seconds; without ``until`` those active too."""
        rows = self._base.execute(
            "SELECT * FROM jobs WHERE (ended IS NULL AND ?) OR (ended >= ? AND ended < ?)"
            " ORDER BY job_id",
            (until == math.inf, since, until),
        )
        return [_job(row) for row in rows]

    def unfinished(self) -> list[Job]:
        """The jobs that have not ended, oldest first."""
        rows = self._base.execute("SELECT * FROM jobs WHERE ended IS NULL ORDER BY job_id")
        return [_job(row) for row in rows]

    def is_next(self, run: str) -> bool:
        """Has no other job waited longer for its slots?"""
        row = self._base.execute(
            "SELECT run FROM jobs WHERE state = ? ORDER BY job_id LIMIT 1", (JobState.PENDING,)
        ).fetchone()
        return row is not None and bool(row["run"] == run)

    def state(self, run: str) -> JobState:
        """Where a run stands; KeyError when there is none."""
        return self.get(run).state

    def _one(self, where: str, value: object) -> Job:
        row = self._base.execute(f"SELECT * FROM jobs WHERE {where}", (value,)).fetchone()
        if row is None:
            raise KeyError(value)
        return _job(row)

    # ---- changing --------------------------------------------------------------------------

    def add(
        self, spec: JobSpec, *, user: str, attempt: int = 0, parent: str = "", token: str = ""
    ) -> Job:
        """A new PENDING job; the job of before when one was made with this ``token``."""
        run = new_ulid()
        columns = "run, token, spec, workflow, site, user, attempt, parent, state, submitted"
        self._base.execute(
            f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (token) DO NOTHING",
            (run, token or None, spec.to_json(), spec.workflow, spec.site, user, attempt, parent)
            + (JobState.PENDING, time.time()),
        )
        return self._one("token = ?", token) if token else self.get(run)

    def claim(self, run: str, supervisor: ProcessId) -> bool:
        """Become the supervisor of a run that has none."""
        return self._change(
            "supervisor_pid = ?, supervisor_start = ? WHERE run = ? AND supervisor_pid IS NULL"
            " AND ended IS NULL",
            supervisor.pid,
            supervisor.start,
            run,
        )

    def start(self, run: str, cpus: tuple[int, ...]) -> bool:
        """PENDING becomes RUNNING on ``cpus``."""
        return self._change(
            "state = ?, started = ?, cpus = ? WHERE run = ? AND state = ?",
            JobState.RUNNING,
            time.time(),
            ",".join(map(str, cpus)),
            run,
            JobState.PENDING,
        )

    def cancel(self, run: str) -> bool:
        """Order the end of a job; one that never started has ended therewith."""
        return self._change(
            "state = ?, ended = CASE WHEN started IS NULL THEN ? END, reason = 'killed by request'"
            " WHERE run = ? AND ended IS NULL AND state != ?",
            JobState.CANCELLED,
            time.time(),
            run,
            JobState.CANCELLED,
        )

    def hold(self, run: str) -> bool:
        """Order that a job waits, or stands still where it has started."""
        return self._change(
            "state = ? WHERE run = ? AND state IN (?, ?)",
            JobState.HELD,
            run,
            JobState.PENDING,
            JobState.RUNNING,
        )

    def release(self, run: str) -> bool:
        """Order that a held job goes on."""
        return self._change(
            "state = CASE WHEN started IS NULL THEN ? ELSE ? END WHERE run = ? AND state = ?",
            JobState.PENDING,
            JobState.RUNNING,
            run,
            JobState.HELD,
        )

    def finish(self, run: str, ending: Ending) -> bool:
        """The job has ended so."""
        return self._change(
            "state = ?, reason = ?, ended = ?, exit_code = ?, signal = ?, peak_memory_bytes = ?"
            " WHERE run = ? AND ended IS NULL",
            ending.state,
            ending.reason,
            time.time(),
            ending.exit_code,
            ending.signal,
            ending.peak_memory_bytes,
            run,
        )

    def _change(self, change: str, *values: object) -> bool:
        return self._base.execute(f"UPDATE jobs SET {change}", values).rowcount == 1


def _job(row: sqlite3.Row) -> Job:
    supervisor = None
    if row["supervisor_pid"] is not None:
        supervisor = ProcessId(row["supervisor_pid"], row["supervisor_start"])
    return Job(
        job_id=row["job_id"],
        run=row["run"],
        spec=spec_from_json(row["spec"]),
        user=row["user"],
        attempt=row["attempt"],
        parent=row["parent"],
        supervisor=supervisor,
        submitted=row["submitted"],
        started=row["started"],
        ended=row["ended"],
        cpus=tuple(int(cpu) for cpu in row["cpus"].split(",") if cpu),
        ending=Ending(
            JobState(row["state"]),
            row["exit_code"],
            row["signal"],
            row["reason"],
            row["peak_memory_bytes"],
        ),
    )
