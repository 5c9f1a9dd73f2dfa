from __future__ import annotations

import dataclasses
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobmend.agent.config import Uplink as Settings
from jobmend.agent.spool import Spool
from jobmend.agent.uplink import LONGEST_WAIT_SECONDS, Uplink, UplinkError, read_answer
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.identity import Run

OK, LOST, ERROR, PROXY = "ok", "lost", "error", "proxy"


def event(number: int) -> JobEvent:
    return JobEvent(EventKind.END, Run("c1", "slurm", str(number), "0"), 1000.0, "n1")


class Brain(ThreadingHTTPServer):
    """A receiver that knows events by their key, with a plan of how to misbehave first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.plan: list[str] = []
        self.keys: Counter[str] = Counter()
        self.reject: set[str] = set()
        self.limit = 500
        self.tokens: list[str] = []
        self.sizes: list[int] = []


class Receiver(BaseHTTPRequestHandler):
    server: Brain

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, body["jobmend"]) == ("/base/api/v1/ingest", 1)
        self.server.tokens.append(self.headers["Authorization"])
        self.server.sizes.append(len(body["messages"]))
        how = self.server.plan.pop(0) if self.server.plan else OK
        if how == ERROR:
            return self.answer(503, b"away")
        if how == PROXY:
            return self.answer(200, b"<html>login</html>")
        if len(body["messages"]) > self.server.limit:
            return self.answer(413, b"too large")
        self.answer(200, json.dumps(self.take(body["messages"])).encode(), lost=how == LOST)

    def take(self, messages: list[object]) -> dict[str, object]:
        accepted = duplicates = 0
        rejected = []
        for index, message in enumerate(messages):
            read = wire.read_message(message)
            assert isinstance(read, JobEvent)
            if read.run.job_id in self.server.reject:
                rejected.append({"index": index, "error": "event.run.job_id: \x1b[31munwanted"})
                continue
            duplicates += read.key in self.server.keys
            accepted += read.key not in self.server.keys
            self.server.keys[read.key] += 1
        return {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}

    def answer(self, status: int, body: bytes, lost: bool = False) -> None:
        if lost:  # taken in, but the answer never arrives
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def brain() -> Iterator[Brain]:
    server = Brain()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(str(tmp_path / "spool.db"), 10_000)
    yield made
    made.close()


@pytest.fixture
def settings(brain: Brain, tmp_path: Path) -> Settings:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    url = f"http://127.0.0.1:{brain.server_address[1]}/base/"
    return Settings(url=url, token_file=str(token), interval_seconds=0.1)


def test_all_is_sent_in_batches_with_the_token(
    brain: Brain, spool: Spool, settings: Settings
) -> None:
    spool.add(event(number) for number in range(1100))
    uplink = Uplink(settings, spool)
    uplink.flush()
    assert brain.sizes == [500, 500, 100]
    assert set(brain.tokens) == {"Bearer s3cret"}
    assert set(brain.keys.values()) == {1} and len(brain.keys) == 1100
    assert spool.depth()["event"] == 0
    assert (uplink.requests, uplink.messages["accepted"]) == ({"ok": 3}, 1100)


def test_a_brain_that_fails_and_recovers_gets_every_event_once(
    brain: Brain, spool: Spool, settings: Settings
) -> None:
    spool.add(event(number) for number in range(20))
    brain.plan = [ERROR, LOST, PROXY]
    uplink = Uplink(settings, spool)
    stop = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(stop,))
    thread.start()
    for number in range(20, 40):
        spool.add([event(number)])
        stop.wait(0.02)
    for _ in range(1200):
        if not spool.depth()["event"]:
            break
        stop.wait(0.05)
    stop.set()
    thread.join(60)
    assert sorted(brain.keys) == sorted(event(number).key for number in range(40))
    assert spool.depth()["event"] == 0
    assert uplink.requests["failed"] == 3
    # The batch whose answer was lost came again, and the receiver knew it by its keys.
    assert uplink.messages["duplicate"] == sum(brain.keys.values()) - 40 > 0


def test_rejected_messages_are_not_sent_again(
    brain: Brain, spool: Spool, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    spool.add(event(number) for number in range(3))
    brain.reject = {"1"}
    uplink = Uplink(settings, spool)
    uplink.flush()
    uplink.flush()
    assert brain.sizes == [3]
    assert uplink.messages == {"accepted": 2, "duplicate": 0, "rejected": 1}
    assert "rejected by the brain (event): event.run.job_id: \ufffd[31munwanted" in caplog.text


def test_a_batch_that_is_too_large_is_halved_until_it_fits(
    brain: Brain, spool: Spool, settings: Settings
) -> None:
    spool.add(event(number) for number in range(10))
    brain.limit = 3
    uplink = Uplink(settings, spool)
    for _ in range(8):
        if not spool.depth()["event"]:
            break
        try:
            uplink.flush()
        except UplinkError as error:
            assert error.status == 413
    assert len(brain.keys) == 10 and spool.depth()["event"] == 0


def test_one_message_too_large_alone_is_set_aside(
    brain: Brain, spool: Spool, settings: Settings
) -> None:
    spool.add([event(1)])
    brain.limit = 0
    uplink = Uplink(settings, spool)
    uplink.flush()
    assert (spool.depth()["event"], uplink.messages["rejected"]) == (0, 1)


def test_a_brain_that_is_not_there_leaves_the_spool_alone(spool: Spool, settings: Settings) -> None:
    spool.add([event(1)])
    nowhere = dataclasses.replace(settings, url="http://127.0.0.1:9")
    with pytest.raises(UplinkError, match="ConnectionRefusedError"):
        Uplink(nowhere, spool).flush()
    no_token = dataclasses.replace(settings, token_file="/nowhere/token")
    with pytest.raises(UplinkError, match="token_file cannot be read"):
        Uplink(no_token, spool).flush()
    assert spool.depth()["event"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"accepted": 1}',
        b'{"accepted": 1, "duplicates": 0, "rejected": 3}',
        b'{"accepted": 1, "duplicates": 0, "rejected": [{"index": 9, "error": ""}]}',
    ],
)
def test_what_is_not_the_brains_answer_is_a_failure(answer: bytes) -> None:
    with pytest.raises(UplinkError):
        read_answer(answer, 1)


def test_pauses_grow_to_a_limit(spool: Spool, settings: Settings) -> None:
    uplink = Uplink(settings, spool)
    assert uplink.wait_seconds(0) == 0.1
    assert 0.1 <= uplink.wait_seconds(1) <= 0.2
    assert LONGEST_WAIT_SECONDS / 2 <= uplink.wait_seconds(99) <= LONGEST_WAIT_SECONDS
