"""Golden pages: what the agent makes of whole cgroup trees, to the last character."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

TREES = Path(__file__).parents[1] / "trees"
NAMES = sorted(path.stem for path in TREES.glob("*.prom"))


def once(tree: Path) -> bytes:
    command = [sys.executable, "-m", "jobmend.agent", "--once"]
    roots = ["--cgroup-root", str(tree / "cgroup"), "--proc-root", str(tree / "proc")]
    return subprocess.run([*command, *roots], check=True, capture_output=True, cwd="/").stdout


def test_every_tree_has_its_page() -> None:
    assert sorted(path.name for path in TREES.iterdir() if path.is_dir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_a_tree(name: str) -> None:
    page = once(TREES / name)
    assert page.decode() == (TREES / f"{name}.prom").read_text()
    families = list(text_string_to_metric_families(page.decode()))
    series = [(one.name, *sorted(one.labels.items())) for f in families for one in f.samples]
    assert len(series) == len(set(series)) > 0


@pytest.mark.parametrize("name", NAMES)
def test_promtool_has_nothing_to_say(name: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    page = (TREES / f"{name}.prom").read_bytes()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_root_that_is_not_there_is_an_empty_page(tmp_path: Path) -> None:
    assert once(tmp_path / "nothing") == b""


def test_one_damaged_job_does_not_cost_the_other(copy_tree: Callable[[str], Path]) -> None:
    tree = copy_tree("slurm_v2")
    damaged = tree / "cgroup/system.slice/slurmstepd.scope/job_3385"
    for name in ("cpu.stat", "memory.stat", "cpu.pressure", "memory.max", "cpuset.cpus.effective"):
        (damaged / name).write_bytes(b"\xff\xfe nonsense\n")
    page = once(tree).decode()
    assert 'jobmend_job_cpu_user_seconds_total{scheduler="slurm",jobid="3386"' in page
    assert 'jobmend_job_cpu_user_seconds_total{scheduler="slurm",jobid="3385"' not in page
    assert (
        'jobmend_job_memory_current_bytes{scheduler="slurm",jobid="3385",run="0"} 1916928' in page
    )
    assert 'ownership="exclusive"' not in page  # nobody knows where the damaged job may run
