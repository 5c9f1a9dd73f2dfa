"""What the page of each tree must say, in words: whatever the golden page holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobmend.agent.config import Config
from tests.agent.tree import NAMES, TREES, Look, Played, once, play

USER = "jobmend_job_cpu_user_seconds_total"
LookAt = Callable[[str], Look]


@pytest.fixture
def look(tmp_path: Path, config: Config) -> Callable[[str], Look]:
    """The series of a tree's page, made anew."""
    return lambda name: Look(play(name, config, tmp_path / "tree").page)


def test_pressure_that_is_off_is_absent_and_said(look: LookAt) -> None:
    page = look("psi_off")
    assert page.jobs() == {"411", "412"}
    assert page.all("jobmend_job_pressure_.*") == {}
    assert page.one("jobmend_feature_supported", feature="psi") == 0
    assert page.one(USER, jobid="412") == 7


def test_a_limit_of_max_is_no_limit(look: LookAt) -> None:
    page = look("memory_max")
    assert page.all("jobmend_job_memory_limit_bytes", jobid="421") == {}
    assert page.one("jobmend_job_memory_limit_bytes", jobid="422") == 104857600
    assert page.one("jobmend_job_memory_peak_bytes", jobid="421") == 9437184


def test_two_nodes_on_one_machine_keep_their_jobs_apart(look: LookAt) -> None:
    page = look("two_scopes")
    assert page.one(USER, jobid="431", node="n1") == 3
    assert page.one(USER, jobid="431", node="n2") == 9
    assert page.claims(node="n1") == {"exclusive": {"0", "1"}}
    assert page.claims(node="n2") == {"exclusive": {"2", "3"}}


def test_the_scope_may_lie_in_any_slice(look: LookAt) -> None:
    page = look("other_slice")
    assert page.one(USER, jobid="441", node="") == 3
    assert page.one(USER, jobid="442", node="n2") == 3


def test_without_constrained_cores_nothing_is_owned_alone(look: LookAt) -> None:
    page = look("constrain_cores_no")
    assert page.claims(jobid="451") == {"shared": {"0", "1", "2", "3"}}
    assert page.one("jobmend_job_cpus", jobid="451") == 4


def test_an_allocation_without_a_process_stays_visible(look: LookAt) -> None:
    page = look("idle_allocation")
    assert page.one("jobmend_job_info", jobid="461") == 1
    assert page.one("jobmend_job_processes", jobid="461") == 0
    assert page.one("jobmend_job_threads", jobid="461") == 0
    assert page.one("jobmend_job_memory_anon_bytes", jobid="461") == 0
    assert page.claims(jobid="461") == {"exclusive": {"1", "2"}}


@pytest.mark.parametrize(
    ("family", "value"),
    [
        ("cpu_user_seconds_total", 60.375292),
        ("cpu_system_seconds_total", 0.115777),
        ("cpu_throttled_seconds_total", 2.5),
        ("cpus", 3),
        ("memory_swap_bytes", 3145728),
        ("memory_working_set_bytes", 104857600 - 20971520),
        ("memory_peak_bytes", 104861696),
        ("memory_oom_events_total", 3),
        ("memory_oom_kills_total", 2),
        ("memory_limit_hits_total", 17),
        ("io_read_bytes_total", 4096 + 1048576),
        ("io_write_bytes_total", 8192 + 2097152),
        ("io_read_operations_total", 31),
        ("io_write_operations_total", 42),
        ("pressure_cpu_waiting_seconds_total", 12.345678),
        ("pressure_cpu_stalled_seconds_total", 0.005),
        ("pressure_memory_waiting_seconds_total", 0.234567),
        ("pressure_memory_stalled_seconds_total", 0.123456),
        ("pressure_io_waiting_seconds_total", 9.876543),
        ("pressure_io_stalled_seconds_total", 8.765432),
        ("processes", 6),
        ("threads", 9),
    ],
)
def test_all_that_a_full_cgroup_says(look: LookAt, family: str, value: float) -> None:
    assert look("many_features").one(f"jobmend_job_{family}", jobid="471") == value


def test_all_features_are_supported_there(look: LookAt) -> None:
    features = look("many_features").all("jobmend_feature_supported")
    assert len(features) >= 4
    assert set(features.values()) == {1}


def test_joined_controllers_with_links_count_once(look: LookAt) -> None:
    page = look("slurm_v1_cpu_cpuacct")
    assert page.jobs() == {"481", "482"}
    assert page.one(USER, jobid="481", node="node1") == 12.5
    assert page.one("jobmend_job_cpu_throttled_seconds_total", jobid="481") == 0.25
    assert page.one("jobmend_job_memory_anon_bytes", jobid="481") == 52428800
    assert page.one("jobmend_job_memory_swap_bytes", jobid="481") == 8192
    assert page.one("jobmend_job_memory_limit_hits_total", jobid="481") == 11
    assert page.one("jobmend_job_memory_oom_kills_total", jobid="481") == 1  # of its task
    assert page.all("jobmend_job_memory_limit_bytes", jobid="482") == {}  # v1's "unlimited"
    assert page.claims() == {"exclusive": {"0", "1", "2"}}


def test_a_hybrid_host_has_its_jobs_in_v1(look: LookAt) -> None:
    page = look("hybrid_slurm")
    assert page.jobs() == {"491"}
    assert page.one(USER, jobid="491") == 3.549894
    assert page.all("jobmend_job_pressure_.*") == {}
    assert page.one("jobmend_job_processes", jobid="491") == 1
    assert page.claims(jobid="491") == {"exclusive": {"1", "3"}}


def cgroup_of(page: Look, **labels: str) -> str:
    (found,) = page.all("jobmend_job_info", **labels)
    return dict(found)["cgroup"].rpartition("/")[2]


def test_condor_of_v1_is_named_by_its_processes(look: LookAt) -> None:
    page = look("htcondor_v1")
    assert page.jobs() == {"201.0", ""}  # nobody tells of slot1_2
    assert cgroup_of(page, jobid="201.0") == "condor_var_lib_condor_execute_slot1_1@node1"
    assert page.one(USER, jobid="201.0", scheduler="htcondor") == 41
    assert page.one(USER, jobid="") == 5
    assert page.one("jobmend_job_processes", jobid="201.0") == 2
    assert page.one("jobmend_job_threads", jobid="201.0") == 3
    assert page.all("jobmend_job_cpus") == {}  # HTCondor sets no cpuset
    assert page.claims() == {"affinity": {"0", "1"}}


def test_slots_that_nobody_names_stay_apart(copy_tree: Callable[[str], Path]) -> None:
    tree = copy_tree("htcondor_v1")
    for environ in tree.glob("proc/*/environ"):
        environ.unlink()
    page = Look(once(tree))
    assert page.jobs() == {""}
    assert set(page.all(USER).values()) == {41, 5}


def test_a_pilots_children_are_its_own_job(look: LookAt) -> None:
    page = look("htcondor_v2_24")
    assert page.jobs() == {"211.0", "212.7"}  # not 7777.0, which the pilot's payload says it is
    assert page.one(USER, jobid="211.0") == 41
    assert page.one("jobmend_job_processes", jobid="211.0") == 2
    assert page.one("jobmend_job_threads", jobid="211.0") == 3
    assert page.all("jobmend_job_memory_limit_bytes", jobid="212.7") == {}
    assert page.claims(jobid="212.7") == {"affinity": {"2", "3"}}
    assert page.claims(jobid="211.0") == {}  # may run anywhere, and one look shows no progress


def test_neither_scope_nor_ssh_is_a_job_of_its_own(look: LookAt) -> None:
    page = look("htcondor_v2_25")
    assert page.jobs() == {"221.0", "222.3"}
    assert cgroup_of(page, jobid="221.0") == "_var_lib_condor_execute_slot1_1@node1.slice"
    assert page.one(USER, jobid="221.0") == 41  # sshd's 77 s are not the job's
    assert page.one("jobmend_job_processes", jobid="221.0") == 2
    assert page.claims() == {"affinity": {"3"}}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("htcondor")])
def test_no_secret_of_an_environment_is_on_the_page(name: str) -> None:
    assert b"SECRET=never" in b"".join(
        p.read_bytes() for p in (TREES / name).glob("proc/*/environ")
    )
    assert b"never" not in (TREES / f"{name}.prom").read_bytes()


def test_jobstats_finds_its_numbers_under_v1(tmp_path: Path, config: Config) -> None:
    page = Look(play("slurm_v1_cpu_cpuacct", config, tmp_path / "tree", ("jobstats",)).page)
    assert page.one("cgroup_memory_total_bytes", jobid="481") == 209715200
    assert page.all("cgroup_memory_total_bytes", jobid="482") == {}
    assert page.one("cgroup_memory_rss_bytes", jobid="481") == 52428800
    assert page.one("cgroup_memory_fail_count", jobid="481") == 11
    assert page.one("cgroup_memsw_used_bytes", jobid="481") == 104857600 + 8192
    assert page.one("cgroup_cpu_total_seconds", jobid="481") == 13.75
    assert page.one("cgroup_uid", jobid="482") == 20002


# ---- sequences -----------------------------------------------------------------------------------


@pytest.fixture
def played(tmp_path: Path, config: Config) -> Callable[[str], Played]:
    return lambda name: play(name, config, tmp_path / "tree")


def test_a_job_that_vanishes_in_mid_read_keeps_its_last_values(
    played: Callable[[str], Played],
) -> None:
    end = played("vanishing_job")
    assert end.changes == [({"501", "502", "503"}, set()), (set(), {"503"})]
    page = Look(end.page)
    assert page.one(USER, jobid="501") == 6
    assert page.one(USER, jobid="502") == 7  # its files are gone, its directory not yet
    assert page.one("jobmend_job_cpu_throttled_seconds_total", jobid="501") == 0


def test_the_next_job_of_a_slot_starts_from_nothing(played: Callable[[str], Played]) -> None:
    page = Look(played("reused_slot").page)
    assert page.jobs() == {"302.0"}
    assert page.one(USER, jobid="302.0") == 0.25
    assert page.one("jobmend_job_memory_peak_bytes", jobid="302.0") == 4194304 + 302


def test_a_job_id_that_comes_again_starts_from_nothing(played: Callable[[str], Played]) -> None:
    end = played("reused_job_id")
    assert end.changes == [({"511"}, set()), (set(), {"511"}), ({"511"}, set())]
    page = Look(end.page)
    assert page.one(USER, jobid="511") == 0.25
    assert page.one("jobmend_job_memory_oom_kills_total", jobid="511") == 0
    assert page.one("jobmend_job_memory_limit_bytes", jobid="511") == 104857600
    assert page.claims(jobid="511") == {"exclusive": {"2"}}
