from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from jobmend.agent.cgroups import Sighting
from jobmend.agent.files import Descriptors
from jobmend.agent.ownership import Claim
from jobmend.agent.series import JobSeries, Shown, ThreadSeries
from jobmend.agent.trace import JobTrace
from jobmend.exporter.names import FAMILIES
from jobmend.exporter.page import Page
from jobmend.plugins.layout import JobPath

UNLOCKED = contextlib.nullcontext()
STAT = b"cpu0 1 2 3 4 5 6 7 8 9 10\ncpu3 100 0 0 0 0 0 0 0 0 0\n"


def job(root: Path, job_id: str, **files: str) -> Shown:
    directory = root / job_id.replace("/", "_")
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text)
    trace = JobTrace(4, Descriptors(), 1000.0)
    trace.attach(Sighting(f"x/{job_id}", {"unified": str(directory)}))
    trace.sample(0.0, 1000.5)
    return Shown(JobPath("slurm", job_id), trace, None)


def page(series: JobSeries, jobs: list[Shown], openmetrics: bool = False) -> str:
    made = Page(FAMILIES)
    series.put(made, jobs, UNLOCKED)
    return made.render(openmetrics).decode()


def values(text: str, family: str) -> dict[str, float]:
    return {
        one.labels["jobid"]: one.value
        for found in text_string_to_metric_families(text)
        for one in found.samples
        if one.name == family
    }


CPU = "jobmend_job_cpu_user_seconds_total"
LIMIT = "jobmend_job_memory_limit_bytes"


def test_jobs_that_tell_different_things_stand_on_one_page(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "1", cpu_stat="user_usec 1500000\nsystem_usec 1\n", memory_max="max\n"),
        job(tmp_path, "2", cpu_stat="user_usec 7\nsystem_usec 1\n", memory_max="4096\n"),
        job(tmp_path, "3"),
    ]
    text = page(JobSeries(live=True), jobs)
    assert values(text, CPU) == {"1": 1.5, "2": 7e-6}
    assert values(text, LIMIT) == {"2": 4096}
    assert values(text, "jobmend_job_last_seen_timestamp_seconds") == dict.fromkeys("123", 1000.5)
    assert values(text, "jobmend_job_info") == dict.fromkeys("123", 1.0)


def test_the_next_page_has_the_newest_numbers_and_jobs(tmp_path: Path) -> None:
    series = JobSeries(live=False)
    one = job(tmp_path, "1", cpu_stat="user_usec 10\nsystem_usec 0\n", memory_max="max\n")
    assert values(page(series, [one]), CPU) == {"1": 10e-6}
    (tmp_path / "1" / "cpu.stat").write_text("user_usec 20\nsystem_usec 0\n")
    (tmp_path / "1" / "memory.max").write_text("123\n")
    one.trace.sample(1.0, 1001.0)
    two = job(tmp_path, "2", cpu_stat="user_usec 5\nsystem_usec 0\n")
    text = page(series, [one, two])
    assert values(text, CPU) == {"1": 20e-6, "2": 5e-6}
    assert values(text, LIMIT) == {"1": 123}
    assert values(page(series, [two]), CPU) == {"2": 5e-6}
    assert page(series, []) == ""


def test_of_two_jobs_with_the_same_labels_the_first_stays(tmp_path: Path) -> None:
    series = JobSeries(live=True)
    one = job(tmp_path, "1", cpu_stat="user_usec 10\nsystem_usec 0\n")
    same = one._replace(trace=job(tmp_path, "2", cpu_stat="user_usec 9\nsystem_usec 0\n").trace)
    assert values(page(series, [one, same]), CPU) == {"1": 10e-6}
    assert series.duplicates == 1


@pytest.mark.parametrize("job_id", ['7%b%n"{}', "7\\", "7\n8", "é" * 4000, "\udcff"])
def test_hostile_names_neither_break_the_template_nor_the_page(tmp_path: Path, job_id: str) -> None:
    made = job(tmp_path, "1", cpu_stat="user_usec 10\nsystem_usec 0\n")
    hostile = made._replace(path=JobPath("slurm", job_id))
    text = page(JobSeries(live=True), [hostile])
    (told,) = values(text, CPU)
    assert len(told) <= 200 and told[0] == job_id[0].replace("\udcff", "\ufffd")


def test_a_job_that_fails_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [job(tmp_path, name, cpu_stat="user_usec 1\nsystem_usec 0\n") for name in "12"]

    def fail() -> list[bytes]:
        raise RuntimeError("no words")

    monkeypatch.setattr(jobs[0].trace, "words", fail)
    assert values(page(JobSeries(live=True), jobs), CPU) == {"2": 1e-6}
    assert "job 1 is not on the page" in caplog.text


def test_openmetrics_of_the_same_series(tmp_path: Path) -> None:
    one = job(tmp_path, "1", cpu_stat="user_usec 1500000\nsystem_usec 1\n")
    text = page(JobSeries(live=True), [one], openmetrics=True)
    families = {family.name: family for family in parse_openmetrics(text)}
    assert families[CPU[: -len("_total")]].samples[0].value == 1.5
    assert text.endswith("# EOF\n")


def test_threads_are_told_by_mode_and_with_their_owners() -> None:
    series = ThreadSeries()
    a, b = JobPath("slurm", "1"), JobPath("slurm", "2")
    made = Page(FAMILIES)
    claims = {0: (Claim(a, "shared"), Claim(b, "sampled", 0.25)), 3: (Claim(b, "exclusive"),)}
    series.put(made, STAT, claims, {a: 'jobid="1"', b: 'jobid="2"'})
    text = made.render().decode()
    samples = [one for f in text_string_to_metric_families(text) for one in f.samples]
    ticks = {(s.labels["cpu"], s.labels["mode"]): s.value for s in samples if "mode" in s.labels}
    assert len(ticks) == 16
    assert (ticks["0", "user"], ticks["0", "steal"], ticks["3", "user"]) == (0.01, 0.08, 1.0)
    owners = [(*s.labels.values(), s.value) for s in samples if "mode" not in s.labels]
    assert owners == [
        ("0", "1", "shared", 1.0),
        ("0", "2", "sampled", 0.25),
        ("3", "2", "exclusive", 1.0),
    ]


def test_a_thread_that_goes_offline_is_off_the_page() -> None:
    series = ThreadSeries()
    for lines, threads in ((STAT, 2), (STAT[STAT.index(b"cpu3") :], 1)):
        made = Page(FAMILIES)
        series.put(made, lines, {}, {})
        assert made.render().decode().count('mode="idle"') == threads
