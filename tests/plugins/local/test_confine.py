"""The places jobs live in: hand-made trees, this machine's v1 and its v2 tree."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.plugins.local.confine import confine, sweep
from jobmend.plugins.local.confine_v1 import CgroupV1
from jobmend.plugins.local.confine_v2 import RUNNER, CgroupV2, own_cgroup
from jobmend.plugins.local.confinement import Limits, parse_oom_kills
from jobmend.plugins.local.settings import Settings
from jobmend.plugins.local.ulid import new_ulid

CGROUP_ROOT = Path("/sys/fs/cgroup")
PARENT = f"jobmend_confine{os.getpid()}"
LIMITS = Limits(64 << 20, (0,))


def test_oom_kills_are_read() -> None:
    assert parse_oom_kills("oom_kill_disable 0\nunder_oom 1\noom_kill 3\n") == 3
    assert parse_oom_kills("oom_kill_disable 0\nunder_oom 0\n") == 0  # before Linux 4.13
    assert parse_oom_kills("low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n") == 1


def test_own_cgroup_of_v2(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    listing = tmp_path / "self/cgroup"
    listing.write_text("4:memory:/a\n0::/user.slice/x.scope\n")
    assert own_cgroup(tmp_path) == "/user.slice/x.scope"
    listing.write_text("4:memory:/a\n")
    assert own_cgroup(tmp_path) == "/"


def v2_directory(base: Path, *, memory: bool) -> Path:
    """A hand-made v2 tree whose kernel has already filled the job's directory."""
    directory = base / "jobmend_i/job_1.R"
    directory.mkdir(parents=True)
    (base / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    for name in ("cpuset.cpus", "memory.oom.group", *(["memory.max"] if memory else [])):
        (directory / name).write_text("")
    return directory


@pytest.mark.skipif(os.geteuid() != 0, reason="root confines in the root of the tree")
def test_v2_sets_what_the_kernel_offers(tmp_path: Path) -> None:
    directory = v2_directory(tmp_path, memory=True)
    CgroupV2(tmp_path, "jobmend_i", "job_1.R").create(Limits(1 << 20, (2, 3)))
    settings = {path.name: path.read_text() for path in directory.iterdir()}
    assert settings == {
        "cpuset.cpus": "2,3",
        "memory.max": str(1 << 20),
        "memory.oom.group": "1",
    }
    for level in (tmp_path, tmp_path / "jobmend_i"):
        assert (level / "cgroup.subtree_control").read_text() == "+pids"  # the last one asked for


@pytest.mark.skipif(os.geteuid() != 0, reason="root confines in the root of the tree")
def test_v2_without_the_memory_controller_is_refused(tmp_path: Path) -> None:
    v2_directory(tmp_path, memory=False)
    place = CgroupV2(tmp_path, "jobmend_i", "job_1.R")
    with pytest.raises(OSError, match="the memory controller is not given"):
        place.create(LIMITS)
    (tmp_path / "cgroup.controllers").write_text("cpu io\n")
    with pytest.raises(OSError, match="no memory controller"):
        place.create(LIMITS)


def test_v2_makes_room_in_a_delegated_cgroup(tmp_path: Path) -> None:
    """As another user: our own cgroup is the base, and its processes move down a level."""
    base = tmp_path / "user.slice/own.scope"
    v2_directory(base, memory=True)
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    (base / "cgroup.procs").write_text("41\n42\n")
    place = CgroupV2(tmp_path, "jobmend_i", "job_1.R", own="/user.slice/own.scope", root_user=False)
    place.create(LIMITS)
    assert (base / RUNNER / "cgroup.procs").read_text() == "42"
    moved = f"/user.slice/own.scope/{RUNNER}"
    (base / "cgroup.procs").write_text("")
    CgroupV2(tmp_path, "jobmend_i", "job_1.R", own=moved, root_user=False).create(LIMITS)
    assert not (base / RUNNER / "jobmend_i").exists()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.mark.cgroup
def test_v1_for_real(sleeper: subprocess.Popen[bytes]) -> None:
    if os.geteuid() != 0 or not (CGROUP_ROOT / "memory").exists():
        pytest.skip("needs root and cgroup v1")
    place = CgroupV1(CGROUP_ROOT, PARENT, "job_1.R")
    try:
        place.create(LIMITS)
        place.enter(sleeper.pid)
        assert place.pids() == [sleeper.pid]
        assert place.oom_kills() == 0
        assert 0 <= (place.peak_bytes() or 0) < 64 << 20
        place.freeze()
        state = CGROUP_ROOT / "freezer" / PARENT / "job_1.R/freezer.state"
        assert state.read_text() in ("FROZEN\n", "FREEZING\n")
    finally:
        place.remove()  # what is frozen is killed all the same
    assert sleeper.wait(5) == -9
    assert [*CGROUP_ROOT.glob(f"*/{PARENT}")] == []
    place.remove()  # again is no error
    assert place.pids() == []


@pytest.mark.cgroup
def test_v2_tree_for_real(sleeper: subprocess.Popen[bytes]) -> None:
    """Entering, freezing, killing and removing; the limits need controllers a hybrid host keeps."""
    roots = [path for path in (CGROUP_ROOT / "unified", CGROUP_ROOT) if _is_v2(path)]
    if os.geteuid() != 0 or not roots:
        pytest.skip("needs root and a cgroup v2 tree")
    directory = roots[0] / PARENT / "job_1.R"
    directory.mkdir(parents=True)
    place = CgroupV2(roots[0], PARENT, "job_1.R")
    try:
        place.enter(sleeper.pid)
        assert place.pids() == [sleeper.pid]
        place.freeze()
        _until_frozen(directory, "frozen 1")
        place.thaw()
        _until_frozen(directory, "frozen 0")
        place.freeze()
    finally:
        place.remove()
    assert sleeper.wait(5) == -9
    assert not directory.parent.exists()


@pytest.mark.cgroup
def test_what_a_dead_supervisor_left_is_swept() -> None:
    if os.geteuid() != 0:
        pytest.skip("cgroups of our own need root")
    settings = Settings(Path("/nowhere"), "local", f"confine{os.getpid()}")
    run = new_ulid()
    place = confine(settings, 1, run, LIMITS)
    if place.method == "process tree":
        pytest.skip("no cgroup may be made on this machine")
    inside = subprocess.Popen(["sleep", "60"])
    outside = subprocess.Popen(["sleep", "60"], env={**os.environ, "JOBMEND_RUN": run})
    bystander = subprocess.Popen(["sleep", "60"], env={**os.environ, "JOBMEND_RUN": new_ulid()})
    place.enter(inside.pid)
    sweep(settings, 1, run)
    assert (inside.wait(5), outside.wait(5), bystander.poll()) == (-9, -9, None)
    bystander.kill()
    bystander.wait()
    assert [*CGROUP_ROOT.glob(f"**/{settings.cgroup_parent}")] == []


def test_without_cgroups_the_tree_is_followed(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "local", "i", cgroup_root=tmp_path)
    assert confine(settings, 1, new_ulid(), LIMITS).method == "process tree"


def _is_v2(path: Path) -> bool:
    return (path / "cgroup.controllers").exists()


def _until_frozen(directory: Path, line: str) -> None:
    deadline = time.monotonic() + 5
    while line not in (directory / "cgroup.events").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
