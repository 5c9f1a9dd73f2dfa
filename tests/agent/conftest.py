from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobmend.agent.config import Config, Hooks, Metrics, Sample, Spool, Window

# Models are trained on the brain's Python; a node's may have no NumPy either.
collect_ignore = ["scorer", "test_edge.py"] if sys.version_info < (3, 11) else []

TREES = Path(__file__).parents[1] / "trees"


@pytest.fixture
def copy_tree(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of one of tests/trees that a test may change."""

    def copy(name: str) -> Path:
        shutil.copytree(TREES / name, tmp_path / name)
        return tmp_path / name

    return copy


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Quick sampling, everything below a folder of the test's own."""
    return dataclasses.replace(
        Config(),
        cluster="c1",
        node="n1",
        sample=Sample(
            period_seconds=0.1,
            ring_seconds=60.0,
            cgroup_root=str(tmp_path / "cgroup"),
            proc_root="/proc",
        ),
        metrics=Metrics(listen="127.0.0.1:0", totals_ttl_seconds=1.0),
        hooks=Hooks(socket=str(tmp_path / "run" / "hook.sock"), grace_seconds=0.5),
        spool=Spool(path=str(tmp_path / "spool.db")),
        window=Window(steps=4, interval_seconds=2.0),
    )
