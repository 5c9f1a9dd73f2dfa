"""A real MLflow server in its own process, with PostgreSQL behind it; both end with the fixture."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import reserved_port

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SERVER_SECONDS = 200
HIDDEN = subprocess.DEVNULL
QUIET = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@dataclass
class Served:
    """Where the server answers, and where it keeps artifacts."""

    uri: str
    artifacts: Path


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database; its server runs as nobody where we are root."""
    with reserved_port() as port, _postgres(str(port)) as address:
        yield address


@contextmanager
def _postgres(port: str) -> Iterator[str]:
    assert POSTGRES, "PostgreSQL is missing: tests/testbed/packages test"
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="jobmend-postgres-", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    base = str(folder / "base")
    initdb = f"{POSTGRES[-1]}/initdb -U jobmend -A trust -E UTF8 --no-locale --no-sync -D".split()
    settings = f"port={port} listen_addresses=127.0.0.1 unix_socket_directories= fsync=off".split()
    serve = [f"{POSTGRES[-1]}/postgres", "-D", base, *(f"--{one}" for one in settings)]
    ready = [f"{POSTGRES[-1]}/pg_isready", "-q", "-h", "127.0.0.1", "-p", port]
    try:
        subprocess.run([*initdb, base], check=True, user=user, cwd=folder, stdout=HIDDEN)
        with subprocess.Popen(serve, user=user, cwd=folder, stdout=HIDDEN, stderr=HIDDEN) as server:
            try:
                wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, server)
                # Named, as SQLAlchemy 2.1 takes the other driver where none is.
                yield f"postgresql+psycopg2://jobmend@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # end now, do not wait for clients
                server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mlflow_server(store: str, folder: Path) -> Iterator[Served]:
    with reserved_port() as port, _mlflow_server(store, folder, port) as served:
        yield served


@contextmanager
def _mlflow_server(store: str, folder: Path, port: int) -> Iterator[Served]:
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": store,
        "--artifacts-destination": str(folder / "served"),
    }
    flat = [word for pair in options.items() for word in pair]
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *flat],
        env={**QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        cwd=folder,
        stdout=HIDDEN,
        stderr=HIDDEN,
        start_new_session=True,
    ) as process:
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), process)
            yield Served(f"http://127.0.0.1:{port}", folder / "served")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False


def wait_until(there: object, process: subprocess.Popen[bytes]) -> None:
    assert callable(there)
    end = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < end:
        if there():
            return
        assert process.poll() is None, "the server ended"
        time.sleep(0.1)
    raise AssertionError("the server does not answer")
