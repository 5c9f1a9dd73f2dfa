from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from jobmend.agent.cgroups import Finder, Hierarchy, expand, hierarchies
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
        Hierarchy(("pids",), f"{tmp_path}/pids"),
    ]


def test_hybrid_and_pure_v2() -> None:
    hybrid = hierarchies(str(TREES / "local_hybrid" / "cgroup"))
    assert [tree.controllers for tree in hybrid] == [("cpuacct",), ("memory",), ("unified",)]
    root = str(TREES / "slurm_v2" / "cgroup")
    assert hierarchies(root) == [Hierarchy(("unified",), root)]
    assert hierarchies("/nowhere") == []


def test_a_job_is_the_sum_of_its_directories() -> None:
    root = TREES / "local_hybrid" / "cgroup"
    ((job, sighting),) = Finder().find(hierarchies(str(root))).items()
    path = f"jobmend_test/job_7.{ULID}"
    assert job == JobPath("local", "7", ULID)
    assert sighting.cgroup == path
    assert sighting.directories == {
        name: f"{root}/{name}/{path}" for name in ("cpuacct", "memory", "unified")
    }


def test_two_slurmd_below_two_slices_and_nothing_else() -> None:
    jobs = Finder().find(hierarchies(str(TREES / "slurm_v2" / "cgroup")))
    assert set(jobs) == {JobPath("slurm", "3385"), JobPath("slurm", "3386", node="n2")}


def test_jobs_and_mounts_that_come_later_are_found(copy_tree: Callable[[str], Path]) -> None:
    root = copy_tree("empty") / "cgroup"
    assert Finder().find(hierarchies(str(root))) == {}
    (root / "system.slice/slurmstepd.scope/job_5").mkdir()
    assert set(Finder().find(hierarchies(str(root)))) == {JobPath("slurm", "5")}
    shutil.rmtree(root / "system.slice")
    assert Finder().find(hierarchies(str(root))) == {}


def test_a_slot_of_htcondor_is_its_slice_and_not_what_lies_beside_or_below(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    base = tmp_path / "system.slice/condor.service/htcondor"
    name = "_var_lib_condor_execute_slot1_1@h"
    (base / f"{name}.slice/{name}.scope/control").mkdir(parents=True)
    (base / f"{name}/sshd.slice/sshd.scope").mkdir(parents=True)
    ((job, sighting),) = Finder().find(hierarchies(str(tmp_path))).items()
    assert job == JobPath("htcondor", "", slot="slot1_1@h")
    assert sighting.directories == {"unified": f"{base}/{name}.slice"}


def test_every_change_of_a_job_is_one_in_a_directory_that_was_listed(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    slices = ["system.slice", "system.slice/slurmstepd.scope", "batch.slice/batch-a.slice"]
    for path in (*slices, "user.slice/user-1.slice/session-1.scope/deep/deeper", "init.scope"):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    finder = Finder()
    assert finder.listed == set()
    assert finder.find(hierarchies(str(tmp_path))) == {}
    assert {f"{tmp_path}", *(f"{tmp_path}/{path}" for path in slices)} <= finder.listed
    assert not [path for path in finder.listed if "deep" in path or path.endswith("init.scope")]
    job = tmp_path / "system.slice/slurmstepd.scope/job_9"
    job.mkdir()
    assert set(finder.find(hierarchies(str(tmp_path)))) == {JobPath("slurm", "9")}
    assert str(job) not in finder.listed


def test_a_name_that_several_globs_match_is_followed_by_all(tmp_path: Path) -> None:
    for path in ("a.slice/x/1", "a.slice/y", "b/x", "a.slice/x/z"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "a.slice/file").touch()
    globs = ("*.slice/*", "a.slice/x/*", "a*/x/z", "b/*")
    assert sorted(expand(str(tmp_path), globs)) == [
        "a.slice/x",
        "a.slice/x/1",
        "a.slice/x/z",
        "a.slice/y",
        "b/x",
    ]
    assert expand(str(tmp_path / "nowhere"), globs) == []
