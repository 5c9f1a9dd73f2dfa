"""Real servers on the loopback that end with their block."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def prometheus(folder: Path, *, openmetrics: str = "", scrapes: str = "") -> Iterator[str]:
    """A Prometheus that has these samples, and scrapes; its address."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH (Debian package prometheus)")
    if openmetrics:
        (folder / "samples.om").write_text(openmetrics)
        make = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
        done = [*make, str(folder / "samples.om"), str(folder / "tsdb")]
        subprocess.run(done, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text(scrapes or "global: {}\n")
    port = free_port()
    argv = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(argv, folder / "prometheus.log", f"http://127.0.0.1:{port}", "/-/ready") as url:
        yield url


@contextmanager
def victoria(folder: Path) -> Iterator[str]:
    """An empty VictoriaMetrics; its address."""
    if shutil.which("victoria-metrics") is None:
        pytest.skip("victoria-metrics is not on PATH (Debian package victoria-metrics)")
    port = free_port()
    argv = [
        "victoria-metrics",
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=0s",
    ]
    with running(argv, folder / "victoria.log", f"http://127.0.0.1:{port}", "/health") as url:
        yield url


def imported(url: str, text: str) -> None:
    """Have a VictoriaMetrics take samples, and show them at once."""
    for path, body in (("api/v1/import/prometheus", text.encode()), ("internal/force_flush", None)):
        with urllib.request.urlopen(f"{url}/{path}", data=body) as answer:
            assert answer.status in (200, 204)


@contextmanager
def running(argv: list[str], log: Path, url: str, ready: str) -> Iterator[str]:
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while not _answers(url + ready):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
