"""The whole road: jobs fail, advice is given and applied, and the outcome is verified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(900)  # a busy machine does more rounds of healthy work

ROOT = Path(__file__).parents[2]
REPORT_FIELDS = {
    "workflow",
    "cause",
    "action",
    "parameters",
    "probability",
    "applied",
    "outcome",
}


def play(report: Path, *options: str) -> dict[str, dict[str, Any]]:
    """One campaign; its rows by injected cause."""
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "campaign.py", "--report", report, *options],
        capture_output=True,
        text=True,
        timeout=840,
    )
    print(done.stdout)  # the table, shown when a test fails
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])) == {"workflows", "unmended", "seconds"}
    return {row["cause"]: row for row in json.loads(report.read_text())}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """On this machine, the brain killed with -9 and started again in the middle."""
    if os.geteuid() != 0:
        pytest.skip("not root: no cgroups for the jobs")
    return play(tmp_path_factory.mktemp("campaign") / "report.json", "--kill-brain")


def test_every_row_keeps_the_contract(campaign: dict[str, dict[str, Any]]) -> None:
    for row in campaign.values():
        assert set(row) >= REPORT_FIELDS
        assert row["probability"] is None or 0 < row["probability"] <= 1


@pytest.mark.parametrize(
    ("cause", "action", "parameter"),
    [
        ("memory limit exceeded", "recover", "memory_bytes"),
        ("time limit", "recover", "walltime_seconds"),
        ("transient failure of the first attempt", "recover", None),
        ("bad site", "recover", "sites_avoid"),
    ],
)
def test_what_can_be_mended_is_mended(
    campaign: dict[str, dict[str, Any]], cause: str, action: str, parameter: str | None
) -> None:
    row = campaign[cause]
    assert (row["action"], row["applied"], row["outcome"]) == (action, True, "success")
    assert parameter is None or parameter in row["parameters"]


def test_a_bug_is_not_run_again(campaign: dict[str, dict[str, Any]]) -> None:
    assert campaign["bug"]["action"] not in (None, "recover", "clone", "resubmit")


@pytest.mark.parametrize(
    ("cause", "action"),
    [("hang", "kill"), ("CPU-hog neighbour", "wait"), ("I/O-hog neighbour", "wait")],
)
def test_what_only_traces_show_is_advised(
    campaign: dict[str, dict[str, Any]], cause: str, action: str
) -> None:
    assert (campaign[cause]["action"], campaign[cause]["outcome"]) == (action, "success")


def test_nothing_is_left_behind(campaign: dict[str, dict[str, Any]]) -> None:
    left = [path for path in Path("/sys/fs/cgroup").glob("*/jobmend_*/job_*")]
    assert left == []


def test_without_cgroups_it_works_and_says_what_it_could_not_measure(tmp_path: Path) -> None:
    rows = play(tmp_path / "report.json", "--unmeasured")
    mended = ("memory limit exceeded", "time limit", "bad site")
    assert {rows[cause]["outcome"] for cause in mended} == {"success"}
    assert rows["bug"]["action"] == "hold"
    assert rows["hang"]["action"] == "ask", "nobody saw whether it made progress"
    for neighbour in ("CPU-hog neighbour", "I/O-hog neighbour"):
        assert rows[neighbour]["outcome"] == "not measured"


@pytest.mark.slurm
def test_the_same_road_on_a_real_slurm(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        pytest.skip("a real Slurm needs root and Debian's packages")
    rows = play(tmp_path / "report.json", "--scheduler", "slurm")
    assert {cause: (row["action"], row["outcome"]) for cause, row in rows.items()} == {
        "memory limit exceeded": ("recover", "success"),
        "bug": ("hold", "success"),
        "transient failure of the first attempt": ("recover", "success"),
        "bad site": ("recover", "success"),
        "hang": ("kill", "success"),
    }
