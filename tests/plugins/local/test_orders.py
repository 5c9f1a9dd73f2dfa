"""Jobs in the background: orders, slots, dead supervisors, what the agent is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.wire import loads
from jobmend.plugins.local.job import JobState
from jobmend.plugins.local.quantities import parse_size

TICKS = "import sys, time\nwhile True: print('tick', flush=True); time.sleep(0.02)"


def test_kill_while_it_runs(local: Any) -> None:
    run = local.submit("--", "sh", "-c", "sleep 60 & sleep 60")
    local.wait(run, JobState.RUNNING)
    local.command("kill", run)
    job = local.job(run)
    assert (job.state, job.ending.reason) == (JobState.CANCELLED, "killed by request")
    assert local.processes(run) == []
    local.command("kill", run)  # again is no error


def test_kill_while_it_waits(tree: Any) -> None:
    tree.env["JOBMEND_LOCAL_SLOTS"] = "1"
    first = tree.submit("--", "sleep", "60")
    tree.wait(first, JobState.RUNNING)
    second = tree.submit("--", "touch", str(tree.state_dir / "ran"))
    tree.command("kill", second)
    assert tree.job(second).state is JobState.CANCELLED
    assert tree.job(second).started is None
    tree.command("kill", first)
    time.sleep(0.3)
    assert not (tree.state_dir / "ran").exists()


def test_hold_and_release_while_it_runs(local: Any) -> None:
    run = local.submit("--time", "60", "--", sys.executable, "-c", TICKS)
    local.wait(run, JobState.RUNNING)
    _until(lambda: "tick" in local.output(run))
    local.command("hold", run)
    time.sleep(0.5)
    before = local.output(run)
    time.sleep(0.4)
    assert local.output(run) == before
    assert local.job(run).state is JobState.HELD
    local.command("release", run)
    _until(lambda: len(local.output(run)) > len(before))
    local.command("hold", run)
    time.sleep(0.4)
    local.command("kill", run)  # what stands still can be killed
    assert local.job(run).state is JobState.CANCELLED


def test_hold_and_release_while_it_waits(tree: Any) -> None:
    tree.env["JOBMEND_LOCAL_SLOTS"] = "1"
    first = tree.submit("--", "sleep", "60")
    tree.wait(first, JobState.RUNNING)
    second = tree.submit("--", "true")
    tree.command("hold", second)
    tree.command("kill", first)
    time.sleep(0.4)
    assert tree.job(second).state is JobState.HELD
    tree.command("release", second)
    assert tree.wait(second).state is JobState.COMPLETED


def test_time_on_hold_does_not_count(tree: Any) -> None:
    run = tree.submit("--time", "2", "--", sys.executable, "-c", "import time; time.sleep(1)")
    tree.wait(run, JobState.RUNNING)
    tree.command("hold", run)
    time.sleep(2.5)
    tree.command("release", run)
    assert tree.wait(run).state is JobState.COMPLETED


def test_no_order_for_the_ended_or_unknown(tree: Any) -> None:
    tree.run("--", "true")
    [job] = tree.jobs()
    done = tree.command("hold", job.run, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"jobmend-local: run {job.run} has ended: COMPLETED\n",
    )
    done = tree.command("kill", "77", check=False)
    assert (done.returncode, done.stderr) == (1, "jobmend-local: no job 77 in this queue\n")


def test_two_slots_and_five_jobs(tree: Any) -> None:
    tree.env["JOBMEND_LOCAL_SLOTS"] = "2"
    runs = [tree.submit("--", "sleep", "1.5") for _ in range(5)]
    jobs = [tree.wait(run) for run in runs]
    assert {job.state for job in jobs} == {JobState.COMPLETED}
    starts = [job.started for job in jobs]
    assert starts == sorted(starts)  # in the order of submission
    at_once = max(sum(j.started <= start < j.ended for j in jobs) for start in starts)
    assert at_once == 2


def test_more_cpus_than_there_are(tree: Any) -> None:
    tree.env["JOBMEND_LOCAL_SLOTS"] = "2"
    done = tree.command("submit", "--cpus", "3", "--", "true", check=False)
    assert done.stderr == "jobmend-local: 3 CPUs are wanted, jobs have 2 here\n"
    assert tree.jobs() == []


def test_many_submit_at_once_to_a_new_queue(tree: Any) -> None:
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: tree.submit("--", "true"), range(6)))
    assert {tree.wait(run).state for run in runs} == {JobState.COMPLETED}
    assert sorted(job.job_id for job in tree.jobs()) == [1, 2, 3, 4, 5, 6]


def test_supervisor_killed(local: Any) -> None:
    run = local.submit("--", "sh", "-c", "setsid sleep 60 & sleep 60")
    supervisor = local.wait(run, JobState.RUNNING).supervisor
    _until(lambda: len(local.processes(run)) >= 2)
    os.kill(supervisor.pid, signal.SIGKILL)
    _until(lambda: not psutil.pid_exists(supervisor.pid) or _is_zombie(supervisor.pid))
    [listed] = json.loads(local.command("list", "--json").stdout)
    assert (listed["state"], listed["reason"]) == ("FAILED", "supervisor died")
    assert local.processes(run) == []
    assert local.cgroups() == []


def test_a_dead_supervisor_ahead_blocks_nobody(tree: Any) -> None:
    tree.env["JOBMEND_LOCAL_SLOTS"] = "1"
    first = tree.submit("--", "sleep", "3")
    tree.wait(first, JobState.RUNNING)
    second = tree.submit("--", "true")
    _until(lambda: tree.job(second).supervisor is not None)
    third = tree.submit("--", "true")
    os.kill(tree.job(second).supervisor.pid, signal.SIGKILL)
    assert tree.wait(third).state is JobState.COMPLETED
    assert tree.job(second).ending.reason == "supervisor died"


def test_interrupt_kills_a_job_in_front(tree: Any) -> None:
    command = [sys.executable, "-m", "jobmend.plugins.local", "run", "--", "sleep", "60"]
    with subprocess.Popen(command, env=tree.env, start_new_session=True) as front:
        _until(lambda: tree.state_dir.exists() and tree.jobs()[:1])
        [job] = tree.jobs()
        tree.wait(job.run, JobState.RUNNING)
        os.killpg(front.pid, signal.SIGINT)
        assert front.wait(10) == 143
    assert tree.job(job.run).state is JobState.CANCELLED


def test_the_end_of_the_front_kills_its_job(tree: Any) -> None:
    command = [sys.executable, "-m", "jobmend.plugins.local", "run", "--", "sleep", "60"]
    with subprocess.Popen(command, env=tree.env) as front:
        _until(lambda: tree.state_dir.exists() and tree.jobs()[:1])
        [job] = tree.jobs()
        tree.wait(job.run, JobState.RUNNING)
        front.kill()
    assert tree.wait(job.run).state is JobState.CANCELLED


def test_resubmit_with_more_memory(local: Any) -> None:
    hog = "held = bytearray(b'x' * (80 << 20)); import time; time.sleep(0.5)"
    first = local.submit("--memory", "40M", "--", sys.executable, "-c", hog)
    assert local.wait(first).state is JobState.OUT_OF_MEMORY
    words = ("resubmit", first, "--memory", "200M", "--token", "01TOKEN")
    second = local.command(*words).stdout.strip()
    again = local.command(*words).stdout.strip()
    assert again == second
    job = local.wait(second.split("/")[-1])
    assert job.state is JobState.COMPLETED
    assert (job.attempt, job.parent) == (1, f"local/local/1/{first}")
    assert job.spec.memory_bytes == parse_size("200M")
    assert len(local.jobs()) == 2


def test_what_goes_on_is_not_run_again(tree: Any) -> None:
    run = tree.submit("--", "sleep", "60")
    done = tree.command("resubmit", run, check=False)
    assert done.returncode == 1
    assert "has not ended; kill it before it is run again" in done.stderr


def test_start_and_end_are_told(local: Any, scratch: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.bind(local.env["JOBMEND_HOOK_SOCKET"])
        agent.settimeout(10)
        words = ("--workflow", "w", "--site", "s", "--name", "<b>", "--memory", "64M")
        assert local.run(*words, "--", "sh", "-c", "exit 3") == 3
        start, end = _event(agent), _event(agent)
    [job] = local.jobs()
    assert [start.kind, end.kind] == [EventKind.START, EventKind.END]
    assert start.run.key == end.run.key == f"local/local/1/{job.run}"
    assert start.node == socket.gethostname()
    assert (end.facts.workflow, end.facts.site, end.facts.name) == ("w", "s", "<b>")
    assert end.facts.request.memory_bytes == 64 << 20
    assert end.exit == Exit("local", ExitKind.ERROR, 3, None, "FAILED")
    assert start.exit is None and job.started <= end.time <= job.ended


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--name", "n" * 100_000), "job.name: longer than 256 characters"),
        (("--comment", "c" * 1025), "job.comment: longer than 1024 characters"),
        (("--memory", "much"), "'much' is no size; write it as 300M or 2G"),
        (("--time", "1:2:3:4"), "'1:2:3:4' is no time; write it as 90 (seconds), 5:00 or 1:30:00"),
        (("--cpus", "0"), "job.cpus: 0, between 1 and 4096 are wanted"),
    ],
)
def test_what_cannot_be_is_refused(tree: Any, words: tuple[str, ...], problem: str) -> None:
    done = tree.command("submit", *words, "--", "true", check=False)
    assert (done.returncode, done.stderr) == (1, f"jobmend-local: {problem}\n")


def test_hostile_names_are_data(tree: Any) -> None:
    name = "\x1b[2J<script>$(touch /tmp/x)`id`'\"; rm -rf ~ \udcff\n--memory=1"
    done = tree.command("run", f"--name={name}", f"--workflow={name}", "--", "true")
    assert done.returncode == 0
    table = tree.command("list").stdout
    assert "\x1b" not in table and len(table.splitlines()) == 2
    [listed] = json.loads(tree.command("list", "--json").stdout)
    assert listed["name"] == listed["workflow"] == name.replace("\udcff", "\ufffd" * 3)


def _event(agent: socket.socket) -> JobEvent:
    message = loads(agent.recv(65536))
    assert isinstance(message, JobEvent)
    return message


def _until(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
