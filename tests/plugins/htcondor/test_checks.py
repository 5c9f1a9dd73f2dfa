"""HTCondor's checks: on what a machine's configuration says, and on a real pool."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from jobmend.plugins.doctor.findings import Finding, Level
from jobmend.plugins.htcondor import checks
from jobmend.plugins.htcondor.checks import Here
from jobmend.plugins.scheduler import SchedulerError, call
from tests.agent.running import until
from tests.plugins.htcondor.conftest import PACKAGE, Pool

# As condor_config_val of HTCondor 25 prints it, the lines that count.
GOOD = """\
# Configuration from machine: node1
BASE_CGROUP = htcondor
CGROUP_MEMORY_LIMIT_POLICY = hard
CONDOR_VERSION = 25.14.1
DAEMON_LIST = MASTER COLLECTOR, SCHEDD STARTD
EVENT_LOG = /var/log/condor/EventLog
FULL_HOSTNAME = node1
HISTORY = /var/spool/condor/history
JOBMEND_HOOK_JOB_EXIT = /opt/jobmend-hook
JOBMEND_HOOK_PREPARE_JOB = /opt/jobmend-hook
JOBMEND_HOOK_UPDATE_JOB_INFO = /opt/jobmend-hook
JOB_EPOCH_HISTORY = /var/spool/condor/epoch_history
QUEUE_SUPER_USERS = root, condor
SEC_TOKEN_DIRECTORY = /tokens
SEC_TOKEN_SYSTEM_DIRECTORY = /tokens
STARTD_CRON_JOBLIST = TESTBED jobmend
STARTD_CRON_JOBMEND_EXECUTABLE = /opt/jobmend-hook
STARTER_DEFAULT_JOB_HOOK_KEYWORD = JOBMEND
STARTER_JOB_HOOK_KEYWORD =
# Contributing configuration file(s):
#\t/etc/condor/condor_config
"""
ANSWERS = {
    "JobmendTime": "1795268986 true\n1795268986 true\n",
    "MyCurrentTime": "1795268986 1795268987\nundefined 1795268987\n",
    "WRITE": "         Instruction Authentication Decision Identity\n WRITE FS ALLOW condor@pool\n",
}
as_root = pytest.mark.skipif(os.getuid() != 0, reason="hooks belong to root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose hook and event log are in order."""
    (tmp_path / "opt").mkdir(mode=0o755)
    hook = tmp_path / "opt" / "jobmend-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    log = tmp_path / "var" / "log" / "condor"
    log.mkdir(parents=True)
    (log / "EventLog").write_text("")
    (tmp_path / "tokens").mkdir(mode=0o700)
    (tmp_path / "tokens" / "brain").touch(mode=0o600)
    return tmp_path


def examined(
    root: Path, text: str = GOOD, answers: Mapping[str, str] = ANSWERS
) -> dict[str, Finding]:
    def ask(argv: Sequence[str]) -> str:
        if argv[0] == "condor_config_val":
            return text
        for word in argv:
            if word in answers:
                return answers[word]
        raise SchedulerError(f"{argv[0]} exited 1: it is broken")

    return {one.check: one for one in checks.examine(Here(ask, root), which=lambda name: name)}


@as_root
def test_a_machine_in_order(root: Path) -> None:
    found = examined(root)
    assert {one.level for one in found.values()} == {Level.GOOD}, found
    assert found["condor configuration"].text.startswith("version 25.14.1, daemons here: MASTER")


BROKEN = [
    ("STARTER_DEFAULT_JOB_HOOK_KEYWORD = JOBMEND\n", "", "condor hooks", "bad"),
    ("STARTER_JOB_HOOK_KEYWORD =", "STARTER_JOB_HOOK_KEYWORD = X", "condor hooks", "note"),
    ("JOBMEND_HOOK_JOB_EXIT = /opt/jobmend-hook\n", "", "condor hooks", "bad"),
    ("UPDATE_JOB_INFO = /opt/jobmend-hook", "UPDATE_JOB_INFO = /opt/x", "condor hooks", "bad"),
    ("TESTBED jobmend", "TESTBED", "condor node health", "note"),
    ("EXECUTABLE = /opt/jobmend-hook", "EXECUTABLE = /opt/x", "condor node health", "bad"),
    ("BASE_CGROUP = htcondor", "BASE_CGROUP =", "condor cgroups", "bad"),
    ("BASE_CGROUP = htcondor", "BASE_CGROUP = other", "condor cgroups", "bad"),
    ("POLICY = hard", "POLICY = none", "condor cgroups", "note"),
    ("EVENT_LOG = /var/log/condor/EventLog\n", "", "condor event log", "note"),
    ("EventLog\n", "NoLog\n", "condor event log", "note"),
    ("\nHISTORY = /var/spool/condor/history", "\nHISTORY =", "condor history", "bad"),
    ("JOB_EPOCH_HISTORY = /var/spool/condor/epoch_history\n", "", "condor history", "note"),
    ("root, condor", "root", "condor rights", "note"),
]


@as_root
@pytest.mark.parametrize(("old", "new", "check", "level"), BROKEN)
def test_one_setting_is_broken_and_named(
    root: Path, old: str, new: str, check: str, level: str
) -> None:
    assert old in GOOD
    found = examined(root, GOOD.replace(old, new))
    assert found[check].level == level and found[check].cure and found[check].manual
    assert {one.level for name, one in found.items() if name != check} == {Level.GOOD}


@as_root
@pytest.mark.parametrize(
    ("word", "answer", "check", "level"),
    [
        ("JobmendTime", "undefined undefined\n", "condor node health", "bad"),
        ("JobmendTime", "", "condor node health", "bad"),
        ("JobmendTime", "1795268986 false\n", "condor node health", "bad"),
        ("WRITE", " WRITE FS DENY ada@pool\n", "condor rights", "note"),
        ("WRITE", "", "condor rights", "note"),
        ("MyCurrentTime", "", "condor clock", "note"),
        ("MyCurrentTime", "1795268986 1795269086\n", "condor clock", "bad"),
    ],
)
def test_what_the_daemons_say(root: Path, word: str, answer: str, check: str, level: str) -> None:
    found = examined(root, answers={**ANSWERS, word: answer})
    assert found[check].level == level, found[check]
    assert {one.level for name, one in found.items() if name != check} == {Level.GOOD}


def test_a_token_must_be_its_owners_alone(root: Path) -> None:
    config = checks.parse_config("SEC_TOKEN_DIRECTORY = /t\nSEC_TOKEN_SYSTEM_DIRECTORY = /t\n")
    assert checks.check_token(config, root).level is Level.NOTE
    (root / "t").mkdir()
    (root / "t" / "token").write_text("x")
    (root / "t" / "token").chmod(0o640)
    assert checks.check_token(config, root).cure == "chmod 600 /t/token"
    (root / "t" / "token").chmod(0o600)
    assert checks.check_token(config, root).level is Level.GOOD


def test_only_what_runs_on_a_machine_is_looked_at(root: Path) -> None:
    submit = examined(root, GOOD.replace("COLLECTOR, SCHEDD STARTD", "SCHEDD"))
    assert "condor hooks" not in submit and "condor event log" in submit
    node = examined(root, GOOD.replace("COLLECTOR, SCHEDD STARTD", "STARTD"))
    assert "condor hooks" in node and "condor event log" not in node


def test_without_htcondor_nothing_is_found(root: Path) -> None:
    place = Here(lambda argv: "", root)
    assert checks.examine(place, which=lambda name: None) == []
    some = checks.examine(place, which=lambda name: name if name == "condor_q" else None)
    assert some[0].level is Level.BAD and "condor_status" in some[0].text


def test_collectors_that_are_away_are_named(root: Path) -> None:
    found = examined(root, answers={})
    assert (found["condor clock"].level, found["condor rights"].level) == (Level.BAD, Level.NOTE)
    assert found["condor clock"].cure.startswith("start the collector")


# ---- the real pool -------------------------------------------------------------------------------


def real(pool: Pool) -> dict[str, Finding]:
    """What the doctor finds in the pool's own view of files, as it is now."""
    master = (pool.root / "master.pid").read_text().strip()

    def ask(argv: Sequence[str]) -> str:
        return call([str(pool.root / "in"), *argv])

    place = Here(ask, Path(f"/proc/{master}/root"), "/run/jobmend/hook.sock")
    return {one.check: one for one in checks.examine(place, which=lambda name: name)}


def bad(found: Mapping[str, Finding]) -> list[str]:
    return sorted(name for name, one in found.items() if one.level is Level.BAD)


@pytest.mark.condor
def test_the_real_pool_is_in_order(pool: Pool) -> None:
    until(lambda: "undefined" not in pool.inside("condor_status", "-af", "JobmendTime"), 120)
    found = real(pool)
    # Nobody writes the agent's file in this pool, and its cgroups are named for the testbed.
    assert set(bad(found)) <= {"condor node health", "condor cgroups"}, found
    for check in ("condor hooks", "condor history", "condor rights", "condor clock"):
        assert found[check].level is Level.GOOD, found[check]
    assert found["condor node health"].text == "the machine ad says JobmendAgentUp=false"


@pytest.mark.condor
def test_a_real_hook_that_is_not_executable_or_not_set_is_named(pool: Pool) -> None:
    script = f"{PACKAGE}/condor-hook"
    pool.inside("chmod", "644", script)
    try:
        found = real(pool)["condor hooks"]
    finally:
        pool.inside("chmod", "755", script)
    assert (found.level, found.cure) == (Level.BAD, f"chmod 755 {script}")
    pool.configure("99-doctor.conf", "JOBMEND_HOOK_JOB_EXIT =\nBASE_CGROUP =\n")
    try:
        broken = real(pool)
    finally:
        pool.configure("99-doctor.conf", "")
    assert broken["condor hooks"].text == "JOBMEND_HOOK_JOB_EXIT is not set"
    assert broken["condor cgroups"].text.startswith("BASE_CGROUP is empty")
    assert real(pool)["condor hooks"].level is Level.GOOD


@pytest.mark.condor
def test_the_doctor_runs_on_a_pools_node_as_any_user(pool: Pool) -> None:
    command = ["env", f"PYTHONPATH={PACKAGE}", "python3", "-m", "jobmend.plugins.doctor", "--json"]
    told = json.loads(pool.inside(*command, user=pool.user, check=False))
    found = {one["check"]: one for one in told}
    assert found["condor hooks"]["level"] == "good", found["condor hooks"]
    assert found["hook socket"]["level"] in ("good", "note")
    assert found["condor rights"]["level"] == "note", "a user's own jobs alone"
    assert f"{pool.user}@" in found["condor rights"]["text"]
    assert found["agent settings"]["level"] == "note"
