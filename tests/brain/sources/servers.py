"""Real servers on the loopback that end with their block."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import reserved_port


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
    argv = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address",
    ]
    with running(argv, folder / "prometheus.log", "/-/ready") as url:
        yield url


@contextmanager
def victoria(folder: Path) -> Iterator[str]:
    """An empty VictoriaMetrics; its address."""
    if shutil.which("victoria-metrics") is None:
        pytest.skip("victoria-metrics is not on PATH (Debian package victoria-metrics)")
    argv = [
        "victoria-metrics",
        f"-storageDataPath={folder / 'victoria'}",
        "-search.latencyOffset=0s",
        "-httpListenAddr",
    ]
    with running(argv, folder / "victoria.log", "/health") as url:
        yield url


def imported(url: str, text: str) -> None:
    """Have a VictoriaMetrics take samples, and show them at once."""
    for path, body in (("api/v1/import/prometheus", text.encode()), ("internal/force_flush", None)):
        with urllib.request.urlopen(f"{url}/{path}", data=body) as answer:
            assert answer.status in (200, 204)


@contextmanager
def running(argv: list[str], log: Path, ready: str) -> Iterator[str]:
    """A server whose command ends with the option of its address; where it answers."""
    with reserved_port() as port, log.open("wb") as file:
        process = subprocess.Popen([*argv, f"127.0.0.1:{port}"], stdout=file, stderr=file)
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 120
            while not _answers(url + ready):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
