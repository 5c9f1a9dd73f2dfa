"""The real process on a real socket: it serves, survives kill -9, and ends cleanly."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from jobmend.brain import tokens
from tests.brain.process import Process
from tests.brain.scene import OK, documents, ended


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path, f"[schedulers.local]\nstate_dir = '{tmp_path}/queue'\n")
    yield process
    process.close()


def test_it_serves_and_ends_cleanly(process: Process) -> None:
    process.start()
    batch = {"jobmend": 1, "messages": documents(*ended(1, OK))}
    answer = httpx2.post(
        f"{process.url}/api/v1/ingest", json=batch, headers=process.headers, timeout=60
    )
    assert answer.json()["accepted"] == 2
    assert "jobmend" in httpx2.get(f"{process.url}/", timeout=60).text
    too_much = httpx2.post(
        f"{process.url}/api/v1/ingest",
        content=b" " * (9 << 20),
        headers=process.headers,
        timeout=60,
    )
    assert too_much.json()["error"]["code"] == "too_large"
    code, out, err = process.end(signal.SIGTERM)
    assert (code, out) == (-signal.SIGTERM, ""), "ended by the signal, which systemd calls clean"
    assert f"panel: {process.url}/" in err and f"{process.folder}/tokens/operator" in err
    for name in ("ingest", "operator"):
        assert tokens.read(process.folder / "tokens" / name) not in err
    assert "Traceback" not in err


def test_every_event_once_through_kill_9(process: Process) -> None:
    batches = [
        {"jobmend": 1, "messages": documents(*(e for job in jobs for e in ended(job, OK)))}
        for jobs in (range(n * 50, n * 50 + 50) for n in range(30))
    ]
    process.start()
    acknowledged = set()

    def send(numbers: range) -> None:
        """One after the other; whose first is answered kills the brain."""
        with httpx2.Client(trust_env=False, timeout=60) as http:
            for number in numbers:
                try:
                    answer = http.post(
                        f"{process.url}/api/v1/ingest",
                        content=json.dumps(batches[number]),
                        headers=process.headers,
                    )
                except httpx2.TransportError:
                    return
                if answer.status_code == 200:
                    acknowledged.add(number)
                    if number == 0:
                        process.end(signal.SIGKILL)

    senders = [threading.Thread(target=send, args=(range(n, 30, 2),)) for n in (0, 1)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert 0 < len(acknowledged) < 30, "killed in the middle"
    keys = stored(process.folder / "brain.db")
    for number in acknowledged:
        for document in batches[number]["messages"]:  # type: ignore[attr-defined]
            run = document["body"]["run"]
            assert f"c1/memory/{run['job_id']}/0/{document['body']['kind']}/" in keys

    process.start()
    for number in range(30):  # an agent that saw no answer tells it all again
        httpx2.post(
            f"{process.url}/api/v1/ingest",
            json=batches[number],
            headers=process.headers,
            timeout=60,
        )
    process.end(signal.SIGTERM)
    assert len(stored(process.folder / "brain.db")) == 30 * 50 * 2
    with sqlite3.connect(process.folder / "brain.db") as db:
        assert (
            db.execute("SELECT count(*) FROM runs WHERE verdict = 'success'").fetchone()[0] == 1500
        )


def stored(path: Path) -> set[str]:
    with sqlite3.connect(path) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM events")]
    assert len(keys) == len(set(keys))
    return set(keys)


def test_what_keeps_it_from_starting_is_said(process: Process, tmp_path: Path) -> None:
    def start() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobmend.brain", "--config", str(process.config)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=90)

    store = tmp_path / "brain.db"
    store.write_bytes(b"something else" * 100)
    done = start()
    assert done.returncode == 1
    assert done.stderr == f"jobmend-brain: {store}: file is not a database\n"
    store.unlink()
    process.config.write_text(
        process.config.read_text()
        + "[schedulers.slurm]\ncluster = 'c'\nworkflow_from = ['stars']\n"
    )
    done = start()
    assert done.returncode == 2
    assert "schedulers.slurm: workflow_from: ['stars']" in done.stderr
    process.config.write_text(process.config.read_text().partition("[schedulers.slurm")[0])
    with socket.create_server(("127.0.0.1", process.port)):
        done = start()
    assert done.returncode != 0
    assert "address already in use" in done.stderr
