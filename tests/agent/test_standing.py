"""How the node stands, and the file that says so."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobmend.agent import node
from jobmend.agent.config import Config
from jobmend.agent.daemon import Daemon
from jobmend.agent.standing import Standing, StandingFile, render
from jobmend.jobs.events import EventKind
from tests.agent.running import until


@pytest.mark.parametrize(
    ("jobs", "suffering", "users", "healthy"),
    [(0, 0, 0, True), (1, 1, 1, True), (5, 2, 2, True), (4, 4, 1, True)]
    + [(4, 2, 2, False), (9, 5, 3, False)],
)
def test_a_node_is_unhealthy_where_jobs_of_different_users_suffer(
    jobs: int, suffering: int, users: int, healthy: bool
) -> None:
    stalled = Standing(jobs, suffering, 0, stalled_users=users)
    contended = Standing(jobs, 0, suffering, contended_users=users)
    assert (stalled.healthy, bool(stalled.reason)) == (healthy, not healthy)
    assert (contended.healthy, bool(contended.reason)) == (healthy, not healthy)


def test_what_ails_the_agent_is_told_and_drains_nothing() -> None:
    standing = Standing(3, 0, 0, spool_failing=True, sampling_late=True)
    assert standing.healthy
    assert standing.reason == "agent: spool not written, agent: samples missed"


def test_what_is_not_known_is_absent() -> None:
    told = json.loads(render(Standing(3, 1, 0), 1000.5))
    assert told["time"] == 1000.5 and "anomaly_score" not in told
    assert json.loads(render(Standing(3, 1, 0, anomaly_score=0.0), 0.0))["anomaly_score"] == 0.0


def test_the_file_is_for_everybody_and_a_failure_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = StandingFile(str(tmp_path / "deep" / "node.json"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            file.write(Standing(0, 0, 0), 1.0)
    assert len(caplog.records) == 1
    (tmp_path / "deep").mkdir()
    file.write(Standing(0, 0, 0), 1.0)
    assert stat.S_IMODE((tmp_path / "deep" / "node.json").stat().st_mode) == 0o644
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["node.json"]
    file.remove()
    file.remove()
    StandingFile("").write(Standing(0, 0, 0), 1.0)
    assert list((tmp_path / "deep").iterdir()) == []


def test_jobs_that_stall_together_are_counted(
    config: Config, copy_tree: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = replace(config.sample, cgroup_root=str(copy_tree("slurm_v1") / "cgroup"))
    path = Path(config.hooks.socket).with_name("node.json")
    monkeypatch.setattr(node, "warnings", lambda *_: [EventKind.STALL])
    daemon = Daemon(replace(config, sample=sample))
    daemon.start()
    try:
        until(path.exists)
        told = json.loads(path.read_text())
    finally:
        daemon.close()
    assert told["stalled_jobs"] == told["jobs"] > 1 and told["contended_jobs"] == 0
    assert told["healthy"] is True  # nobody has said whose they are


def test_an_agent_tells_it_while_it_runs(config: Config) -> None:
    path = Path(config.hooks.socket).with_name("node.json")
    daemon = Daemon(config)
    daemon.start()
    try:
        until(path.exists)
        assert json.loads(path.read_text())["healthy"] is True
    finally:
        daemon.close()
    assert not path.exists()
