from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from jobmend.exporter.compat import JOBS, ONE, PEERS, UID, JobView, Peer, Row, choose, families
from jobmend.exporter.names import FAMILIES
from jobmend.exporter.page import Page

COMPAT_MD = Path(__file__).parents[2] / "docs" / "compat.md"
GOLDEN = Path(__file__).parent / "compat"
WRITE = os.environ.get("JOBMEND_GOLDEN") == "write"  # tests/trees/regenerate
MEMORY = {
    "jobmend_job_memory_current_bytes": 1000,
    "jobmend_job_memory_anon_bytes": 400,
    "jobmend_job_memory_file_bytes": 300,
    "jobmend_job_memory_shmem_bytes": 20,
    "jobmend_job_memory_swap_bytes": 50,
    "jobmend_job_memory_limit_bytes": 4096,
    "jobmend_job_memory_oom_events_total": 2,
    "jobmend_job_memory_limit_hits_total": 17,
}
PRESSURE = {
    f"jobmend_job_pressure_{resource}_{word}_seconds_total": place + part
    for place, resource in enumerate(("cpu", "memory", "io"), 1)
    for word, part in (("waiting", 0.5), ("stalled", 0.25))
}
FULL = JobView(
    scheduler="slurm",
    job_id="3385",
    run="s5K1KKYAYG5D00",
    cgroup="system.slice/slurmstepd.scope/s5K1KKYAYG5D00",
    user="tester",
    uid=20001,
    hostname="n1",
    cpus=(0, 2),
    values={
        "jobmend_job_cpu_user_seconds_total": 3.5,
        "jobmend_job_cpu_system_seconds_total": 0.25,
        "jobmend_job_cpus": 2,
        **MEMORY,
        **PRESSURE,
    },
)
# Of two Slurm nodes on one machine, v1, with next to nothing measured: not even a limit.
BARE = JobView("slurm", "7", node="b", cgroup="slurm_b/uid_1/job_7", unified=False, hostname="n1")
TWIN = replace(BARE, node="c", cgroup="slurm_c/uid_1/job_7", values={"jobmend_job_cpus": 1})
# What promtool's linter says of the peers' names; nothing else may be said of a page of ours.
REMARKS = (
    'counter metrics should have "_total" suffix',
    'non-histogram and non-summary metrics should not have "_count" suffix',
)


def page_of(*names: str, jobs: tuple[JobView, ...] = (FULL, BARE, TWIN)) -> Page:
    peers = choose(names)
    page = Page({**FAMILIES, **families(peers)})
    for peer in peers:
        for job in jobs:
            peer.add(page, job)
        peer.add_count(page, jobs)
    return page


def series(page: Page) -> dict[tuple[str, str], float]:
    parsed = text_string_to_metric_families(page.render().decode())
    return {
        (one.name, ",".join(f"{k}={v}" for k, v in sorted(one.labels.items()))): one.value
        for family in parsed
        for one in family.samples
    }


def sample_lines(page: bytes) -> list[bytes]:
    return [line for line in page.splitlines() if not line.startswith(b"#")]


@pytest.mark.parametrize("name", PEERS)
def test_the_page_of_a_peer_is_exactly_this(name: str) -> None:
    page, golden = page_of(name).render(), GOLDEN / f"{name}.prom"
    if WRITE:
        golden.write_bytes(page)
    assert page.decode() == golden.read_text()


@pytest.mark.parametrize("names", [*((name,) for name in PEERS), ("jobstats", "ceems")])
def test_promtool_remarks_on_the_peers_names_alone(names: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    page = page_of(*names).render()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
    told = (done.stdout + done.stderr).decode().splitlines()
    assert done.returncode in (0, 3), told  # 1: it could not be read
    assert [line for line in told if not line.endswith(REMARKS)] == []


@pytest.mark.parametrize("names", [*((name,) for name in PEERS), ("treydock", "ceems")])
def test_no_series_is_there_twice(names: tuple[str, ...]) -> None:
    page = page_of(*names)
    assert page.duplicates == 0
    assert len(series(page)) == len(sample_lines(page.render()))


@pytest.mark.parametrize("names", [*((name,) for name in PEERS), ("jobstats", "ceems")])
def test_openmetrics_keeps_the_names(names: tuple[str, ...]) -> None:
    page = page_of(*names)
    other = page.render(openmetrics=True)
    assert sample_lines(other) == sample_lines(page.render())
    expected = {}
    for name, family in families(choose(names)).items():
        odd = family.type == "counter" and not name.endswith("_total")
        # OpenMetrics has no counter of such a name.
        expected[name.removesuffix("_total")] = "unknown" if odd else family.type
    parsed = openmetrics_families(other.decode())
    assert {family.name: family.type for family in parsed} == expected


def test_what_the_queries_of_jobstats_ask_for_is_there() -> None:
    found = series(page_of("jobstats"))
    assert found["cgroup_memory_total_bytes", "jobid=3385"] == 4096
    assert found["cgroup_memory_rss_bytes", "jobid=3385"] == 400
    assert found["cgroup_memory_shmem_bytes", "jobid=3385"] == 20
    assert found["cgroup_cpu_total_seconds", "jobid=3385"] == 3.75
    assert found["cgroup_cpus", "jobid=3385"] == 2
    assert found["cgroup_uid", "jobid=3385"] == 20001


def test_treydock_joins_a_cgroup_to_its_job() -> None:
    found = series(page_of("treydock"))
    cgroup = "cgroup=/system.slice/slurmstepd.scope/s5K1KKYAYG5D00"
    assert found["cgroup_info", f"{cgroup},jobid=3385,uid=20001,username=tester"] == 1
    assert found["cgroup_cpu_info", f"{cgroup},cpus=0,2"] == 1
    assert found["cgroup_memory_rss_bytes", cgroup] == 700
    assert found["cgroup_io_pressure_seconds_total", f"{cgroup},type=full"] == 3.25


def test_memory_means_other_things_under_v1() -> None:
    old = replace(FULL, unified=False)
    found = series(page_of("treydock", jobs=(old,)))
    cgroup = f"cgroup=/{old.cgroup}"
    assert found["cgroup_memory_rss_bytes", cgroup] == 400
    assert found["cgroup_memsw_used_bytes", cgroup] == 1050
    assert found["cgroup_memory_fail_count", cgroup] == 17


def test_what_is_not_measured_is_absent_under_every_name() -> None:
    bare = replace(BARE, node="")
    left = {name for name, _ in series(page_of("jobstats", "ceems", jobs=(bare,)))}
    assert left == {"ceems_compute_units"}
    assert {name for name, _ in series(page_of("treydock", jobs=(bare,)))} == {"cgroup_info"}


def test_half_a_sum_is_no_sum() -> None:
    half = replace(FULL, values={"jobmend_job_cpu_user_seconds_total": 1})
    assert "cgroup_cpu_total_seconds" not in {
        n for n, _ in series(page_of("treydock", jobs=(half,)))
    }


def test_ceems_counts_the_jobs_of_each_manager() -> None:
    condor = JobView("htcondor", "", slot="slot1_1@n1", hostname="n1")
    found = series(page_of("ceems", jobs=(FULL, BARE, condor)))
    assert found["ceems_compute_units", "hostname=n1,manager=slurm"] == 2
    assert found["ceems_compute_units", "hostname=n1,manager=htcondor"] == 1


def test_a_job_nobody_named_goes_by_its_run_or_slot() -> None:
    assert replace(FULL, job_id="").name == "s5K1KKYAYG5D00"
    assert JobView("htcondor", "", run="0", slot="slot1_1@n1").name == "slot1_1@n1"


def test_a_long_list_of_threads_is_not_cut() -> None:
    wide = replace(FULL, cpus=tuple(range(256)))
    (labels,) = (
        found for name, found in series(page_of("treydock", jobs=(wide,))) if "cpu_info" in name
    )
    assert labels.endswith("cpus=" + ",".join(map(str, range(256))))


@given(text=st.text(max_size=300))
@pytest.mark.parametrize("name", PEERS)
def test_hostile_text_stays_one_label(name: str, text: str) -> None:
    hostile = replace(FULL, job_id=text, user=text, cgroup=text, node=text, hostname=text)
    page = page_of(name, jobs=(hostile,))
    assert len(series(page)) == len(sample_lines(page.render()))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["treydock", "jobstats"], "cannot have both treydock and jobstats"),
        (["cadvisor"], "compat knows treydock, jobstats, ceems, not 'cadvisor'"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(names: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        choose(names)


def test_each_peer_is_chosen_once() -> None:
    assert [peer.name for peer in choose(["ceems", "treydock", "ceems"])] == ["ceems", "treydock"]


def rows(peer: Peer) -> list[Row]:
    return [*peer.rows, *([peer.count] if peer.count else [])]


@pytest.mark.parametrize("name", PEERS)
def test_the_table_is_made_of_families_of_ours(name: str) -> None:
    for row in rows(PEERS[name]):
        assert {*row.terms, *row.terms_v1} <= {*FAMILIES, ONE, UID, JOBS}, row.name
        assert row.type in ("counter", "gauge")
        assert row.name not in FAMILIES
        assert (row.type, row.help, row.all_labels) == (
            PEERS[name].families[row.name].type,
            PEERS[name].families[row.name].help,
            PEERS[name].families[row.name].labels,
        ), f"{row.name}: rows of one name must agree"


def section(name: str) -> str:
    return COMPAT_MD.read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", PEERS)
def test_the_documentation_holds_every_row(name: str) -> None:
    told = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| ([^|]*)\|$", section(name), re.M
    )
    assert [(n, t, re.findall(r"\w+", labels), made.strip()) for n, t, labels, made, _ in told] == [
        (row.name, row.type, list(row.all_labels), " + ".join(f"`{term}`" for term in row.terms))
        for row in rows(PEERS[name])
    ]
    for row, (*_, remark) in zip(rows(PEERS[name]), told):
        for label, value in row.fixed:
            assert f'{label}="{value}"' in remark
        if row.terms_v1 not in ((), row.terms):
            assert "v1: " + " + ".join(f"`{term}`" for term in row.terms_v1) in remark


@pytest.mark.parametrize("name", PEERS)
def test_what_is_documented_as_absent_is_absent(name: str) -> None:
    (table,) = re.findall(r"\| name \| why \|\n\|[-|]+\|\n((?:\|.*\|\n?)+)", section(name))
    absent = {n for line in table.splitlines() for n in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert absent and absent & set(PEERS[name].families) == set()
