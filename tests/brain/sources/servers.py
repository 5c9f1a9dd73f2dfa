"""Prometheus and VictoriaMetrics as sources of traces."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers


@contextmanager
def prometheus(folder: Path, *, openmetrics: str = "", scrapes: str = "") -> Iterator[str]:
    """A Prometheus that has these samples, and scrapes; its address."""
    if openmetrics:
        if shutil.which("promtool") is None:
            pytest.skip("promtool is not on PATH (Debian package prometheus)")
        (folder / "samples.om").write_text(openmetrics)
        make = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
        done = [*make, str(folder / "samples.om"), str(folder / "tsdb")]
        subprocess.run(done, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text(scrapes or "global: {}\n")
    with servers.prometheus(folder / "prometheus.yml", folder) as url:
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
    with servers.running(argv, folder / "victoria.log", "/health") as url:
        yield url


def imported(url: str, text: str) -> None:
    """Have a VictoriaMetrics take samples, and show them at once."""
    for path, body in (("api/v1/import/prometheus", text.encode()), ("internal/force_flush", None)):
        with urllib.request.urlopen(f"{url}/{path}", data=body) as answer:
            assert answer.status in (200, 204)
