"""The units are what systemd understands, and as closed as docs/security.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

UNITS = ROOT / "packaging" / "systemd"
SERVICES = ("jobmend-agent", "jobmend-brain", "jobmend-learn")
PROGRAM = re.compile(r"^ExecStart=/usr/(?:bin|lib/jobmend-brain/bin)/(\S+)", re.M)
SCORE = re.compile(r"Overall exposure level for \S+: ([\d.]+) ")

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here"
)


# Releases weigh what a unit leaves open a little differently; the page tells that of this one.
TOLD_OF = "systemd 252 "


def version() -> str:
    command = ["systemd-analyze", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def security(unit: Path) -> str:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    (score,) = SCORE.findall(done.stdout)
    assert isinstance(score, str)
    return score


@pytest.mark.parametrize("name", SERVICES)
def test_the_score_is_the_one_the_page_tells(name: str) -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    (told,) = re.findall(rf"^\| `{name}.service` \| ([\d.]+) \| none \|", page, re.M)
    score = security(UNITS / f"{name}.service")
    assert float(score) <= 2.0
    if version().startswith(TOLD_OF):
        assert score == told


def test_the_score_with_the_drop_in(tmp_path: Path) -> None:
    unit = tmp_path / "jobmend-agent.service"
    parts = [UNITS / "jobmend-agent.service", UNITS / "htcondor-environ.conf"]
    unit.write_text("".join(part.read_text() for part in parts))
    score = security(unit)
    assert float(score) <= 2.5
    if version().startswith(TOLD_OF):
        assert f"the score is {score} with it" in (ROOT / "docs" / "security.md").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    text = (UNITS / f"{name}.service").read_text()
    unit = tmp_path / f"{name}.service"  # its program is not on this machine
    unit.write_text(PROGRAM.sub("ExecStart=/bin/true", text))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    about_it = [line for line in done.stderr.splitlines() if name in line]
    assert (done.returncode, about_it) == (0, [])


def test_a_scorer_that_runs_out_of_memory_does_not_end_the_agent() -> None:
    text = (UNITS / "jobmend-agent.service").read_text().splitlines()
    assert "OOMPolicy=continue" in text, "systemd ends a service one process of which is killed"


def test_the_program_of_a_unit_is_one_that_is_installed() -> None:
    scripts = (ROOT / "setup.cfg").read_text()
    for unit in UNITS.glob("*.service"):
        (program,) = PROGRAM.findall(unit.read_text())
        assert re.search(rf"^ *{program} = ", scripts, re.M)


def test_learning_is_asked_for_every_day(tmp_path: Path) -> None:
    for name in ("jobmend-learn.timer", "jobmend-learn.service"):
        text = (UNITS / name).read_text()
        (tmp_path / name).write_text(PROGRAM.sub("ExecStart=/bin/true", text))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "jobmend-learn.timer")]
    done = subprocess.run(command, capture_output=True, text=True)
    about_it = [line for line in done.stderr.splitlines() if "jobmend-learn" in line]
    assert (done.returncode, about_it) == (0, [])
    (when,) = re.findall("^OnCalendar=(.+)$", (UNITS / "jobmend-learn.timer").read_text(), re.M)
    command = ["systemd-analyze", "calendar", "--iterations=2", when]
    assert subprocess.run(command, capture_output=True).returncode == 0
