"""slurmrestd: versions and shapes, the token and its file, errors; and a real one."""

from __future__ import annotations

import http.server
import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.plugins.scheduler import SchedulerError
from jobmend.plugins.slurm import rest_answers
from jobmend.plugins.slurm.accounting import AccountingError, Row
from jobmend.plugins.slurm.rest import RestAccess, RestReader, agreed
from jobmend.plugins.slurm.rest_answers import Known, completed, job_rows, known_jobs

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

# A job as slurmrestd 22.05.8 tells of it (what is not read is left out).
JOB: dict[str, Any] = {
    "account": "acct",
    "comment": {"administrator": None, "job": "reco", "system": None},
    "allocation_nodes": 1,
    "array": {"job_id": 4, "task": None, "task_id": 2},
    "association": {"account": "acct", "cluster": "testbed", "partition": None, "user": "tester"},
    "time": {"end": 1200, "start": 1100, "submission": 1000, "limit": 60},
    "exit_code": {"status": "SUCCESS", "return_code": 0},
    "job_id": 9,
    "kill_request_user": None,
    "name": "wrap",
    "partition": "main",
    "required": {"CPUs": 1, "memory": 200},
    "state": {"current": "FAILED", "reason": "None"},
    "tres": {"requested": [{"type": "cpu", "count": 1}, {"type": "mem", "count": 200}]},
    "user": "tester",
    "wckey": {"wckey": "wk", "flags": []},
}
ROW = Row(
    job_id="9",
    address="4_2",
    name="wrap",
    user="tester",
    account="acct",
    partition="main",
    state="FAILED",
    code=None,
    signal=None,
    submitted=1000,
    started=1100,
    ended=1200,
    memory_bytes=200 * 2**20,
    walltime_seconds=3600.0,
    cpus=1,
    comment="reco",
    wckey="wk",
)


def number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


# The same in the shape of v0.0.40 and later, as the manual has it.
NEWER: dict[str, Any] = {
    **JOB,
    "array": {"job_id": 4, "task": "", "task_id": number(2)},
    "time": {**JOB["time"], "limit": number(60)},
    "exit_code": {
        "status": ["ERROR"],
        "return_code": number(3),
        "signal": {"id": {"set": False, "infinite": False, "number": 0}, "name": ""},
    },
    "restart_cnt": 1,
    "state": {"current": ["FAILED"], "reason": "None"},
}


def read(job: dict[str, Any], version: str = "v0.0.38") -> Row:
    (row,) = job_rows({"jobs": [job, {**job, "cluster": "another"}]}, version, "testbed")
    return row


def test_a_job_of_the_oldest_version_has_no_code_that_is_untrue() -> None:
    assert read(JOB) == ROW
    done = {**JOB, "state": {"current": "COMPLETED"}}
    assert read(done).code == 0
    killed = {"status": "SIGNALED", "return_code": None, "signal": {"signal_id": 11}}
    crash = read({**JOB, "exit_code": killed})
    assert (crash.code, crash.signal) == (None, 11)


@pytest.mark.parametrize("version", [v for v in rest_answers.VERSIONS if v >= "v0.0.40"])
def test_a_job_of_a_newer_version_is_the_same_with_its_code(version: str) -> None:
    row = read(NEWER, version)
    assert (row.code, row.signal, row.restarts, row.state) == (3, None, 1, "FAILED")
    assert (row.address, row.walltime_seconds, row.memory_bytes) == ("4_2", 3600.0, 200 * 2**20)
    endless = {**NEWER, "time": {**JOB["time"], "limit": {"set": False, "infinite": True}}}
    assert read(endless, version).walltime_seconds is None


def test_a_run_that_goes_on_has_no_end_and_no_exit() -> None:
    running = {**JOB, "state": {"current": "RUNNING"}, "time": {**JOB["time"], "end": 0}}
    row = read({**running, "array": {"job_id": 0}})
    assert (row.ended, row.code, row.signal, row.address) == (None, None, None, "9")
    assert read({**running, "array": {"job_id": 4, "task": "1-3,7"}}).address == "4_[1-3,7]"


def test_who_cancelled_and_a_wckey_by_default_are_told_as_sacct_tells_them() -> None:
    cancelled = {**JOB, "state": {"current": "CANCELLED"}, "kill_request_user": "root"}
    assert read(cancelled).state == "CANCELLED by root"
    assert read({**JOB, "wckey": {"wckey": "w", "flags": ["ASSIGNED_DEFAULT"]}}).wckey == "*w"


def test_the_controller_knows_restarts_and_codes() -> None:
    told = {"job_id": 9, "restart_cnt": 2, "submit_time": 1000, "exit_code": 768}
    known = known_jobs({"jobs": [told, {"job_id": 5}]})
    assert known == {"9": Known(1000, 2, 3, None)}
    (row,) = completed([ROW], known, "v0.0.38")
    assert (row.restarts, row.code) == (2, 3)
    (other,) = completed([ROW], {"9": Known(999, 2, 3, None)}, "v0.0.38")
    assert other == ROW  # of another run of the job


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_value_of_a_wrong_kind_breaks_the_reading(value: object) -> None:
    for name in JOB:
        try:
            assert read({**JOB, name: value}).submitted == 1000
        except AccountingError:
            assert name in ("job_id", "time")
    nodes = rest_answers.node_states({"nodes": [{"name": value, "partitions": ["main"]}]})
    assert [node.site for node in nodes] == ["main"]


# ---- versions ------------------------------------------------------------------------------------


def offer(*versions: str) -> dict[str, Any]:
    parameters = [{"name": "start_time"}, {"name": "show_duplicates"}]
    paths = {
        f"/slurmdb/{version}/jobs/": {"get": {"parameters": parameters}} for version in versions
    }
    return {"paths": {**paths, "/slurm/v0.0.99/jobs": {}}}


def test_the_newest_version_that_both_know_is_spoken() -> None:
    api = agreed(offer("v0.0.40", "v0.0.38", "v0.0.99"), "http://x")
    assert api.version == "v0.0.40" and "show_duplicates" in api.parameters


@pytest.mark.parametrize("document", [{}, {"paths": []}, offer("v0.0.37", "v0.0.99")])
def test_where_there_is_none_the_versions_are_named(document: dict[str, Any]) -> None:
    with pytest.raises(SchedulerError, match="one of v0.0.38, .*, v0.0.44 is needed"):
        agreed(document, "http://x")


# ---- a stand-in for slurmrestd -------------------------------------------------------------------


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers what a test laid down by path; keeps the headers it was sent."""

    answers: dict[str, tuple[int, bytes]] = {}
    seen: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("X-SLURM-USER-TOKEN", "")))
        status, body = self.answers.get(self.path.partition("?")[0], (404, b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server(httpx2: None) -> Iterator[str]:
    StandIn.answers = {
        "/openapi/v3": (200, json.dumps(offer("v0.0.38")).encode()),
        "/slurmdb/v0.0.38/jobs": (200, json.dumps({"jobs": [JOB]}).encode()),
        "/slurmdb/v0.0.38/job/9": (200, json.dumps({"jobs": [JOB]}).encode()),
        "/slurm/v0.0.38/jobs": (200, b'{"jobs": []}'),
    }
    StandIn.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def httpx2() -> None:
    """The library, which the brain has and the node side does not."""
    pytest.importorskip("httpx2")


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("SLURM_JWT=secret.one\n")
    return path


def reader(server: str, token: Path) -> RestReader:
    return RestReader(RestAccess(server, "jobmend", str(token)), "testbed")


def test_rows_are_read_and_the_job_asked_for_where_a_run_is_not_sure(
    server: str, token: Path
) -> None:
    asked = reader(server, token)
    assert list(asked.active(1000.5, 2000.5)) == [ROW]
    assert list(asked.all_of(["9"])) == [ROW]
    path = (
        "/slurmdb/v0.0.38/jobs?cluster=testbed&start_time=uts86400&skip_steps=true&end_time=uts2001"
    )
    assert f"{path}&show_duplicates=true" in [seen for seen, _ in StandIn.seen]


def test_what_users_wrote_may_be_no_json(server: str, token: Path) -> None:
    body = json.dumps({"jobs": [{**JOB, "name": "NAME"}]}).encode()
    hostile = body.replace(b"NAME", b"\xff\x01\n")
    StandIn.answers["/slurmdb/v0.0.38/jobs"] = (200, hostile)
    (row,) = reader(server, token).active(0.0)
    assert row.name == "\N{REPLACEMENT CHARACTER}\x01\n"


def test_a_token_that_changes_is_read_again_and_none_is_logged(
    server: str, token: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = reader(server, token)
    asked.open()
    token.write_text("secret.another")
    list(asked.active(0.0))
    assert StandIn.seen[0][1] == "secret.one" and StandIn.seen[-1][1] == "secret.another"
    StandIn.answers["/slurmdb/v0.0.38/jobs"] = (401, b"{}")
    with pytest.raises(SchedulerError, match="scontrol token username=jobmend") as caught:
        list(asked.active(0.0))
    told = caplog.text + str(caught.value) + repr(asked._access) + repr(asked._token)
    assert "secret" not in told


@pytest.mark.parametrize(
    ("mode", "text", "problem"),
    [
        (0o640, "secret", "is open to others: chmod 600 it"),
        (0o604, "secret", "is open to others: chmod 600 it"),
        (0o600, "", "holds no token"),
        (0o600, "two words", "holds no token"),
        (0o600, "caf\u00e9\r\nX-Evil: 1", "holds no token"),
    ],
)
def test_a_token_file_of_no_use_is_refused(
    mode: int, text: str, problem: str, server: str, token: Path
) -> None:
    token.write_text(text)
    token.chmod(mode)
    with pytest.raises(SchedulerError, match=problem) as caught:
        reader(server, token).open()
    assert StandIn.seen == [] and "secret" not in str(caught.value)


def test_a_token_file_that_is_not_there_is_named(server: str, tmp_path: Path) -> None:
    with pytest.raises(SchedulerError, match="nowhere cannot be read: No such file"):
        reader(server, tmp_path / "nowhere").open()


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (
            500,
            b'{"errors": [{"error": "Unspecified\\u001b error"}]}',
            "Unspecified. error; is the tok",
        ),
        (500, b"\x00", "answered 500: no reason"),
        (200, b"<html>", "answered what is no JSON"),
        (200, b"[" * 100_000, "answered what is no JSON"),
        (200, b'{"jobs": [{"job_id": 1}]}', "without a number or a time of submission"),
    ],
)
def test_what_slurmrestd_says_when_it_fails_is_told(
    status: int, body: bytes, problem: str, server: str, token: Path
) -> None:
    StandIn.answers["/slurmdb/v0.0.38/jobs"] = (status, body)
    with pytest.raises(SchedulerError, match=problem) as caught:
        list(reader(server, token).active(0.0))
    assert caught.value.transient and "\x1b" not in str(caught.value)


def test_nobody_there_is_an_error_that_may_pass(httpx2: None, token: Path) -> None:
    with pytest.raises(SchedulerError, match="127.0.0.1:1/openapi/v3 does not answer") as caught:
        reader("http://127.0.0.1:1", token).open()
    assert caught.value.transient


def test_an_address_that_is_none_is_refused(token: Path) -> None:
    with pytest.raises(ValueError, match="it reads http://host:port"):
        reader("host:6820", token)


# ---- a real slurmrestd ---------------------------------------------------------------------------


@pytest.mark.slurm
def test_the_code_of_a_failure_is_never_told_wrong(slurm: Cluster) -> None:
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    asked = RestReader(slurm.rest_access(), "testbed")
    deadline = time.monotonic() + 120
    while not (rows := [row for row in asked.all_of([job_id]) if row.ended]):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert asked._offered().version == "v0.0.38"
    said = asked._get(f"/slurmdb/v0.0.38/job/{job_id}")["jobs"][0]["exit_code"]
    assert said == {"status": "SUCCESS", "return_code": 0}  # what slurmrestd 22.05 says of exit 3
    assert [row.code for row in rows] in ([3], [None])
    asked._known_at = -math.inf
    assert [(row.code, row.restarts) for row in asked.all_of([job_id])] == [(3, 0)]


@pytest.mark.slurm
def test_a_token_that_is_no_good_is_named_with_the_cure(slurm: Cluster) -> None:
    access = slurm.rest_access()
    bad = slurm.root / "token-bad"
    bad.touch(mode=0o600)
    bad.write_text("eyJhbGciOiJIUzI1NiJ9.e30.bad")
    asked = RestReader(RestAccess(access.url, access.user, bad), "testbed")
    asked.open()  # the document of the API is for everybody
    with pytest.raises(SchedulerError, match="scontrol token username=tester2 makes a new one"):
        asked.nodes()
    slurm.scheduler(reader="rest").nodes(0.0)
