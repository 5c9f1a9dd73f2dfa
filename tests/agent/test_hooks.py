from __future__ import annotations

import dataclasses
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.config import Config
from jobmend.agent.daemon import Daemon
from jobmend.agent.hooks import LINES_A_MINUTE, Datagram, HookSocket, RefusalLog, Refused, judge
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.identity import Run
from jobmend.plugins.hook import tell
from tests.agent.running import until

RUN = Run("c1", "slurm", "42", "0")
LOCAL = Run("c1", "local", "1", "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9")


def event(run: Run = RUN, kind: EventKind = EventKind.START, user: str = "root") -> JobEvent:
    return JobEvent(kind, run, 1000.0, "n1", JobFacts(user=user))


@pytest.fixture
def hook_socket(tmp_path: Path) -> Iterator[HookSocket]:
    made = HookSocket(str(tmp_path / "run" / "hook.sock"))
    yield made
    made.close()


def send(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(str(path))
        channel.send(data)


def test_the_kernel_says_who_sent_a_datagram(hook_socket: HookSocket, tmp_path: Path) -> None:
    path = tmp_path / "run" / "hook.sock"
    assert tell(wire.event_body(event()), str(path))
    datagram = hook_socket.receive(5.0)
    assert datagram is not None
    assert (datagram.pid, datagram.uid, datagram.whole) == (os.getpid(), os.getuid(), True)
    assert wire.loads(datagram.data) == event()
    assert hook_socket.receive(0.01) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_seen_as_that_user() -> None:
    code = (
        "import os, socket, sys; os.setuid(65534); "
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1]); s.send(b'x')"
    )
    with tempfile.TemporaryDirectory() as folder:  # the folders of tmp_path are closed to others
        os.chmod(folder, 0o755)
        made = HookSocket(os.path.join(folder, "hook.sock"))
        subprocess.run([sys.executable, "-c", code, f"{folder}/hook.sock"], check=True)
        datagram = made.receive(5.0)
        made.close()
    assert datagram is not None and datagram.uid == 65534


def test_the_socket_is_open_to_all_and_goes_with_the_agent(tmp_path: Path) -> None:
    path = tmp_path / "run" / "hook.sock"
    made = HookSocket(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    made.close()
    assert not path.exists()


def test_a_dead_agents_socket_is_replaced_and_a_live_ones_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "hook.sock")
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(path)
    dead.close()
    live = HookSocket(path)
    with pytest.raises(OSError, match="another agent listens here"):
        HookSocket(path)
    live.close()


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hook.sock"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="is no socket; remove it"):
        HookSocket(str(path))
    assert path.read_text() == "precious"


def judged(one: JobEvent, uid: int) -> JobEvent:
    return judge(Datagram(wire.dumps(one), 1, uid), frozenset({0}))


def test_trusted_users_may_tell_of_any_job() -> None:
    assert judged(event(), 0) == event()
    assert judged(event(LOCAL, user="alice"), 0).facts.user == "alice"


def test_others_may_tell_of_local_jobs_under_their_own_name() -> None:
    nobody = pwd.getpwnam("nobody")
    told = judged(event(LOCAL, user="root"), nobody.pw_uid)
    assert told.facts.user == "nobody"
    assert judged(event(LOCAL), 4_000_000).facts.user == "4000000"
    with pytest.raises(Refused, match="user 65534 may not tell of slurm jobs") as caught:
        judged(event(), 65534)
    assert (caught.value.result, caught.value.hook) == ("untrusted", "start")
    with pytest.raises(Refused):
        judged(event(LOCAL), -1)  # the kernel named nobody


CONDOR = Run("c1", "htcondor", "2.0", "n1#2.0#900#1")


def test_htcondors_hooks_speak_for_the_user_they_run_as() -> None:
    asked: list[tuple[str, str, int]] = []

    def alices(scheduler: str, slot: str, uid: int) -> bool:
        asked.append((scheduler, slot, uid))
        return uid == 4_000_000

    def told(uid: int, slot: str) -> JobEvent:
        facts = JobFacts(user="root", slot=slot)
        sent = dataclasses.replace(event(CONDOR), facts=facts)
        return judge(Datagram(wire.dumps(sent), 1, uid), frozenset({0}), alices)

    assert told(4_000_000, "slot1@n1").facts == JobFacts(user="4000000", slot="slot1@n1")
    with pytest.raises(Refused, match="in slot slot1@n1 there are processes of other users") as no:
        told(4_000_001, "slot1@n1")
    assert (no.value.result, no.value.hook) == ("untrusted", "start")
    assert asked == [("htcondor", "slot1@n1", 4_000_000), ("htcondor", "slot1@n1", 4_000_001)]
    assert told(4_000_001, "").facts.user == "4000001"  # of a job, and of no slot
    assert told(0, "slot1@n1").facts.user == "root"
    with pytest.raises(Refused):
        told(-1, "")


def test_without_a_look_at_the_slots_nobody_may_claim_one() -> None:
    sent = dataclasses.replace(event(CONDOR), facts=JobFacts(slot="slot1"))
    with pytest.raises(Refused):
        judged(sent, 4_000_000)


GARBAGE = [
    b"",
    b"\x00\xff\xfe",
    b"[" * 10_000,
    b'{"jobmend": 2, "kind": "event", "body": {}}',
    b'{"jobmend": 1, "kind": "event", "body": {"kind": "start"}}',
    b'{"jobmend": 1, "kind": "\x1b]0;owned\x07"}',
    json.dumps({"jobmend": 1, "kind": "\x1b[2J\u202eevil", "body": {}}).encode(),
    wire.dumps(event(kind=EventKind.OUTCOME)),
    wire.dumps(event()).replace(b'"42"', b'"../../etc"'),
    wire.dumps(event()).replace(b"1000.0", b"1e999"),
]


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        judge(Datagram(data, 1, 0), frozenset({0}))
    assert caught.value.result == "corrupt"


def test_a_datagram_that_was_cut_is_refused(hook_socket: HookSocket, tmp_path: Path) -> None:
    send(tmp_path / "run" / "hook.sock", wire.dumps(event()) + b" " * wire.MAX_EVENT_BYTES)
    datagram = hook_socket.receive(5.0)
    assert datagram is not None and not datagram.whole
    with pytest.raises(Refused, match="longer than 16384 bytes"):
        judge(datagram, frozenset({0}))


def test_the_log_cannot_be_flooded(caplog: pytest.LogCaptureFixture) -> None:
    written = RefusalLog()
    datagram, refused = Datagram(b"", 7, 1000), Refused("corrupt", "\x1b[2Jwhy")
    for now in (60.0, 119.0):
        for _ in range(100):
            written.write(datagram, refused, now)
    assert len(caplog.records) == LINES_A_MINUTE
    assert caplog.records[0].message == (
        "a datagram of process 7, user 1000 is corrupt: \ufffd[2Jwhy"
    )
    written.write(datagram, refused, 120.0)
    assert len(caplog.records) == LINES_A_MINUTE + 1


def test_nothing_that_hooks_send_stops_the_agent(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(config)
    path = Path(config.hooks.socket)
    daemon.start()
    try:
        for data in GARBAGE:
            send(path, data)
        until(lambda: daemon.node.health.hook_events["unknown", "corrupt"] == len(GARBAGE))
        with pytest.raises(OSError, match="Message too long"):
            send(path, b"x" * 10_000_000)
        assert not tell({"name": "x" * 10_000_000}, str(path))
        assert tell(wire.event_body(event(kind=EventKind.END)), str(path))
        until(lambda: daemon.node.spool.depth()["event"])
        assert daemon.node.spool.depth()["event"] == 1
        assert daemon.node.health.hook_events == {
            ("unknown", "corrupt"): len(GARBAGE),
            ("end", "accepted"): 1,
        }
        page = daemon.node.page().decode()
        assert 'jobmend_agent_hook_events_total{hook="unknown",result="corrupt"} 10' in page
    finally:
        daemon.close()
    assert "\x1b" not in caplog.text and "\u202e" not in caplog.text
