"""Prometheus and VictoriaMetrics as sources of traces."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import running


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
