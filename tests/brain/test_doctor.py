"""The brain's part of the doctor: brain, schedulers, models, token, and what it saw of jobs."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from jobmend.brain import tokens
from jobmend.brain.api.answers import SchedulerStatus, Status
from jobmend.brain.cli import doctor
from jobmend.brain.cli.client import Client, Settings
from jobmend.brain.cli.program import main
from jobmend.jobs.events import JobFacts, TraceSummary
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins import doctor as plugins_doctor
from jobmend.plugins.doctor.__main__ import _arguments
from jobmend.plugins.doctor.agent import NO_END_HOOK
from jobmend.plugins.doctor.findings import Check, Level
from jobmend.plugins.htcondor import checks as condor_checks
from jobmend.plugins.slurm import checks as slurm_checks
from jobmend.plugins.slurm import hook_checks
from tests.brain.conftest import Server
from tests.brain.scene import NOW, OK

DOCS = Path(__file__).parents[2] / "docs"
DEAD = "http://127.0.0.1:9"
STATUS = Status(
    "0.1.0", True, [SchedulerStatus("c1", "slurm", NOW, "")], {"failures": True}, {}, {}
)
SEEN = RunRecord(
    Run("c1", "slurm", "7", "0"),
    JobFacts(workflow="ada/merge"),
    node="n1",
    ended=NOW - 600,
    exit=OK,
    trace=TraceSummary(10.0, 10),
)


def test_the_token_must_be_private(tmp_path: Path) -> None:
    tokens.ensure(tmp_path)
    path = tmp_path / "operator"
    assert doctor.check_token(None).level is Level.NOTE
    assert doctor.check_token(path).level is Level.GOOD
    path.chmod(0o604)
    found = doctor.check_token(path)
    assert (found.level, found.cure) == (Level.BAD, f"chmod 600 {path}")
    assert doctor.check_token(tmp_path / "none").cure.startswith("give this user a copy")


def test_schedulers_that_do_not_answer_the_brain_are_named() -> None:
    good = doctor.check_polls(STATUS, NOW + 3)
    assert (good.level, good.text) == (Level.GOOD, "asked slurm of c1 3 s ago")
    broken = replace(STATUS, schedulers=[SchedulerStatus("c1", "slurm", NOW, "sacct exited 1")])
    found = doctor.check_polls(broken, NOW)
    assert (found.level, found.text) == (Level.BAD, "slurm of c1: sacct exited 1")
    fresh = replace(STATUS, schedulers=[SchedulerStatus("c1", "slurm", None, "")])
    assert doctor.check_polls(fresh, NOW).level is Level.NOTE


def test_models_that_are_not_trained_are_a_note_with_the_command() -> None:
    assert doctor.check_models(STATUS).level is Level.GOOD
    found = doctor.check_models(replace(STATUS, models={"failures": False, "traces": True}))
    assert (found.level, found.cure) == (Level.NOTE, "jobmend learn failures")


def test_a_job_that_all_saw_is_good_and_each_scheduler_is_judged_alone() -> None:
    other = replace(SEEN, run=Run("c1", "htcondor", "7.0", "x#1"), trace=None)
    first, second = doctor.judge_jobs([SEEN, other], NOW)
    assert (first.level, "htcondor of c1" in first.text) == (Level.BAD, True)
    assert "none was seen by cgroup" in first.text
    assert (second.level, "slurm of c1" in second.text) == (Level.GOOD, True)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (replace(SEEN, node=""), "none was seen by hook"),
        (
            replace(SEEN, exit=Exit("slurm", ExitKind.UNKNOWN, reason=NO_END_HOOK)),
            "none was seen by hook",
        ),
        (replace(SEEN, trace=None), "none was seen by cgroup"),
        (replace(SEEN, facts=JobFacts()), "none was seen by accounting"),
    ],
)
def test_who_did_not_see_the_newest_jobs_is_named(record: RunRecord, words: str) -> None:
    (found,) = doctor.judge_jobs([record, record], NOW)
    assert (found.level, words in found.text) == (Level.BAD, True)
    (found,) = doctor.judge_jobs([record, SEEN], NOW)
    assert found.level is Level.NOTE


def test_accounting_that_may_yet_tell_and_a_queue_without_an_agent_are_not_blamed() -> None:
    (fresh,) = doctor.judge_jobs([replace(SEEN, facts=JobFacts(), ended=NOW - 5)], NOW)
    assert (fresh.level, "not asked: accounting" in fresh.text) == (Level.NOTE, True)
    local = replace(SEEN, run=Run("c1", "local", "7", "x"), node="", trace=None)
    (found,) = doctor.judge_jobs([local], NOW)
    assert found.level is Level.NOTE
    (old,) = doctor.judge_jobs([replace(SEEN, ended=NOW - 1e6), replace(SEEN, ended=None)], NOW)
    assert "no job ended" in old.text


def test_a_brain_that_answers_is_asked_everything(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(Settings())
    monkeypatch.setattr(client, "_http", server.http)
    found = {one.check: one for one in doctor.examine_brain(client)}
    assert {"brain", "brain's schedulers", "brain's models", "versions", "recent jobs"} <= set(
        found
    )
    assert found["brain"].level is found["versions"].level is Level.GOOD
    assert found["recent jobs"].text == "no job ended in the last day"


def test_nothing_runs_and_every_bad_finding_has_a_cure(tmp_path: Path) -> None:
    env = {"JOBMEND_URL": DEAD, "HOME": str(tmp_path), "JOBMEND_HOOK_SOCKET": str(tmp_path / "no")}
    done = CliRunner().invoke(main, ["doctor", "--json", "--agent", DEAD], env=env)
    found = json.loads(done.stdout)
    bad = {one["check"] for one in found if one["level"] == "bad"}
    assert done.exit_code == 1
    assert bad >= {"brain", "agent", "hook socket"}
    assert all(one["cure"] and one["manual"] for one in found if one["level"] == "bad")
    piped = CliRunner().invoke(main, ["doctor", "--agent", DEAD], env=env).stdout.splitlines()
    assert piped[0].split("\t") == ["CHECK", "RESULT", "FINDING", "CURE", "MANUAL"]
    assert len(piped) == len(found) + 1


def checks() -> list[Check]:
    """Every check there is, wherever it is defined."""
    names = [found.name for found in pkgutil.iter_modules(plugins_doctor.__path__, "")]
    modules: list[ModuleType] = [
        importlib.import_module(f"jobmend.plugins.doctor.{name}")
        for name in names
        if name != "__main__"
    ]
    modules += [slurm_checks, hook_checks, condor_checks, doctor]
    return [one for module in modules for one in vars(module).values() if isinstance(one, Check)]


def test_every_check_is_documented_and_no_other() -> None:
    page = (DOCS / "doctor.md").read_text()
    tables = page[page.index("## The brain") :]
    assert set(re.findall(r"^\| `([^`]+)` \|", tables, re.M)) == {one.name for one in checks()}


def test_every_option_is_documented() -> None:
    page = (DOCS / "doctor.md").read_text()
    there = {option for action in _arguments()._actions for option in action.option_strings}
    assert set(re.findall(r"`(--?[a-z]+)[ `]", page)) - {"--check-config"} >= there


def test_every_section_of_our_own_pages_that_a_check_names_is_there() -> None:
    for one in checks():
        for page, heading in re.findall(r"docs/(\w+\.md)(?:, ([^;]+))?", one.manual):
            text = (DOCS / page).read_text()
            assert not heading or f"# {heading}\n" in text, one


def test_a_check_has_one_name() -> None:
    names = [one.name for one in {id(one): one for one in checks()}.values()]
    assert len(names) == len(set(names))
