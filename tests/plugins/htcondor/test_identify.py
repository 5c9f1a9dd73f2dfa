"""Whose job a slot runs, by real processes that carry what HTCondor gives them."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs.fields import MAX_NAME, Fields
from jobmend.plugins.htcondor import runs
from jobmend.plugins.htcondor.identify import identify, parse_ad, parse_environ, slot_of
from jobmend.plugins.htcondor.runs import run_name
from jobmend.plugins.layout import Unidentified

AD = b"""AutoClusterId = 1
ClusterId = 2
Environment = "SECRET=hunter2"
GlobalJobId = "node1#2.0#1795242239"
JobCurrentStartDate = 1795242240
JobStartDate = 1795242000
MemoryUsage = ((ResidentSetSize + 1023) / 1024)
NumJobReconnects = 1
NumShadowStarts = 3
Owner = "mallory"
ProcId = 0
"""
RUN = "node1#2.0#1795242239#2"

Start = Callable[..., int]


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    """A directory named as the cgroup of slot1_2 and of its processes' list."""
    made = tmp_path / "_var_lib_condor_execute_slot1_2@node1.slice"
    made.mkdir()
    (made / "cgroup.procs").touch()
    return made


@pytest.fixture
def start(tmp_path: Path, slot: Path) -> Iterator[Start]:
    """Starts a process in the slot with what is given as its environment."""
    started: list[subprocess.Popen[bytes]] = []

    def run(**environment: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"],
            stdout=subprocess.PIPE,
            env={"SECRET_TOKEN": "hunter2", **environment},
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        (slot / "cgroup.procs").write_text("".join(f"{one.pid}\n" for one in reversed(started)))
        return process.pid

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def job_ad(tmp_path: Path) -> Path:
    path = tmp_path / "scratch" / ".job.ad"
    path.parent.mkdir()
    path.write_bytes(AD)
    return path


def test_the_oldest_process_of_the_slot_tells(
    tmp_path: Path, slot: Path, start: Start, job_ad: Path
) -> None:
    assert identify({"unified": str(slot)}, "/proc") is None
    start(_CONDOR_JOB_AD=str(job_ad), _CONDOR_SLOT="slot1_2")
    payload = tmp_path / "payload" / ".job.ad"
    payload.parent.mkdir()
    payload.write_bytes(AD.replace(b"2.0", b"77.0").replace(b"ClusterId = 2", b"ClusterId = 77"))
    start(_CONDOR_JOB_AD=str(payload), _CONDOR_SLOT="slot1_2")  # of a pilot, in a slot of that name
    start(_CONDOR_JOB_AD=str(payload), _CONDOR_SLOT="slot1_1")
    told = identify({"unified": str(slot)}, "/proc")
    assert told is not None
    assert (told.job_id, told.run, told.started) == ("2.0", RUN, 1795242240.0)
    assert (told.uid, told.user) == (os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    assert "hunter2" not in repr(told) and "mallory" not in repr(told)


def test_processes_of_another_slot_alone_are_a_mismatch(
    slot: Path, start: Start, job_ad: Path
) -> None:
    start()
    assert identify({"memory": str(slot)}, "/proc") is None
    start(_CONDOR_JOB_AD=str(job_ad), _CONDOR_SLOT="slot1_1")
    with pytest.raises(Unidentified) as caught:
        identify({"memory": str(slot)}, "/proc")
    assert caught.value.reason == "slot_mismatch"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_without_the_capability_the_environment_is_denied(
    slot: Path, start: Start, job_ad: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pid = start(_CONDOR_JOB_AD=str(job_ad), _CONDOR_SLOT="slot1_2")
    base = tmp_path_factory.getbasetemp()  # nothing above pytest's own folders is opened
    own = base.parent if base.parent.name.startswith("pytest-of-") else base
    for parent in (slot, *slot.parents):
        if own in (parent, *parent.parents):
            parent.chmod(0o755)
    assert reason_seen_by(65534, slot, "/proc") == "environ_denied"
    proc = slot.parent / "proc"  # as one sees it who may trace processes, and no more
    (proc / str(pid) / "root").mkdir(parents=True)
    (proc / str(pid) / "root" / "scratch").symlink_to(job_ad.parent)
    for name in ("stat", "status"):
        (proc / str(pid) / name).write_bytes(Path(f"/proc/{pid}/{name}").read_bytes())
    environ = b"_CONDOR_SLOT=slot1_2\0_CONDOR_JOB_AD=/scratch/.job.ad\0"
    (proc / str(pid) / "environ").write_bytes(environ)
    assert reason_seen_by(65534, slot, str(proc)) == ""
    job_ad.parent.chmod(0o700)
    assert reason_seen_by(65534, slot, str(proc)) == "environ_denied"


def reason_seen_by(uid: int, slot: Path, proc_root: str) -> str:
    """Why nothing is told to a user, or nothing where something is."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgid(uid)
            os.setuid(uid)
            identify({"unified": str(slot)}, proc_root)
        except Unidentified as problem:
            os.write(writer, problem.reason.encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as pipe:
        return pipe.read().decode()


def test_an_ad_that_is_no_file_is_not_opened(
    tmp_path: Path, slot: Path, start: Start, job_ad: Path
) -> None:
    traps = tmp_path / "traps"
    for name in ("pipe", "link", "folder", "missing"):
        (traps / name).mkdir(parents=True)
    os.mkfifo(traps / "pipe" / ".job.ad")
    (traps / "link" / ".job.ad").symlink_to(job_ad)
    (traps / "folder" / ".job.ad").mkdir()
    for name in ("pipe", "link", "folder", "missing"):
        start(_CONDOR_JOB_AD=str(traps / name / ".job.ad"), _CONDOR_SLOT="slot1_2")
    start(_CONDOR_JOB_AD="/etc/passwd", _CONDOR_SLOT="slot1_2")
    start(_CONDOR_JOB_AD=".job.ad", _CONDOR_SLOT="slot1_2")
    assert identify({"unified": str(slot)}, "/proc") is None
    start(_CONDOR_JOB_AD=str(job_ad), _CONDOR_SLOT="slot1_2@node1")
    assert identify({"unified": str(slot)}, "/proc") is not None


def test_a_tree_of_files_serves_as_well(tmp_path: Path, slot: Path) -> None:
    (slot / "cgroup.procs").write_text("41\n42\n0\nx\n")
    process = tmp_path / "proc" / "42"
    ad = process / "root" / "scratch" / ".job.ad"
    ad.parent.mkdir(parents=True)
    ad.write_bytes(AD)
    (process / "environ").write_bytes(b"_CONDOR_SLOT=slot1_2\0_CONDOR_JOB_AD=/scratch/.job.ad\0")
    (process / "stat").write_bytes(b"42 (a) (b c) S " + b"1 " * 50)
    (process / "status").write_bytes(b"Name:\tsh\nUid:\t4000000\t0\t0\t0\n")
    told = identify({"unified": str(slot)}, str(tmp_path / "proc"))
    assert told is not None and (told.job_id, told.uid, told.user) == ("2.0", 4000000, "4000000")


@pytest.mark.parametrize(
    ("directory", "slot"),
    [
        ("/x/condor_var_lib_condor_execute_slot1_1@h", "slot1_1"),
        ("/x/_disk1_slot12@a@b.slice", "slot12"),
        ("/x/slot1@y/other", ""),
        ("", ""),
    ],
)
def test_the_slot_in_the_name_of_a_directory(directory: str, slot: str) -> None:
    assert slot_of(directory) == slot


def test_of_an_environment_two_names_are_kept() -> None:
    data = b"SECRET=1\0_CONDOR_SLOT=slot1\0_CONDOR_SLOT=slot2\0_CONDOR_JOB_AD=\0=\0x\0"
    assert parse_environ(data) == {b"_CONDOR_SLOT": b"slot1"}
    assert parse_environ(b"_CONDOR_JOB_AD=" + b"/" * 5000) == {}


@pytest.mark.parametrize("missing", [b"ClusterId", b"ProcId", b"GlobalJobId"])
def test_an_ad_that_is_not_whole_tells_nothing(missing: bytes) -> None:
    lines = [line for line in AD.splitlines() if not line.startswith(missing)]
    assert parse_ad(b"\n".join(lines), None) is None


def test_the_first_of_two_lines_counts_and_the_start_may_be_the_first_start() -> None:
    lines = AD.replace(b"JobCurrentStartDate", b"Other") + b"ProcId = 9\n"
    told = parse_ad(lines, None)
    assert told is not None
    assert (told.job_id, told.run, told.started) == ("2.0", RUN, 1795242000.0)


@given(st.binary(max_size=200))
def test_hostile_bytes_never_raise(data: bytes) -> None:
    parse_environ(data)
    told = parse_ad(AD.replace(b"node1#2.0#1795242239", data), None)
    assert told is None or told.job_id


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_shadow_that_came_back_to_its_job_is_no_execution(starts: int, reconnects: int) -> None:
    assert runs.ordinal(starts + reconnects, reconnects) == starts
    assert runs.ordinal(0, reconnects) == 0


@given(st.text(max_size=600), st.integers(0, 2**31))
def test_a_runs_name_can_stand_in_a_key(global_id: str, when: int) -> None:
    name = run_name(global_id, when)
    assert len(name) <= MAX_NAME
    assert Fields({"run": name}, "run").name("run") == name
    assert name.endswith(f"#{when}")


def test_the_constants_are_those_of_the_wire() -> None:
    assert runs.MAX_NAME == MAX_NAME
