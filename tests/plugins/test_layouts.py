from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobmend.agent.cgroups import LAYOUTS
from jobmend.plugins.htcondor.cgroups import LAYOUT as HTCONDOR
from jobmend.plugins.layout import JobPath
from jobmend.plugins.local.cgroups import LAYOUT as LOCAL
from jobmend.plugins.slurm.cgroups import LAYOUT as SLURM

ULID = "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9"
SLUID = "s5K1KKYAYG5D00"
OLD, NEW = "condor_var_lib_condor_execute_slot1_1@host", "_var_lib_condor_execute_slot1_1@host"


@pytest.mark.parametrize(
    ("path", "job_id", "run", "node"),
    [
        ("slurm/uid_20821/job_10", "10", "", ""),
        ("slurm_node-a_1/uid_0/job_7", "7", "", "node-a_1"),
        ("system.slice/slurmstepd.scope/job_3385", "3385", "", ""),
        ("system.slice/node_a_slurmstepd.scope/job_4", "4", "", "node_a"),
        ("batch.slice/batch-slurm.slice/slurmstepd.scope/job_4", "4", "", ""),
        ("a.slice/a-b.slice/a-b-c.slice/n1_slurmstepd.scope/job_4", "4", "", "n1"),
        (f"system.slice/slurmstepd.scope/{SLUID}", "", SLUID, ""),
        (f"system.slice/n1_slurmstepd.scope/{SLUID}", "", SLUID, "n1"),
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
        "slurm/uid_20821/job_10/step_0/task_1",
        "slurm_/uid_1/job_2",
        "slurmd/uid_1/job_2",
        "slurm/uid_1/job_\u0664",  # a digit, and not one of ours
        "system.slice/slurmd.service",
        "system.slice/slurmstepd.scope/system",
        "system.slice/slurmstepd.scope/job_4/step_0",
        "system.slice/slurmstepd.scope/job_4/step_0/user/task_special",
        "system.slice/slurmstepd.scope/s5K1KKYAYG5D0",  # one character short
        "system.slice/slurmstepd.scope/s5K1KKYAYG5DIL",  # I and L are not in the alphabet
        "slurmstepd.scope/job_4",  # no slice
        "a.slice/b.slice/c.slice/d.slice/slurmstepd.scope/job_4",
        "system.slice/myslurmstepd.scope/job_4",
        "system.slice/_slurmstepd.scope/job_4",
        "user.slice/user-0.slice/session-1.scope",
    ],
)
def test_other_directories_are_no_slurm_jobs(path: str) -> None:
    assert SLURM.read(path) is None
    assert SLURM.read(path, unified=True) is None


@pytest.mark.parametrize(
    ("path", "slot"),
    [
        (f"htcondor/{OLD}", "slot1_1@host"),
        (f"system.slice/htcondor/{OLD}", "slot1_1@host"),
        (f"system.slice/condor.service/htcondor/{OLD}", "slot1_1@host"),
        (f"htcondor/{NEW}.slice", "slot1_1@host"),
        (f"system.slice/htcondor/{NEW}.slice", "slot1_1@host"),
        (f"system.slice/condor.service/htcondor/{NEW}.slice", "slot1_1@host"),
        (f"system.slice/condor.service/STARTD/htcondor/{NEW}.slice", "slot1_1@host"),
        (f"system.slice/condor.service/{OLD}", "slot1_1@host"),  # BASE_CGROUP names the service
        ("htcondor_b/condor_data1_slot12@n1.example.org", "slot12@n1.example.org"),
        ("htcondor/condor_scratch_disk1_slot1_1@h", "slot1_1@h"),
        ("htcondor/_pilot_slot1_2@glidein_7_8@h.slice", "slot1_2@glidein_7_8@h"),
        ("htcondor/_execute_gpu-slot2_1@h.slice", "gpu-slot2_1@h"),
    ],
)
def test_htcondor_slots_are_read(path: str, slot: str) -> None:
    for unified in (True, False):
        assert HTCONDOR.read(path, unified=unified) == JobPath("htcondor", "", slot=slot)


def test_the_v1_name_of_new_releases_is_the_place_of_ssh_sessions_in_v2() -> None:
    assert HTCONDOR.read(f"htcondor/{NEW}") == JobPath("htcondor", "", slot="slot1_1@host")
    assert HTCONDOR.read(f"htcondor/{NEW}", unified=True) is None


@pytest.mark.parametrize(
    "path",
    [
        "htcondor",
        f"htcondor/{NEW}.slice/{NEW}.scope",
        f"htcondor/{NEW}.scope",
        f"htcondor/{NEW}/sshd.slice",
        f"htcondor/{NEW}/sshd.slice/sshd.scope",
        f"htcondor/{NEW}.slice/control",
        f"htcondor/{OLD}/subprocesses",
        f"htcondor/{NEW}.slice/htcondor/{NEW}.slice",  # a pilot's own HTCondor
        "htcondor/STARTER_slot1_1@host",
        "system.slice/condor.service/STARTER_slot1_1@host",
        "system.slice/condor.service/leaf",
        "htcondor/condor_var_lib_condor_execute_31415",  # local universe: no slot
        "htcondor/condor_var_lib_condor_execute_slot1_1@",
        f"htcondor/{OLD}\n",
        "htcondor/condor_x_slot1@a b",
        f"user.slice/htcondor/{OLD}",
        f"evil/htcondor/{OLD}",
    ],
)
def test_other_directories_are_no_slots(path: str) -> None:
    assert HTCONDOR.read(path) is None
    assert HTCONDOR.read(path, unified=True) is None


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


JOBS = (
    "slurm/uid_1/job_10",
    "slurm_n1/uid_1/job_10",
    "system.slice/slurmstepd.scope/job_3385",
    f"system.slice/slurmstepd.scope/{SLUID}",
    f"htcondor/{OLD}",
    f"system.slice/condor.service/htcondor/{NEW}.slice",
    f"jobmend/job_1.{ULID}",
)


@given(st.sampled_from(JOBS), st.data())
def test_one_level_more_or_less_is_no_job(path: str, data: st.DataObject) -> None:
    below = data.draw(st.text(st.characters(exclude_characters="/"), min_size=1, max_size=20))
    above = path.rpartition("/")[0]
    for unified in (True, False):
        for layout in LAYOUTS:
            assert layout.read(f"{path}/{below}", unified=unified) is None
            assert layout.read(above, unified=unified) is None


@given(st.sampled_from(JOBS), st.data())
def test_what_is_read_of_a_damaged_path_can_be_shown(path: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(path)))
    damage = data.draw(st.text(max_size=3))
    damaged = path[:place] + damage + path[place:]
    assume(damaged != path)
    for layout in LAYOUTS:
        job = layout.read(damaged)
        if job is not None and layout is not SLURM:  # a Slurm node is named by its admin
            assert all(word.isprintable() and word.isascii() for word in vars(job).values())
        if job is not None:
            assert job.job_id or job.run or job.slot
