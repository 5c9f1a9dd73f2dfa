"""A whole agent that scores: from the kernel's numbers to the page, the END event and the brain."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobmend.agent.config import Config, Scorer
from jobmend.agent.daemon import Daemon
from jobmend.classifier.traces.export import export
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import posix_exit
from jobmend.jobs.windows import TraceWindow
from jobmend.plugins.hook import tell
from tests.agent.running import Running, parsed, until
from tests.agent.scorer.conftest import KEY, exportable

STEPS = 4


def exported(step_seconds: float) -> bytes:
    return export(exportable("pca", steps=STEPS, step_seconds=step_seconds), KEY)


@pytest.fixture
def scored(config: Config, tmp_path: Path, copy_tree: Callable[[str], Path]) -> Config:
    """An agent with a model, on a node with one job."""
    (tmp_path / "key").write_bytes(KEY)
    model = tmp_path / "model.npz"
    model.write_bytes(exported(config.sample.period_seconds))
    sample = dataclasses.replace(
        config.sample, cgroup_root=str(copy_tree("idle_allocation") / "cgroup")
    )
    scorer = Scorer(enabled=True, key_file=str(tmp_path / "key"), model_file=str(model), alpha=1.0)
    window = dataclasses.replace(config.window, steps=STEPS, interval_seconds=1.0)
    return dataclasses.replace(config, sample=sample, scorer=scorer, window=window)


def values(daemon: Daemon, name: str) -> list[float]:
    return [one.value for one in parsed(daemon.node.page()) if one.name == name]


def test_the_score_is_on_the_page_in_the_standing_and_in_the_end(scored: Config) -> None:
    daemon = Daemon(scored)
    daemon.start()
    try:
        until(lambda: values(daemon, "jobmend_job_anomaly_score"))
        (score,), (p,) = (
            values(daemon, f"jobmend_job_anomaly_{word}") for word in ("score", "p_value")
        )
        assert score > 0 and 0 < p <= 1
        assert values(daemon, "jobmend_agent_scorer_up") == [1]
        assert values(daemon, "jobmend_agent_scorer_resident_bytes") > [2**20]
        (info,) = [
            one
            for one in parsed(daemon.node.page())
            if one.name == "jobmend_agent_scorer_model_info"
        ]
        version = info.labels["version"]
        standing = Path(scored.hooks.socket).with_name("node.json")
        until(lambda: "anomaly_score" in json.loads(standing.read_text()))
        run = daemon.node.registry.runs()[0].run
        end = JobEvent(EventKind.END, run, time.time(), "n1", exit=posix_exit(0, None))
        assert tell(wire.event_body(end), scored.hooks.socket)
        until(lambda: EventKind.END in {one.kind for one in events(scored)})
        (told,) = [one for one in events(scored) if one.kind is EventKind.END]
        assert told.trace is not None and told.trace.anomaly_model == version
        assert told.trace.anomaly_score is not None and told.trace.anomaly_p is not None
        until(lambda: any(isinstance(one, TraceWindow) for one in spooled(scored)))
    finally:
        daemon.close()


def test_a_model_of_another_step_length_leaves_the_one_before(
    scored: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, before = tmp_path / "delivered.npz", Path(scored.scorer.model_file).read_bytes()
    other.write_bytes(exported(15.0))
    daemon = Daemon(scored)
    daemon.start()
    try:
        assert daemon.node.scoring is not None
        scoring = daemon.node.scoring
        until(lambda: scoring.windows["scored"])
        version, known = scoring.model, scoring.windows["scored"]
        assert scoring.offer_model(str(other))
        until(lambda: 1.0 in values(daemon, "jobmend_agent_scorer_models_total")[1:])
        until(lambda: scoring.windows["scored"] > known)
        assert scoring.model == version and not other.exists()
        assert Path(scored.scorer.model_file).read_bytes() == before
    finally:
        daemon.close()
    words = "windows of 4 steps of 0.1 s, the model reads 4 steps of 15 s; set [sample] period_se"
    assert words in caplog.text


def test_a_killed_scorer_is_started_again_and_no_sample_is_missed(scored: Config) -> None:
    daemon = Daemon(scored)
    daemon.start()
    try:
        assert daemon.node.scoring is not None
        scoring = daemon.node.scoring
        until(lambda: scoring.windows["scored"])
        stopped = scoring.pid
        os.kill(stopped, signal.SIGSTOP)
        before = daemon.node.health.samples
        until(lambda: daemon.node.health.samples > before + 20)
        os.kill(stopped, signal.SIGKILL)
        until(lambda: scoring.restarts == 1)
        scored_before = scoring.windows["scored"]
        until(lambda: scoring.windows["scored"] > scored_before)
        assert scoring.windows["failed"] == 1
        assert daemon.node.health.sample_errors == 0
        child = scoring.pid
    finally:
        daemon.close()
    assert not os.path.exists(f"/proc/{child}")


def spooled(config: Config) -> list[wire.Message]:
    return Running(config, subprocess.Popen(["true"])).spooled()


def events(config: Config) -> list[JobEvent]:
    return [one for one in spooled(config) if isinstance(one, JobEvent)]


def test_the_daemon_never_loads_numpy_and_loads_no_part_of_scoring_without_need() -> None:
    code = (
        "import sys, jobmend.agent.daemon\n"
        "print(sorted(name for name in sys.modules if 'scor' in name))\n"
        "import jobmend.agent.scoring, jobmend.agent.delivery, jobmend.agent.scorer_metrics\n"
        "print([name for name in sys.modules if name == 'numpy' or 'agent.scorer.' in name])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout == "[]\n[]\n"
