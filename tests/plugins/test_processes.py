from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobmend.plugins.processes import cgroups_below, pids_below, read_process, real_uid


def test_the_processes_of_a_tree_of_cgroups_count_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    for place, pids in ((".", ""), ("a", "7\n8\n"), ("a/b", "8\n9\n0\n")):
        (tmp_path / place / "cgroup.procs").write_text(pids)
    assert sorted(pids_below(str(tmp_path)) or ()) == ["7", "8", "9"]
    assert pids_below(str(tmp_path / "c")) is None
    assert pids_below(str(tmp_path / "gone")) is None


def test_an_empty_cgroup_has_no_process(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    assert pids_below(str(tmp_path)) == []


def test_a_user_cannot_keep_the_agent_busy_with_cgroups(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    assert len(list(cgroups_below(str(tmp_path), limit=10))) == 10
    assert len(list(cgroups_below(str(tmp_path)))) == 31


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_the_real_user_is_the_one_a_process_runs_for() -> None:
    code = "import os; os.setresuid(65534, 0, 0); print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert real_uid("/proc", str(process.pid)) == 65534
    finally:
        process.kill()
        process.communicate()
    assert real_uid("/proc", str(process.pid)) is None


def test_a_process_that_is_gone_is_an_error_of_reading() -> None:
    with pytest.raises(OSError):
        read_process("/proc", "4194304000", "status")
    assert b"python" in read_process("/proc", str(os.getpid()), "cmdline")
