"""Jobs by the titles of slurmstepd, in files and in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobmend.plugins.layout import Identity
from jobmend.plugins.slurm.identify import identify, steps

TREES = Path(__file__).parents[2] / "trees"


def test_a_sluid_is_named_by_the_step_daemon_in_its_cgroup() -> None:
    tree = TREES / "slurm_v2_sluid"
    job = tree / "cgroup/system.slice/slurmstepd.scope/s5K1KKYAYG5D00"
    assert identify({"unified": str(job)}, str(tree / "proc")) == Identity("3385")


def write_step(tmp_path: Path, title: bytes) -> dict[str, str]:
    step = tmp_path / "job" / "step_0" / "slurm"
    step.mkdir(parents=True)
    (step / "cgroup.procs").write_text("17\n18\n")
    (tmp_path / "18").mkdir()
    (tmp_path / "18" / "cmdline").write_bytes(title)
    return {"unified": str(tmp_path / "job")}


@pytest.mark.parametrize(
    ("title", "job_id"),
    [
        (b"slurmstepd: [42.batch]\0", "42"),
        (b"slurmstepd: [42.4294967292]", "42"),
        (b"slurmstepd: [42]", None),
        (b"slurmstepd: [12345678901.0]", None),
        (b"bash -c 'slurmstepd: [42.0]'", None),
        (b"slurmstepd: [\xff.0]", None),
        (b"", None),
    ],
)
def test_a_title_is_read_strictly(tmp_path: Path, title: bytes, job_id: str | None) -> None:
    directories = write_step(tmp_path, title)
    assert identify(directories, str(tmp_path)) == (Identity(job_id) if job_id else None)


def test_processes_that_vanish_tell_nothing(tmp_path: Path) -> None:
    assert identify({"unified": str(tmp_path / "gone")}, str(tmp_path)) is None
    assert identify({}, str(tmp_path)) is None
    assert steps(str(tmp_path / "gone")) == frozenset()


@pytest.mark.skipif(os.getuid() != 0, reason="only root's titles are believed")
def test_the_steps_on_a_node_are_those_of_roots_processes() -> None:
    code = "print(flush=True); import time; time.sleep(60)"
    own = subprocess.Popen(
        ["slurmstepd: [3999999001.0]", "-c", code],
        executable=sys.executable,
        stdout=subprocess.PIPE,
    )
    users = subprocess.Popen(
        ["slurmstepd: [3999999002.0]", "-c", "echo; read word"],
        executable="/bin/sh",
        user=65534,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        for process in (own, users):
            assert process.stdout is not None
            process.stdout.readline()
        found = steps("/proc")
        assert "3999999001" in found and "3999999002" not in found
    finally:
        for process in (own, users):
            process.kill()
            process.communicate()
