"""The agent beside Slurm 24.11 and systemd, on pure cgroup v2, as a service without rights."""

from __future__ import annotations

import pytest

from jobmend.exporter.names import FAMILIES
from jobmend.jobs.events import EventKind
from jobmend.jobs.exits import ExitKind
from tests.vm.observed import Observed

pytestmark = [pytest.mark.vm, pytest.mark.timeout(2000)]

PRESSURE = [
    f"jobmend_job_pressure_{resource}_{word}_seconds_total"
    for resource in ("cpu", "memory", "io")
    for word in ("waiting", "stalled")
]
MEBIBYTE = 1 << 20
SCRAPE_SECONDS = 5.0  # between the two pages of the running job


def test_every_scene_was_played_and_the_agent_had_no_trouble(guest: Observed) -> None:
    assert guest.failures == {}
    assert "Traceback" not in guest.log
    assert "ERROR" not in guest.log


def test_the_agent_has_no_rights(guest: Observed) -> None:
    assert guest.agent["Uid"].split()[0] != "0"
    assert int(guest.agent["CapEff"], 16) == int(guest.agent["CapBnd"], 16) == 0
    assert guest.agent["NoNewPrivs"] == "1"


def test_a_running_job_shows_who_it_is(guest: Observed) -> None:
    job = guest.jobs["busy"].id
    info = guest.pages["busy late"].one("jobmend_job_info", jobid=job)
    told = {"scheduler": "slurm", "run": "0", "user": "tester", "site": "main"}
    assert told.items() <= info.labels.items()
    assert info.labels["cgroup"] == guest.kernel["busy"]["cgroup"]


def test_a_running_job_shows_its_cpu_time(guest: Observed) -> None:
    job, own = guest.jobs["busy"].id, guest.jobs["busy"].own
    early, late = guest.pages["busy early"], guest.pages["busy late"]
    name = "jobmend_job_cpu_user_seconds_total"
    assert own is not None
    # The job is never idle; half leaves room for the rest of an emulated machine.
    assert late.value(name, jobid=job) - early.value(name, jobid=job) > 0.5 * SCRAPE_SECONDS
    assert late.value(name, jobid=job) < own["cgroup_cpu_seconds"]
    assert late.value("jobmend_job_cpu_system_seconds_total", jobid=job) > 0


def test_a_running_job_shows_its_memory(guest: Observed) -> None:
    job, page = guest.jobs["busy"].id, guest.pages["busy late"]
    anon = page.value("jobmend_job_memory_anon_bytes", jobid=job)
    current = page.value("jobmend_job_memory_current_bytes", jobid=job)
    peak = page.value("jobmend_job_memory_peak_bytes", jobid=job)
    limit = page.value("jobmend_job_memory_limit_bytes", jobid=job)
    assert 40 * MEBIBYTE < anon <= current <= peak <= limit
    assert limit == guest.kernel["busy"]["limit"] == 150 * MEBIBYTE
    assert page.value("jobmend_job_memory_oom_kills_total", jobid=job) == 0


def test_a_running_job_shows_its_pressure(guest: Observed) -> None:
    job, page = guest.jobs["busy"].id, guest.pages["busy late"]
    waited = {name: page.value(name, jobid=job) for name in PRESSURE}
    assert waited["jobmend_job_pressure_cpu_waiting_seconds_total"] > 0
    assert all(seconds >= 0 for seconds in waited.values())


def test_a_running_job_shows_its_processes(guest: Observed) -> None:
    job, page = guest.jobs["busy"].id, guest.pages["busy late"]
    processes = page.value("jobmend_job_processes", jobid=job)
    assert processes == guest.kernel["busy"]["processes"]
    assert page.value("jobmend_job_threads", jobid=job) > processes  # the job starts one more


def test_a_job_owns_exactly_the_threads_of_its_cpuset(guest: Observed) -> None:
    job, own, page = guest.jobs["busy"].id, guest.jobs["busy"].own, guest.pages["busy late"]
    held = page.find("jobmend_thread_job_info", jobid=job)
    assert own is not None
    assert [int(sample.labels["cpu"]) for sample in held] == own["threads"]
    assert {sample.labels["ownership"] for sample in held} == {"exclusive"}
    assert page.value("jobmend_job_cpus", jobid=job) == len(own["threads"]) == 1


def test_the_service_sees_of_a_job_what_root_sees(guest: Observed) -> None:
    job = guest.jobs["busy"].id
    root = guest.pages["busy seen by root"].names(job)
    assert len(root) > 20
    assert root - guest.pages["busy late"].names(job) == set()


def test_what_slurm_gives_its_jobs_no_controller_for_is_absent(guest: Observed) -> None:
    job, page = guest.jobs["busy"].id, guest.pages["busy late"]
    assert set(guest.kernel["busy"]["controllers"]) == {"cpuset", "cpu", "memory"}
    assert [name for name in page.names(job) if "_io_" in name and "pressure" not in name] == []
    assert page.value("jobmend_feature_supported", feature="io") == 0
    for feature in ("psi", "peak", "cpuset"):
        assert page.value("jobmend_feature_supported", feature=feature) == 1


def test_a_failed_job_ends_with_its_code_on_the_page_and_in_the_spool(guest: Observed) -> None:
    job = guest.jobs["busy"]
    assert (job.state, job.exit_code) == ("FAILED", "3:0")
    info = guest.pages["busy ended"].one("jobmend_job_exit_info", jobid=job.id)
    assert (info.labels["kind"], info.labels["code"]) == ("error", "3")
    start, end = guest.event(EventKind.START, "busy"), guest.event(EventKind.END, "busy")
    assert start.facts.user == end.facts.user == "tester"
    assert end.facts.comment == "merge"
    assert end.exit is not None and (end.exit.kind, end.exit.code) == (ExitKind.ERROR, 3)


@pytest.mark.parametrize("name", ["busy", "short"])
def test_the_cpu_time_of_an_ended_job_is_whole(guest: Observed, name: str) -> None:
    job, trace = guest.jobs[name], guest.event(EventKind.END, name).trace
    assert job.own is not None and trace is not None and trace.cpu_seconds is not None
    # Not less than the cgroup had counted in the job's own last moment, and not more than all jobs
    # and their step daemons had used when the job was gone. Only the step daemon works in between.
    assert job.own["cpu_seconds"] <= job.own["cgroup_cpu_seconds"] <= trace.cpu_seconds <= job.used


def test_the_totals_of_a_job_that_nobody_scraped_are_on_the_page(guest: Observed) -> None:
    job, page = guest.jobs["short"], guest.pages["short ended"]
    assert job.state == "COMPLETED" and job.own is not None
    total = sum(
        page.value(f"jobmend_job_cpu_{mode}_seconds_total", jobid=job.id)
        for mode in ("user", "system")
    )
    assert total >= job.own["cpu_seconds"]
    assert page.one("jobmend_job_exit_info", jobid=job.id).labels["kind"] == "success"


def test_no_job_of_a_burst_is_lost(guest: Observed) -> None:
    jobs = {name: job for name, job in guest.jobs.items() if name.startswith("burst ")}
    assert len(jobs) == 8
    for name, job in jobs.items():
        trace = guest.event(EventKind.END, name).trace
        assert job.own is not None and job.state == "COMPLETED"
        assert trace is not None and trace.cpu_seconds is not None, f"{name} was not measured"
        assert trace.cpu_seconds >= job.own["cgroup_cpu_seconds"], name


def test_a_job_over_its_memory_limit_ends_out_of_memory(guest: Observed) -> None:
    job, page = guest.jobs["greedy"], guest.pages["greedy ended"]
    assert job.state == "OUT_OF_MEMORY"
    assert page.one("jobmend_job_exit_info", jobid=job.id).labels["kind"] == "out_of_memory"
    end = guest.event(EventKind.END, "greedy")
    assert end.exit is not None and end.exit.kind is ExitKind.OUT_OF_MEMORY
    assert end.trace is not None and end.trace.oom_kills is not None
    assert end.trace.oom_kills >= 1
    assert end.trace.memory_limit_bytes == 60 * MEBIBYTE
    assert end.trace.memory_peak_bytes == pytest.approx(60 * MEBIBYTE, rel=0.05)


def test_an_idle_job_is_visible(guest: Observed) -> None:
    job, page = guest.jobs["idle"].id, guest.pages["idle"]
    assert page.one("jobmend_job_info", jobid=job).labels["user"] == "tester"
    assert page.value("jobmend_job_processes", jobid=job) >= 1
    assert guest.event(EventKind.END, "idle").trace is not None


def test_an_allocation_without_a_process_is_told_of(guest: Observed) -> None:
    start, end = guest.event(EventKind.START, "empty"), guest.event(EventKind.END, "empty")
    assert start.time <= end.time
    assert end.trace is None  # Slurm makes its cgroup with the first step, so nothing was measured


def test_io_and_pids_are_read_where_a_job_has_them(guest: Observed) -> None:
    page, kernel = guest.pages["every controller"], guest.kernel["every controller"]
    job = {"scheduler": "slurm", "jobid": "900001"}
    written = page.value("jobmend_job_io_write_bytes_total", **job)
    assert written >= 16 * MEBIBYTE
    assert f"wbytes={written:.0f} " in kernel["io"]
    assert page.value("jobmend_job_io_write_operations_total", **job) > 0
    assert page.value("jobmend_job_threads", **job) == kernel["pids"]
    assert page.value("jobmend_feature_supported", feature="io") == 1


def test_ended_jobs_leave_the_page(guest: Observed) -> None:
    page = guest.pages["forgotten"]
    assert [sample for sample in page.samples if "jobid" in sample.labels] == []
    heard = page.value("jobmend_agent_hook_events_total", hook="end", result="accepted")
    assert heard == len(guest.jobs)
    errors = page.find("jobmend_agent_attribution_errors_total")
    assert errors != [] and sum(sample.value for sample in errors) == 0


def test_no_page_has_a_name_that_is_not_documented(guest: Observed) -> None:
    for title, page in guest.pages.items():
        names = {sample.name.removesuffix("_sum").removesuffix("_count") for sample in page.samples}
        assert names - set(FAMILIES) == set(), title
