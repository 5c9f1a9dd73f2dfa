"""What history says of jobs on a real pool, beside what HTCondor's own commands say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from jobmend.jobs.events import EventKind
from jobmend.jobs.exits import ExitKind
from jobmend.plugins.htcondor.scheduler import HTCondorScheduler
from jobmend.plugins.scheduler import Nodes, SchedulerError
from tests.plugins.htcondor.operating import execution, operator, record, told

if TYPE_CHECKING:
    from tests.plugins.htcondor.conftest import Pool

pytestmark = pytest.mark.condor

HOG = 'exec python3 -c "x = bytearray(400 * 2**20); import time; time.sleep(30)"'
ONCE = "[ -e /home/tester/{0} ] || {{ touch /home/tester/{0}; sleep 300; }}"


@dataclass(frozen=True)
class Case:
    """One row: how the first run is brought to its end, and what both sides must say of it."""

    name: str
    script: str
    kind: ExitKind
    state: str
    accounting: Mapping[str, int]  # what HTCondor's commands print of the job in the end
    code: int | None = None
    signal: int | None = None
    lines: tuple[str, ...] = ()
    do: Callable[[Pool, str], None] | None = None
    queue: str = "queue"
    proc: int = 0


def _inside(*argv: str) -> Callable[[Pool, str], None]:
    def do(pool: Pool, job: str) -> None:
        pool.process(job)
        pool.inside(*argv, job)

    return do


def _evict(pool: Pool, job: str) -> None:
    _wait_for(pool.home / "evict")
    pool.inside("condor_vacate_job", "-fast", job)


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline, f"no job made {file}"
        time.sleep(0.2)


def _remove_waiting(pool: Pool, job: str) -> None:
    pool.inside("condor_rm", job)


def _kill_starter(pool: Pool, job: str) -> None:
    _wait_for(pool.home / "node")
    slot = pool.attribute(job, "RemoteHost").strip('"').partition("@")[0]
    mark = f"{pool.root}/"
    for process in psutil.process_iter(["cmdline", "environ"]):
        argv, environ = process.info["cmdline"] or [], process.info["environ"] or {}
        ours = argv[:1] == ["condor_starter"] and slot in argv
        if ours and environ.get("JOBMEND_TESTBED_CONDOR") == mark:
            process.kill()
            return
    raise AssertionError(f"job {job} has no starter in {slot}")


LONG = "sleep 300"


def _completed(**attributes: int) -> tuple[str, dict[str, int]]:
    return "COMPLETED", {"JobStatus": 4, **attributes}


def _held(code: int) -> tuple[str, dict[str, int]]:
    return "HELD", {"JobStatus": 5, "HoldReasonCode": code}


GOOD = _completed(ExitCode=0)
REMOVED = ("REMOVED", {"JobStatus": 3})
AGAIN = ("VACATED", {"JobStatus": 4, "ExitCode": 0})  # and then it succeeded
NO_PROGRAM = ("executable = /no/such", "transfer_executable = false")
ARRAY = "queue 3"

CASES = [
    Case("exit 0", "exit 0", ExitKind.SUCCESS, *GOOD, code=0),
    Case("exit 3", "exit 3", ExitKind.ERROR, *_completed(ExitCode=3), code=3),
    Case("signal", "kill -SEGV $$", ExitKind.SIGNAL, *_completed(ExitSignal=11), signal=11),
    Case("a step fails, the script does not", "false; exit 0", ExitKind.SUCCESS, *GOOD, code=0),
    Case("array, 0", "exit $(Process)", ExitKind.SUCCESS, *GOOD, code=0, queue=ARRAY),
    Case(
        "array, 2",
        "exit $(Process)",
        ExitKind.ERROR,
        *_completed(ExitCode=2),
        code=2,
        queue=ARRAY,
        proc=2,
    ),
    Case("out of memory", HOG, ExitKind.OUT_OF_MEMORY, *_held(34)),
    Case(
        "timeout",
        LONG,
        ExitKind.TIMEOUT,
        *_held(47),
        lines=("allowed_execute_duration = 2",),
    ),
    Case(
        "timeout, transfers counted",
        LONG,
        ExitKind.TIMEOUT,
        *_held(46),
        lines=("allowed_job_duration = 2",),
    ),
    Case("hold", LONG, ExitKind.HELD, *_held(1), do=_inside("condor_hold")),
    Case("cancel", LONG, ExitKind.CANCELLED, *REMOVED, do=_inside("condor_rm")),
    Case(
        "cancel before its start",
        LONG,
        ExitKind.CANCELLED,
        *REMOVED,
        lines=("requirements = NoSuch",),
        do=_remove_waiting,
    ),
    Case("no such program", "", ExitKind.LAUNCH_FAILURE, *_held(6), lines=NO_PROGRAM),
    Case("evict", ONCE.format("evict"), ExitKind.PREEMPTED, *AGAIN, do=_evict),
    Case("node failure", ONCE.format("node"), ExitKind.NODE_FAILURE, *AGAIN, do=_kill_starter),
    Case(
        "a retry after exit 4",
        "exit 4",
        ExitKind.ERROR,
        *_completed(ExitCode=4),
        code=4,
        lines=("max_retries = 1",),
    ),
]


AGAIN_CASES = ("evict", "node failure", "a retry after exit 4")
REFUSED = range(1025, 1037)  # VacateReasonCode: the slot did not let the execution begin


@pytest.fixture(scope="module")
def jobs(pool: Pool) -> dict[str, str]:
    """All cases side by side: submitted, brought to their ends; the job of each."""
    operator(pool)
    submitted = {}
    for case in CASES:
        cluster = pool.submit(
            case.script, f"batch_name = {case.name}", *case.lines, queue=case.queue
        )
        submitted[case.name] = f"{cluster}.{case.proc}"
    for case in CASES:
        if case.do is not None:
            case.do(pool, submitted[case.name])
    return submitted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_history_says_what_htcondor_says(
    pool: Pool, jobs: dict[str, str], case: Case, record_property: Callable[[str, object], None]
) -> None:
    if case.kind is ExitKind.OUT_OF_MEMORY and pool.cgroups not in ("v1", "native"):
        pytest.skip("no cgroups here: HTCondor enforces no memory limit")
    job = jobs[case.name]
    pool.wait(job, case.accounting["JobStatus"])
    accounting = {name: pool.attribute(job, name) for name in case.accounting}
    ordinal = _ordinal(pool, job, case)
    seen = execution(operator(pool), job, ordinal)
    exit = seen.exit
    assert exit is not None
    said = f"{exit.kind.value} {exit.state} code={exit.code} signal={exit.signal}"
    words = " ".join(f"{name}={value}" for name, value in accounting.items())
    print(f"{case.name:34} | {words:48} | {said}")
    record_property(case.name, f"{words} | {said}")
    assert accounting == {name: str(value) for name, value in case.accounting.items()}
    assert (exit.kind, exit.state) == (case.kind, case.state)
    assert case.code is None or exit.code == case.code
    assert case.signal is None or exit.signal == case.signal
    assert seen.facts.user == "tester" and seen.facts.workflow == f"tester/{case.name}"
    assert seen.run.run == pool.attribute(job, "GlobalJobId").strip('"') + f"#{ordinal}"


def _ordinal(pool: Pool, job: str, case: Case) -> int:
    """Which execution the case is of: the last, or where it ran again the one before."""
    return _begun(pool, job)[-1 - (case.name in AGAIN_CASES)]


def _begun(pool: Pool, job: str) -> list[int]:
    """The executions that began: others were refused by their slot, which happens to any job."""
    starts = pool.attribute(job, "NumShadowStarts")
    told = pool.inside(
        "condor_history", "-epochs", job, "-af", "NumShadowStarts", "VacateReasonCode"
    )
    epochs = [line.split() for line in told.splitlines()]
    refused = {start for start, code in epochs if code.isdigit() and int(code) in REFUSED}
    last = int(starts) if starts.isdigit() else 1
    return [ordinal for ordinal in range(1, last + 1) if str(ordinal) not in refused]


@pytest.mark.parametrize("name", AGAIN_CASES)
def test_a_rerun_is_a_run_of_its_own(pool: Pool, jobs: dict[str, str], name: str) -> None:
    job = jobs[name]
    pool.wait(job, 4)
    scheduler = operator(pool)
    one, two = _begun(pool, job)[-2:]
    first, second = (execution(scheduler, job, ordinal) for ordinal in (one, two))
    assert second.exit is not None and second.exit.state == "COMPLETED"
    parent = first.run.key.rpartition("#")[0] + f"#{two - 1}"
    assert second.facts.parent == parent and second.facts.attempt == two - 1
    assert first.ended is not None and second.started is not None
    assert first.ended <= second.started + 1
    assert first.facts.site == second.facts.site == pool.node


def test_the_event_log_tells_the_same(pool: Pool, jobs: dict[str, str]) -> None:
    for case in CASES:
        pool.wait(jobs[case.name], case.accounting["JobStatus"])
    by_epochs = _ends(operator(pool), jobs)
    by_log = _ends(operator(pool, event_log=str(pool.root / "log" / "EventLog")), jobs)
    # The log has no event of an execution that was refused before it began.
    assert by_log == {run: by_epochs[run] for run in by_log}
    assert len(by_log) > len(CASES)


def _ends(scheduler: HTCondorScheduler, jobs: dict[str, str]) -> dict[str, tuple[object, ...]]:
    """What is told of each run's end first, once it is final."""
    time.sleep(6)
    events = [e for e in scheduler.history(time.time() - 3600) if e.run.job_id in jobs.values()]
    ends: dict[str, tuple[object, ...]] = {}
    for event in events:
        if event.exit is not None:
            exit = event.exit
            ends.setdefault(event.run.run, (exit.kind, exit.state, exit.code))
    return ends


def test_what_waits_and_runs_is_told(pool: Pool) -> None:
    waiting = pool.submit(LONG, "requirements = NoSuch") + ".0"
    running = pool.submit(LONG) + ".0"
    pool.process(running)
    scheduler = operator(pool)
    assert [event.kind for event in told(scheduler, waiting)] == [EventKind.QUEUED]
    seen = record(scheduler, running, ended=False)
    mine = [event.kind for event in told(scheduler, running) if event.run == seen.run]
    assert mine == [EventKind.START]
    assert seen.facts.request.memory_bytes == 100 * 2**20 and seen.facts.site == pool.node
    assert seen.facts.workflow == f"tester/{running.split('.')[0]}@{pool.node}"
    pool.inside("condor_rm", waiting, running)


def test_a_time_of_its_own_is_backfilled(pool: Pool, jobs: dict[str, str]) -> None:
    seen = record(operator(pool), jobs["exit 3"])
    assert seen.ended is not None
    # The schedd notes an end some time after it, and is asked by that time.
    between = list(operator(pool).history(seen.ended, seen.ended + 60))
    assert {event.kind for event in between} <= {EventKind.START, EventKind.OUTCOME}
    assert seen.run in {event.run for event in between}
    assert not list(operator(pool).history(seen.ended - 7200, seen.ended - 7100))


def test_a_schedd_that_does_not_exist_is_an_error(pool: Pool) -> None:
    with pytest.raises(SchedulerError, match="HTCondor: "):
        list(operator(pool, schedds=("nobody@nowhere",)).history(0))


def test_a_node_that_is_drained_is_out(pool: Pool) -> None:
    scheduler = operator(pool)
    assert scheduler.nodes(0) == Nodes({pool.node: (pool.node,)})
    with drained(pool):
        deadline = time.monotonic() + 120
        while not (outages := scheduler.nodes(0).outages):
            assert time.monotonic() < deadline, "the node is never drained"
            time.sleep(1)
    (outage,) = outages
    assert (outage.node, outage.state, outage.until) == (pool.node, "DRAINED", None)
    assert abs(outage.since - time.time()) < 120
    deadline = time.monotonic() + 120
    while scheduler.nodes(0).outages:
        assert time.monotonic() < deadline, "the node never comes back"
        time.sleep(1)


DRAIN = """
import htcondor2, sys
location = htcondor2.Collector().locateAll(htcondor2.DaemonType.Startd)[0]
print(htcondor2.Startd(location).drainJobs(reason="disk is ill"), flush=True)
sys.stdin.read()
htcondor2.Startd(location).cancelDrainJobs()
"""


@contextmanager
def drained(pool: Pool) -> Iterator[None]:
    """Drain the pool's node as its administrator."""
    draining = subprocess.Popen(
        [sys.executable, "-c", DRAIN],
        env=pool.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert draining.stdout is not None and draining.stdout.readline()
        yield
    finally:
        draining.communicate(timeout=60)
