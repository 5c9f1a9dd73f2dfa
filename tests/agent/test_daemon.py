"""The whole agent in a process of its own: hooks in, spool and page out, a clean stop."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobmend.agent.config import Config, Sample, load, render
from jobmend.agent.daemon import Daemon
from jobmend.agent.spool import Spool
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import TraceWindow
from jobmend.plugins.hook import tell
from tests.agent.running import Running, until

AGENT = [sys.executable, "-m", "jobmend.agent"]
RUN = Run("c1", "slurm", "3385", "1")


def event(kind: EventKind, run: Run = RUN) -> JobEvent:
    ended = Exit("slurm", ExitKind.ERROR, 3) if kind is EventKind.END else None
    return JobEvent(kind, run, time.time(), "n1", JobFacts(user="alice"), exit=ended)


def messages(spool: Spool) -> list[wire.Message]:
    return [wire.loads(one.body) for one in spool.oldest(500, 10**9)]


@pytest.fixture
def tree(config: Config, copy_tree: Callable[[str], Path]) -> Path:
    """A Slurm v2 tree without jobs, and with one waiting aside to be put in place."""
    root = copy_tree("slurm_v2") / "cgroup"
    shutil.rmtree(root / "batch.slice")
    (root / "system.slice/slurmstepd.scope/job_3385").rename(root.parent / "job")
    return root


@pytest.fixture
def daemon(config: Config, tree: Path) -> Iterator[Daemon]:
    """One that waits for a late hook, and shows the last numbers, long enough to be read."""
    patient = dataclasses.replace(
        config,
        sample=dataclasses.replace(config.sample, cgroup_root=str(tree)),
        hooks=dataclasses.replace(config.hooks, grace_seconds=60),
        metrics=dataclasses.replace(config.metrics, totals_ttl_seconds=5.0),
    )
    started = Daemon(patient)
    started.start()
    yield started
    started.close()


def test_a_job_from_its_start_to_its_exit(daemon: Daemon, config: Config, tree: Path) -> None:
    node = daemon.node
    assert tell(wire.event_body(event(EventKind.START)), config.hooks.socket)
    until(node.registry.runs)
    scope = tree / "system.slice/slurmstepd.scope"
    (tree.parent / "job").rename(scope / "job_3385")
    known = 'scheduler="slurm",jobid="3385",run="1"'
    until(lambda: f"jobmend_job_memory_current_bytes{{{known}}}" in node.page().decode())
    assert f'jobmend_job_info{{{known},user="alice",cgroup=' in node.page().decode()
    until(lambda: next(iter(node.sampler.jobs.values())).samples > 6)
    shutil.rmtree(scope / "job_3385")
    until(lambda: not node.sampler.jobs)
    assert tell(wire.event_body(event(EventKind.END)), config.hooks.socket)
    until(lambda: node.spool.depth()["event"] == 2 and node.spool.depth()["window"])
    told = messages(node.spool)
    start, end = (one for one in told if isinstance(one, JobEvent))
    assert (start.kind, start.run, end.kind, end.run) == (EventKind.START, RUN, EventKind.END, RUN)
    assert end.trace is not None and end.trace.samples > 6
    assert (end.trace.cpu_user_seconds, end.trace.memory_peak_bytes) == (3.549894, 1921024)
    *_, window = (one for one in told if isinstance(one, TraceWindow))
    assert (window.node, window.steps, set(window.owners)) == ("n1", 4, {RUN.key})
    page = node.page().decode()
    assert f'jobmend_job_exit_info{{{known},kind="error",code="3"}} 1' in page
    assert f"jobmend_job_memory_current_bytes{{{known}}} 1916928" in page  # its last numbers
    until(lambda: "jobmend_job_memory_current_bytes" not in node.page().decode())
    assert f"jobmend_job_exit_info{{{known}" in node.page().decode()


def test_ends_are_told_though_sampling_is_broken(
    daemon: Daemon, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon.node.sampler, "sample", lambda *_: 1 / 0)
    until(lambda: daemon.node.health.sample_errors)
    assert tell(wire.event_body(event(EventKind.END)), config.hooks.socket)
    until(lambda: daemon.node.spool.depth()["event"] == 1)


def test_missed_beats_are_counted(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = daemon.node.sampler.sample

    def slow(now: float, epoch: float) -> object:
        time.sleep(0.35)
        return sample(now, epoch)

    monkeypatch.setattr(daemon.node.sampler, "sample", slow)
    until(lambda: daemon.node.health.samples_dropped >= 3)


def test_health_follows_the_samples(daemon: Daemon) -> None:
    base = f"http://127.0.0.1:{daemon.endpoint.port}"
    until(daemon.node.ready)
    assert urllib.request.urlopen(f"{base}/-/ready", timeout=60).status == 200
    page = urllib.request.urlopen(f"{base}/metrics", timeout=60).read().decode()
    assert re.search(r"^jobmend_agent_sample_duration_seconds_count [1-9]", page, re.M)
    assert 'jobmend_build_info{version="' in page


def start_agent(config: Config, folder: Path) -> subprocess.Popen[bytes]:
    path = folder / "agent.toml"
    path.write_text(render(config))
    agent = subprocess.Popen([*AGENT, "--config", str(path)], cwd="/", stderr=subprocess.PIPE)
    until(lambda: os.path.exists(config.hooks.socket))
    return agent


def test_sigterm_stops_it_cleanly_with_all_events_on_disk(config: Config, tmp_path: Path) -> None:
    agent = start_agent(config, tmp_path)
    for number in range(8):
        run = Run("c1", "slurm", str(number), "0")
        assert tell(wire.event_body(event(EventKind.END, run)), config.hooks.socket)
    agent.send_signal(signal.SIGTERM)
    _, words = agent.communicate(timeout=60)
    assert (agent.returncode, b"Traceback" in words) == (0, False)
    assert not os.path.exists(config.hooks.socket)
    spool = Spool(config.spool.path, 100)
    jobs = [one.run.job_id for one in messages(spool) if isinstance(one, JobEvent)]
    assert jobs == [str(number) for number in range(8)]
    spool.close()


def test_a_killed_agent_starts_again_on_the_same_socket_and_spool(
    config: Config, tmp_path: Path
) -> None:
    agent = start_agent(config, tmp_path)
    assert tell(wire.event_body(event(EventKind.END)), config.hooks.socket)
    seen = Running(config, agent)
    until(lambda: seen.events(RUN.job_id))
    agent.kill()
    agent.communicate()
    assert not tell(wire.event_body(event(EventKind.END)), config.hooks.socket)  # nobody there
    daemon = Daemon(config)
    daemon.start()
    assert [one.key for one in messages(daemon.node.spool) if isinstance(one, JobEvent)] == [
        event(EventKind.END).key
    ]
    daemon.close()


def test_check_config_prints_what_is_merged(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('cluster = "c9"\n')
    (tmp_path / "agent.conf.d").mkdir()
    (tmp_path / "agent.conf.d" / "1.toml").write_text("[sample]\nperiod_seconds = 3\n")
    done = subprocess.run([*AGENT, "--config", path, "--check-config"], capture_output=True)
    (tmp_path / "merged.toml").write_bytes(done.stdout)
    merged = load(tmp_path / "merged.toml")
    assert (done.returncode, merged.cluster, merged.sample) == (0, "c9", Sample(period_seconds=3.0))


def test_a_wrong_configuration_is_one_line_and_status_2(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("[sample]\nperiod_seconds = 0\n")
    done = subprocess.run([*AGENT, "--config", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"jobmend-agent: {path}: [sample] period_seconds: 0 is out of range; give 0.05 to 60\n"
    )


def test_an_agent_that_cannot_start_says_why(config: Config, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    path = tmp_path / "agent.toml"
    path.write_text(render(config).replace(config.spool.path, f"{blocked}/spool.db"))
    done = subprocess.run([*AGENT, "--config", path], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("jobmend-agent: cannot start: ")
