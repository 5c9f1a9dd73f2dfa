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
def prometheus(config: Path, folder: Path) -> Iterator[str]:
    """A Prometheus with this configuration, its data and its log in ``folder``; its address."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH (Debian package prometheus)")
    argv = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address",
    ]
    with running(argv, folder / "prometheus.log", "/-/ready") as url:
        yield url


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
