from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from jobmend.agent.cgroups import Hierarchy, find_jobs, hierarchies
from jobmend.plugins.layout import JobPath

TREES = Path(__file__).parents[1] / "trees"
ULID = "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9"


def test_v1_hierarchies_count_linked_controllers_once(tmp_path: Path) -> None:
    for name in ("cpu,cpuacct", "memory", "cpuset", "systemd", "pids"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "cpuacct").symlink_to("cpu,cpuacct")
    assert hierarchies(str(tmp_path)) == [
        Hierarchy(("cpu", "cpuacct"), f"{tmp_path}/cpu,cpuacct"),
        Hierarchy(("cpuset",), f"{tmp_path}/cpuset"),
        Hierarchy(("memory",), f"{tmp_path}/memory"),
    ]


def test_hybrid_and_pure_v2() -> None:
    hybrid = hierarchies(str(TREES / "local_hybrid" / "cgroup"))
    assert [tree.controllers for tree in hybrid] == [("cpuacct",), ("memory",), ("unified",)]
    root = str(TREES / "slurm_v2" / "cgroup")
    assert hierarchies(root) == [Hierarchy(("unified",), root)]
    assert hierarchies("/nowhere") == []


def test_a_job_is_the_sum_of_its_directories() -> None:
    root = TREES / "local_hybrid" / "cgroup"
    ((job, sighting),) = find_jobs(hierarchies(str(root))).items()
    path = f"jobmend_test/job_7.{ULID}"
    assert job == JobPath("local", "7", ULID)
    assert sighting.cgroup == path
    assert sighting.directories == {
        name: f"{root}/{name}/{path}" for name in ("cpuacct", "memory", "unified")
    }


def test_two_slurmd_below_two_slices_and_nothing_else() -> None:
    jobs = find_jobs(hierarchies(str(TREES / "slurm_v2" / "cgroup")))
    assert set(jobs) == {JobPath("slurm", "3385"), JobPath("slurm", "3386", node="n2")}


def test_jobs_and_mounts_that_come_later_are_found(copy_tree: Callable[[str], Path]) -> None:
    root = copy_tree("empty") / "cgroup"
    assert find_jobs(hierarchies(str(root))) == {}
    (root / "system.slice/slurmstepd.scope/job_5").mkdir()
    assert set(find_jobs(hierarchies(str(root)))) == {JobPath("slurm", "5")}
    shutil.rmtree(root / "system.slice")
    assert find_jobs(hierarchies(str(root))) == {}
