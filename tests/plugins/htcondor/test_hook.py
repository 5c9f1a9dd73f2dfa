"""The hook: what it makes of a job's ad, and how the installed program behaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs import fields, wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts, Request
from jobmend.jobs.exits import ExitKind, htcondor_exit
from jobmend.jobs.identity import Run
from jobmend.plugins import hook as teller
from jobmend.plugins.htcondor import hook, identify, job_ad

PROGRAM = Path(sys.executable).with_name("jobmend-condor-hook")
SHIPPED = Path(__file__).parents[3] / "etc" / "condor"
CALLS = 20

# What the starter of 25.14 gives to PREPARE_JOB, shortened.
PREPARE = b"""AcctGroup = "group_cms"
AllowedExecuteDuration = 3600
ClusterId = 2
Cmd = "/home/tester/secret.sh"
Environment = "TOKEN=hunter2"
ExitBySignal = false
ExitStatus = 0
GlobalJobId = "node1#2.0#1795242239"
JobBatchName = "reco \\"2026\\" \\x"
JobCurrentReconnectAttempt = undefined
JobCurrentStartDate = 1795242240
JobStatus = 2
NumShadowStarts = 1
Owner = "tester"
ProcId = 0
RemoteHost = "slot1_1@node1"
RequestCpus = 1
RequestMemory = 100
Requirements = (TARGET.Arch == "X86_64") && (TARGET.Memory >= RequestMemory)
"""
UPDATE = PREPARE + b'JobPid = 80462\nJobState = "Running"\n'
EXIT = PREPARE.replace(b"ExitStatus = 0", b"ExitCode = 3\nExitStatus = 0") + (
    b'JobPid = 80462\nJobState = "Exited"\nMemoryUsage = ((ResidentSetSize + 1023) / 1024)\n'
)
RUN = Run(teller.UNTOLD_CLUSTER, "htcondor", "2.0", "node1#2.0#1795242239#1")


def as_event(data: bytes, *arguments: str, slot: str = "slot1_1") -> JobEvent:
    ad = job_ad.parse(data, hook.ATTRIBUTES)
    body = hook.event_body(arguments, ad, slot, 1795242250.5)
    assert body is not None and b"hunter2" not in json.dumps(body).encode()
    return read(body)


def read(body: dict[str, object]) -> JobEvent:
    envelope = {"jobmend": teller.VERSION, "kind": "event", "body": body}
    data = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    assert len(data) <= teller.MAX_BYTES
    message = wire.loads(data)
    assert isinstance(message, JobEvent)
    return message


def test_prepare_is_a_start() -> None:
    facts = JobFacts(
        name='reco "2026" \\x',
        user="tester",
        account="group_cms",
        slot="slot1_1@node1",
        request=Request(1, 100 << 20, 3600),
    )
    assert as_event(PREPARE) == JobEvent(EventKind.START, RUN, 1795242250.5, "", facts)


def test_update_is_the_same_start_with_a_process() -> None:
    event = as_event(UPDATE)
    assert (event.kind, event.run, event.time) == (EventKind.START, RUN, 1795242240.0)
    assert (event.facts.pid, event.facts.slot) == (80462, "slot1_1@node1")


def test_exit_is_an_end() -> None:
    event = as_event(EXIT, "exit")
    assert (event.kind, event.run, event.time) == (EventKind.END, RUN, 1795242250.5)
    assert event.exit == htcondor_exit(4, 3, None) and event.facts.pid == 0


@given(code=st.integers(0, 255), number=st.integers(1, 64), by_signal=st.booleans())
@pytest.mark.parametrize(("how", "status"), hook.STATUS_OF_END.items())
def test_every_end_is_read_as_the_vocabulary_reads_it(
    how: str, status: int, code: int, number: int, by_signal: bool
) -> None:
    end = f"ExitBySignal = true\nExitSignal = {number}" if by_signal else f"ExitCode = {code}"
    lines = PREPARE.replace(b"ExitBySignal = false", end.encode())
    wanted = htcondor_exit(status, None if by_signal else code, number if by_signal else None)
    assert as_event(lines, how).exit == wanted


def test_a_hold_code_that_is_told_says_why() -> None:
    event = as_event(EXIT + b"HoldReasonCode = 34\n", "hold")
    assert event.exit is not None and event.exit.kind is ExitKind.OUT_OF_MEMORY
    assert event.exit == htcondor_exit(5, 3, None, 34)


def test_an_eviction_is_told_as_such() -> None:
    end = as_event(EXIT, "evict").exit
    assert end is not None and (end.kind, end.state) == (ExitKind.PREEMPTED, "EVICTED")


def test_another_execution_is_another_run() -> None:
    again = PREPARE.replace(b"NumShadowStarts = 1", b"NumShadowStarts = 3\nNumJobReconnects = 1")
    event = as_event(again)
    assert (event.run.run, event.facts.attempt) == ("node1#2.0#1795242239#2", 1)


@given(st.from_regex(r"[!#-\[\]-~]{1,400}", fullmatch=True), st.integers(1, 99))
def test_the_processes_of_a_job_would_tell_the_same_run(global_id: str, starts: int) -> None:
    lines = PREPARE.replace(b"node1#2.0#1795242239", global_id.encode())
    lines = lines.replace(b"NumShadowStarts = 1", f"NumShadowStarts = {starts}".encode())
    identity = identify.parse_ad(lines, None)
    assert identity is not None
    told = as_event(lines).run
    assert (identity.job_id, identity.run) == (told.job_id, told.run)


@pytest.mark.parametrize(
    ("slot", "told"),
    [("slot1_1", "slot1_1@node1"), ("slot1_2", "slot1_2"), ("", "slot1_1@node1")],
)
def test_the_starter_s_word_about_the_slot_goes_first(slot: str, told: str) -> None:
    assert as_event(PREPARE, slot=slot).facts.slot == told


@pytest.mark.parametrize("name", [b"MATCH_GLIDEIN_Site", b"glidein_site"])
def test_the_site_is_told_where_the_pool_tells_it(name: bytes) -> None:
    assert as_event(PREPARE).facts.site == ""
    assert as_event(PREPARE + name + b' = "T2_CH"\n').facts.site == "T2_CH"


@pytest.mark.parametrize("missing", [b"ClusterId", b"ProcId", b"GlobalJobId"])
def test_nothing_is_told_without_a_name(missing: bytes) -> None:
    ad = job_ad.parse(PREPARE.replace(missing, b"Other"), hook.ATTRIBUTES)
    assert hook.event_body((), ad, "", 0.0) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        ('"a \\"b\\" \\n \\"', 'a "b" \\n \\'),
        ('"a" + "b"', None),
        ('"a', None),
        ('"', None),
        ("TRUE", True),
        ("-1.5e3", -1500.0),
        ("undefined", None),
        ("nan", None),
        ("1_000", 1000.0),
        ("1 + 1", None),
        ("1e999", None),
        ("9" * 30, None),
    ],
)
def test_literals_are_read_and_expressions_passed_over(text: str, value: object) -> None:
    assert job_ad.literal(text) == value


def test_the_first_of_two_lines_counts_whatever_its_case() -> None:
    assert job_ad.parse(b"CLUSTERID = 1\nClusterId = 2\n", {"clusterid"}) == {"clusterid": 1}


@given(st.binary(max_size=300))
def test_hostile_ads_never_raise(data: bytes) -> None:
    lines = PREPARE.replace(b'reco \\"2026\\" \\x', data) + b"\n" + data
    body = hook.event_body((), job_ad.parse(lines, hook.ATTRIBUTES), "slot1_1", 1.0)
    if body is not None:
        read(body)


@given(st.text(max_size=400), st.text(max_size=400))
def test_names_are_bounded_data(batch: str, slot: str) -> None:
    ad = {**job_ad.parse(PREPARE, hook.ATTRIBUTES), "jobbatchname": batch, "remotehost": slot}
    body = hook.event_body(("exit",), ad, slot, 1.0)
    assert body is not None
    event = read(body)
    assert len(event.facts.name) <= fields.MAX_NAME and len(event.facts.slot) <= fields.MAX_NAME


def test_the_bounds_are_the_wire_s() -> None:
    assert teller.MAX_NAME == fields.MAX_NAME


# ---- the installed program -----------------------------------------------------------------------


@pytest.fixture
def address() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="jm") as folder:  # short enough for a socket
        yield Path(folder) / "hook.sock"


def call(ad: bytes, address: Path, *arguments: str, program: Sequence[object] = (PROGRAM,)) -> None:
    """One call as the starter makes it."""
    done = subprocess.run(
        [*map(str, program), *arguments],
        env={"_CONDOR_SLOT": "slot1_1", "JOBMEND_HOOK_SOCKET": str(address)},
        input=ad,
        capture_output=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_with_an_agent_each_call_arrives(address: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(address))
        receiver.settimeout(10)
        for _ in range(CALLS):
            call(EXIT, address, "exit")
            assert isinstance(wire.loads(receiver.recv(65536)), JobEvent)


def test_without_an_agent_or_an_ad_it_is_silent(address: Path) -> None:
    for ad in (EXIT, b"", b"\xff" * (1 << 21), b"ClusterId = " * 100_000):
        call(ad, address, "exit")


def test_an_ad_that_never_ends_is_given_up() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb"), open(writer, "wb", buffering=0) as pipe:
        pipe.write(PREPARE)
        started = time.monotonic()
        done = subprocess.run([PROGRAM], stdin=reader, capture_output=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("inside", ["time.sleep(30)", "1 / 0", "sys.exit(3)", "print(1)"])
def test_it_ends_well_whatever_happens_inside(inside: str, address: Path) -> None:
    script = (
        "import sys, time; from jobmend.plugins.htcondor import hook\n"
        f"hook.tell = lambda body: {inside}\n"
        "hook.main()"
    )
    call(EXIT, address, program=(sys.executable, "-c", script))


def test_it_imports_nothing_that_is_slow() -> None:
    script = (
        "import sys; from jobmend.plugins.htcondor import hook\n"
        "print(sorted({'dataclasses', 'typing', 'inspect'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-SB", "-c", script], env={"PYTHONPATH": str(PATHS)},
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


PATHS = Path(__file__).parents[3] / ".view"


# ---- what etc/condor ships -----------------------------------------------------------------------


@pytest.mark.parametrize("program", ["/nonexistent", "/bin/false", "PRINTS", "HANGS"])
def test_the_script_exits_0_in_silence(program: str, tmp_path: Path) -> None:
    scripts = {"PRINTS": "echo x; echo x >&2; exit 7\n", "HANGS": "exec sleep 30\n"}
    if program in scripts:
        path = tmp_path / "program"
        path.write_text("#!/bin/sh\n" + scripts[program])
        path.chmod(0o755)
        program = str(path)
    script = tmp_path / "jobmend-hook"
    text = (SHIPPED / "jobmend-hook").read_text()
    script.write_text(text.replace("HOOK=/usr/bin/jobmend-condor-hook", f"HOOK={program}"))
    assert f"HOOK={program}\n" in script.read_text()
    script.chmod(0o755)
    started = time.monotonic()
    done = subprocess.run([script, "exit"], input=EXIT, env={}, capture_output=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - started < 5


def test_no_shipped_line_displaces_a_user_s_own_hooks() -> None:
    settings = [
        line.split("=")[0].strip()
        for line in (SHIPPED / "50-jobmend.conf").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    ]
    assert "STARTER_DEFAULT_JOB_HOOK_KEYWORD" in settings
    assert "STARTER_JOB_HOOK_KEYWORD" not in settings
