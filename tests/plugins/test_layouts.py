from __future__ import annotations

import pytest

from jobmend.plugins.layout import JobPath
from jobmend.plugins.local.cgroups import LAYOUT as LOCAL
from jobmend.plugins.slurm.cgroups import LAYOUT as SLURM

ULID = "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9"


@pytest.mark.parametrize(
    ("path", "job_id", "run", "node"),
    [
        ("slurm/uid_20821/job_10", "10", "", ""),
        ("slurm_node-a_1/uid_0/job_7", "7", "", "node-a_1"),
        ("system.slice/slurmstepd.scope/job_3385", "3385", "", ""),
        ("system.slice/node_a_slurmstepd.scope/job_4", "4", "", "node_a"),
        ("batch.slice/batch-slurm.slice/slurmstepd.scope/job_4", "4", "", ""),
        ("system.slice/slurmstepd.scope/s5K1KKYAYG5D00", "", "s5K1KKYAYG5D00", ""),
        ("system.slice/n1_slurmstepd.scope/s5K1KKYAYG5D00", "", "s5K1KKYAYG5D00", "n1"),
    ],
)
def test_slurm_job_directories_are_read(path: str, job_id: str, run: str, node: str) -> None:
    assert SLURM.read(path) == JobPath("slurm", job_id, run, node)


@pytest.mark.parametrize(
    "path",
    [
        "slurm",
        "slurm/uid_20821",
        "slurm/uid_20821/job_10/step_0",
        "slurmd/uid_1/job_2",
        "system.slice/slurmd.service",
        "system.slice/slurmstepd.scope/system",
        "system.slice/slurmstepd.scope/job_4/step_0",
        "system.slice/slurmstepd.scope/s5K1KKYAYG5D0",  # one character short
        "system.slice/slurmstepd.scope/s5K1KKYAYG5DIL",  # I and L are not in the alphabet
        "slurmstepd.scope/job_4",  # no slice
        "system.slice/myslurmstepd.scope/job_4",
        "user.slice/user-0.slice/session-1.scope",
    ],
)
def test_other_directories_are_no_slurm_jobs(path: str) -> None:
    assert SLURM.read(path) is None


@pytest.mark.parametrize(
    ("path", "job_id"),
    [
        (f"jobmend/job_1.{ULID}", "1"),
        (f"jobmend_test/job_a-b.{ULID}", "a-b"),
        (f"system.slice/jobmend-local.service/jobmend/job_12.{ULID}", "12"),
        (f"user.slice/user-1000.slice/user@1000.service/app.slice/jobmend/job_3.{ULID}", "3"),
    ],
)
def test_local_job_directories_are_read(path: str, job_id: str) -> None:
    assert LOCAL.read(path) == JobPath("local", job_id, ULID)


@pytest.mark.parametrize(
    "path",
    [
        "jobmend",
        "jobmend/job_1",
        "jobmend/job_1.01KAJ7",
        f"jobmend/job_1.{ULID}/child",
        f"jobmendx/job_1.{ULID}",
        f"jobmend/job_a\x1b[2J.{ULID}",
        f"jobmend/job_1.{ULID.lower()}",
    ],
)
def test_other_directories_are_no_local_jobs(path: str) -> None:
    assert LOCAL.read(path) is None
