"""Jobs in front: exits, limits and confinement, with cgroups and without."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import jobmend
from jobmend.jobs.exits import ExitKind
from jobmend.plugins.local.exits import local_exit
from jobmend.plugins.local.job import JobState

NOBODY = 65534
HOG = "import time; held = [bytearray(b'x' * (4 << 20)) for _ in range({})]; time.sleep({})"


def test_exit_codes_come_through(local: Any) -> None:
    assert local.run("--", "true") == 0
    assert local.run("--", "sh", "-c", "exit 3") == 3
    done, failed = local.jobs()
    assert (done.state, failed.state) == (JobState.COMPLETED, JobState.FAILED)
    assert local_exit(failed.ending).key == "exit:3"


def test_signal_is_told_as_shells_do(local: Any) -> None:
    assert local.run("--", "sh", "-c", "kill -SEGV $$") == 128 + signal.SIGSEGV
    [job] = local.jobs()
    assert job.ending.signal == signal.SIGSEGV
    assert local_exit(job.ending).kind is ExitKind.SIGNAL


def test_memory_limit(local: Any) -> None:
    hog = HOG.format(20, 5)
    assert local.run("--memory", "40M", "--", sys.executable, "-c", hog) == 137
    [job] = local.jobs()
    assert job.state is JobState.OUT_OF_MEMORY
    assert job.ending.reason == "memory limit broken"
    assert local_exit(job.ending).kind is ExitKind.OUT_OF_MEMORY


def test_memory_below_the_limit_is_measured(local: Any) -> None:
    hog = HOG.format(10, 0.5)
    assert local.run("--memory", "200M", "--", sys.executable, "-c", hog) == 0
    [job] = local.jobs()
    assert 40 << 20 < (job.ending.peak_memory_bytes or 0) < 100 << 20


def test_memory_of_a_child_counts(local: Any) -> None:
    command = f'{sys.executable} -c "{HOG.format(20, 5)}"; exit 0'
    assert local.run("--memory", "40M", "--", "sh", "-c", command) == 137


def test_time_limit_asks_first(local: Any) -> None:
    command = "trap 'echo asked; exit 9' TERM; while :; do sleep 0.05; done"
    started = time.monotonic()
    assert local.run("--time", "0.5", "--", "sh", "-c", command) == 124
    assert time.monotonic() - started < 3
    [job] = local.jobs()
    assert (job.state, job.ending.reason) == (JobState.TIMEOUT, "time limit reached")


def test_time_limit_is_kept_against_a_deaf_job(tree: Any) -> None:
    command = "trap '' TERM; while :; do sleep 0.05; done"
    assert tree.run("--time", "0.3", "--", "sh", "-c", command) == 124
    assert tree.jobs()[0].ending.signal == signal.SIGKILL


def test_what_a_job_knows_of_itself(local: Any) -> None:
    wanted = "env: JOBMEND_ATTEMPT JOBMEND_CPUS JOBMEND_JOB_ID JOBMEND_RUN JOBMEND_SITE"
    code = (
        "import json, os; print(json.dumps([{k: v for k, v in os.environ.items()"
        " if k in 'JOBMEND_WORKFLOW " + wanted + "'.split()}, sorted(os.sched_getaffinity(0))]))"
    )
    done = local.command("run", "--workflow", "w", "--site", "s", "--", sys.executable, "-c", code)
    environment, affinity = json.loads(done.stdout)
    [job] = local.jobs()
    assert environment == {
        "JOBMEND_ATTEMPT": "0",
        "JOBMEND_CPUS": ",".join(map(str, job.cpus)),
        "JOBMEND_JOB_ID": "1",
        "JOBMEND_RUN": job.run,
        "JOBMEND_SITE": "s",
        "JOBMEND_WORKFLOW": "w",
    }
    assert tuple(affinity) == job.cpus and len(job.cpus) == 1


def test_nothing_of_a_job_outlives_it(local: Any) -> None:
    command = "setsid sleep 60 & (setsid sleep 61 &) ; sleep 0.3; exit 0"
    assert local.run("--", "sh", "-c", command) == 0
    [job] = local.jobs()
    assert local.processes(job.run) == []
    assert local.cgroups() == []


@pytest.mark.cgroup
def test_cgroups_while_a_job_runs(caged: Any) -> None:
    run = caged.submit("--memory", "64M", "--", "sleep", "60")
    job = caged.wait(run, JobState.RUNNING)
    name = f"jobmend_{caged.instance}/job_{job.job_id}.{run}"
    root = Path("/sys/fs/cgroup")
    if not (root / "memory").exists():
        pytest.skip("this machine has no cgroup v1")
    deadline = time.monotonic() + 5
    while _programs(caged.processes(run)) != ["sleep"] and time.monotonic() < deadline:
        time.sleep(0.02)
    [pid] = caged.processes(run)
    for hierarchy in ("memory", "cpuacct", "unified"):
        assert (root / hierarchy / name / "cgroup.procs").read_text() == f"{pid}\n"
    assert (root / "memory" / name / "memory.limit_in_bytes").read_text() == f"{64 << 20}\n"
    assert (root / "cpuset" / name / "cpuset.cpus").read_text() == f"{job.cpus[0]}\n"
    caged.command("kill", run)
    assert caged.cgroups() == []


def _programs(pids: list[int]) -> list[str]:
    return [psutil.Process(pid).name() for pid in pids]


def test_a_job_that_cannot_be_started(local: Any) -> None:
    assert local.run("--", "/no/such/program") == 127
    [job] = local.jobs()
    assert job.ending.reason == "cannot be started: No such file or directory: /no/such/program"
    assert local_exit(job.ending).kind is ExitKind.LAUNCH_FAILURE


def test_output_file_that_cannot_be_written(tree: Any) -> None:
    run = tree.submit("--stdout", "/no/such/folder/out", "--", "true")
    assert tree.wait(run).ending.reason.startswith("cannot be started: No such file")


def test_only_named_variables_are_passed(tree: Any) -> None:
    tree.env |= {"JM_SECRET": "s", "JM_WANTED": "w"}
    names = "import os; print(*sorted(n for n in os.environ if n.startswith('JM_')))"
    command = (sys.executable, "-c", names)
    assert tree.command("run", "--", *command).stdout == "JM_SECRET JM_WANTED\n"
    assert tree.command("run", "--env", "JM_WANTED", "--", *command).stdout == "JM_WANTED\n"


@pytest.fixture
def nobody(scratch: Path, tree: Any) -> Any:
    """A queue of another user, with this machine's real cgroup root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    (scratch / "jobmend").symlink_to(Path(jobmend.__file__).resolve().parent)
    libraries = Path(psutil.__file__).parents[1]
    tree.env["PYTHONPATH"] = f"{scratch}:{libraries}"
    tree.env["JOBMEND_CGROUP_ROOT"] = "/sys/fs/cgroup"
    tree.state_dir.mkdir()
    os.chown(tree.state_dir, NOBODY, NOBODY)
    for tree.python in (sys.executable, "/usr/bin/python3"):  # the first may lie in root's home
        if _can_run(tree):
            return tree
    pytest.skip("no Python with psutil that another user may run")


def _can_run(local: Any) -> bool:
    try:
        command = [local.python, "-c", "import psutil"]
        return subprocess.run(command, env=local.env, user=NOBODY, cwd="/").returncode == 0
    except OSError:
        return False


def test_without_root(nobody: Any) -> None:
    words = ("run", "--memory", "40M", "--", nobody.python, "-c", HOG.format(20, 5))
    assert nobody.command(*words, user=NOBODY, check=False).returncode == 137
    assert nobody.command("run", "--", "id", "-u", user=NOBODY).stdout == f"{NOBODY}\n"
    listing = json.loads(nobody.command("list", "--json", user=NOBODY).stdout)
    assert [job["state"] for job in listing] == ["OUT_OF_MEMORY", "COMPLETED"]
    assert listing[0]["user"] == pwd.getpwuid(NOBODY).pw_name
