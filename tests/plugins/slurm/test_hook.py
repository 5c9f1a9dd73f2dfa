"""The hook: what it makes of an environment, and how the installed program behaves."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs import fields, wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import slurm_exit
from jobmend.jobs.identity import Run
from jobmend.plugins import hook as teller
from jobmend.plugins.slurm import hook

PROGRAM = Path(sys.executable).with_name("jobmend-slurm-hook")
CALLS = 50
PROLOG = {
    "SLURM_SCRIPT_CONTEXT": "prolog_slurmd",
    "SLURM_CLUSTER_NAME": "testbed",
    "SLURM_JOB_ID": "12",
    "SLURM_JOB_RESTART_COUNT": "0",
    "SLURMD_NODENAME": "node1",
    "SLURM_JOB_USER": "tester",
    "SLURM_JOB_ACCOUNT": "acct",
    "SLURM_JOB_PARTITION": "main",
    "SLURM_JOB_COMMENT": "reco-2026",
    "SLURM_JOB_WORK_DIR": "/home/tester/secret",
}
EPILOG = {
    **PROLOG,
    "SLURM_SCRIPT_CONTEXT": "epilog_slurmd",
    "SLURM_JOB_EXIT_CODE": "768",
    "SLURM_JOB_EXIT_CODE2": "3:0",
}


def as_event(environ: dict[str, str]) -> JobEvent:
    body = hook.event_body(environ, 1000.5)
    assert body is not None
    envelope = {"jobmend": teller.VERSION, "kind": "event", "body": body}
    data = json.dumps(envelope, separators=(",", ":")).encode()
    assert len(data) <= teller.MAX_BYTES
    message = wire.loads(data)
    assert isinstance(message, JobEvent)
    return message


def test_a_prolog_is_a_start() -> None:
    assert as_event(PROLOG) == JobEvent(
        EventKind.START,
        Run("testbed", "slurm", "12", "0"),
        1000.5,
        "node1",
        JobFacts(site="main", user="tester", account="acct", comment="reco-2026"),
    )


def test_an_epilog_is_an_end() -> None:
    event = as_event(EPILOG)
    assert event.kind is EventKind.END and event.exit == slurm_exit("", 3, 0)


def test_the_body_is_the_one_the_vocabulary_writes() -> None:
    facts = JobFacts(site="main", user="tester", account="acct", comment="reco-2026", attempt=2)
    event = JobEvent(
        EventKind.END,
        Run("testbed", "slurm", "12", "2"),
        7.0,
        "node1",
        facts,
        slurm_exit("", 0, 125),
    )
    restarted = {
        **EPILOG,
        "SLURM_JOB_RESTART_COUNT": "2",
        "SLURM_JOB_EXIT_CODE": "253",
        "SLURM_JOB_EXIT_CODE2": "0:125",
    }
    assert hook.event_body(restarted, 7.0) == wire.event_body(event)


@given(code=st.integers(0, 255), number=st.integers(0, 127))
def test_every_exit_is_read_as_the_vocabulary_reads_it(code: int, number: int) -> None:
    environ = {**EPILOG, "SLURM_JOB_EXIT_CODE2": f"{code}:{number}"}
    assert as_event(environ).exit == slurm_exit("", code, number)


@pytest.mark.parametrize(
    ("status", "key"), [("768", "exit:3"), ("139", "signal:11"), ("0", "exit:0")]
)
def test_the_wait_status_serves_where_the_pair_is_missing(status: str, key: str) -> None:
    environ = {**EPILOG, "SLURM_JOB_EXIT_CODE": status, "SLURM_JOB_EXIT_CODE2": ""}
    event = as_event(environ)
    assert event.exit is not None and event.exit.key == key


@pytest.mark.parametrize("pair", ["", "3", "a:b", "1:2:3", ":"])
def test_an_end_whose_exit_is_unreadable_is_told_without(pair: str) -> None:
    environ = {**EPILOG, "SLURM_JOB_EXIT_CODE": "", "SLURM_JOB_EXIT_CODE2": pair}
    event = as_event(environ)
    assert event.kind is EventKind.END and event.exit is None


def test_a_sluid_names_the_run() -> None:
    event = as_event({**PROLOG, "SLURM_JOB_SLUID": "s5K1KKYAYG5D00"})
    assert event.run.run == "s5K1KKYAYG5D00"


def test_nothing_is_told_in_other_hooks_or_without_a_name() -> None:
    assert hook.event_body({}, 0.0) is None
    assert hook.event_body({**PROLOG, "SLURM_SCRIPT_CONTEXT": "prolog_task"}, 0.0) is None
    for name in ("", "a/b", "a\nb", "x" * 257):
        assert hook.event_body({**PROLOG, "SLURM_CLUSTER_NAME": name}, 0.0) is None


def test_nothing_but_the_table_is_read() -> None:
    assert "secret" not in json.dumps(hook.event_body(EPILOG, 0.0))


@pytest.mark.parametrize(
    "comment",
    [
        b"two\nlines \x1b[2J <script> \" ' \\ \x01",
        b"caf\xe9 \xff\xfe \xed\xa0\x80",
        b"x" * 65536,
        "\N{PILE OF POO}".encode() * 16384,
        b"\xff" * 65536,
    ],
)
def test_hostile_comments_are_bounded_data(comment: bytes) -> None:
    event = as_event({**EPILOG, "SLURM_JOB_COMMENT": os.fsdecode(comment)})
    assert event.facts.comment == comment.decode("utf-8", "replace")[: hook.MAX_COMMENT]
    event.facts.comment.encode()  # no surrogates: a database can keep it


def test_the_bounds_are_the_wire_s() -> None:
    assert fields.MAX_NAME == teller.MAX_NAME and hook.MAX_COMMENT <= wire.MAX_TEXT
    assert (teller.VERSION, teller.MAX_BYTES) == (wire.VERSION, wire.MAX_EVENT_BYTES)


# ---- the installed program -----------------------------------------------------------------------


@pytest.fixture
def address() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="jm") as folder:  # short enough for a socket
        yield Path(folder) / "hook.sock"


def call(environ: dict[str, str], address: Path) -> float:
    """One call as slurmd makes it; seconds it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [PROGRAM],
        env={**environ, "JOBMEND_HOOK_SOCKET": str(address)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
    )
    elapsed = time.perf_counter() - started
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return elapsed


def report(name: str, seconds: list[float]) -> None:
    """Print the spread, and hold the bound: half of the calls within 100 ms."""
    median, worst = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    print(f"hook, {name}: median {1e3 * median:.0f} ms, p99 {1e3 * worst:.0f} ms")
    assert median <= 0.1


def test_without_an_agent_it_is_silent_and_quick(address: Path) -> None:
    report("no agent", [call(EPILOG, address) for _ in range(CALLS)])


def test_with_an_agent_that_hangs_it_is_silent_and_quick(address: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(address))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    filler.sendto(b"x" * 1024, str(address))
        report("hanging agent", [call(EPILOG, address) for _ in range(CALLS)])


def test_with_an_agent_each_call_arrives(address: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(address))
        receiver.settimeout(5)
        seconds = []
        for number in range(CALLS):
            seconds.append(call({**EPILOG, "SLURM_JOB_ID": str(number)}, address))
            message = wire.loads(receiver.recv(65536))
            assert isinstance(message, JobEvent) and message.run.job_id == str(number)
        report("live agent", seconds)


@pytest.mark.parametrize("environ", [{}, {"SLURM_SCRIPT_CONTEXT": "epilog_slurmd"}])
def test_it_is_silent_outside_slurm(environ: dict[str, str], address: Path) -> None:
    call(environ, address)


@pytest.mark.parametrize("teller_does", ["time.sleep(30)", "1 / 0", "sys.exit(3)"])
def test_it_ends_well_whatever_happens_inside(teller_does: str) -> None:
    script = (
        "import sys, time; from jobmend.plugins.slurm import hook\n"
        f"hook.tell = lambda body: {teller_does}\n"
        "hook.main()"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], env=EPILOG, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - started < 2


def test_a_hostile_comment_arrives_from_a_real_environment(address: Path) -> None:
    comment = b"caf\xe9\n\x1b[2J" + b"\xff" * 65000
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(address))
        receiver.settimeout(5)
        call({**PROLOG, "SLURM_JOB_COMMENT": os.fsdecode(comment)}, address)
        message = wire.loads(receiver.recv(65536))
    assert isinstance(message, JobEvent)
    assert message.facts.comment.startswith("caf\ufffd\n\x1b[2J\ufffd")
    assert len(message.facts.comment) == hook.MAX_COMMENT
