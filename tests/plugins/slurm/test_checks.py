"""Slurm's checks: on what controllers print, and on a real cluster with one thing broken each."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobmend.plugins.doctor.findings import Finding, Level
from jobmend.plugins.scheduler import SchedulerError, call
from jobmend.plugins.slurm import checks
from jobmend.plugins.slurm.controller import parse_controller
from jobmend.plugins.slurm.here import Here, here
from tests.agent.running import until
from tests.plugins import testbed
from tests.plugins.slurm.changing import configured
from tests.plugins.slurm.conftest import Cluster

# The lines that count, as Slurm 22.05 prints them where all is well.
GOOD = """\
Configuration data as of 2026-11-21T13:49:26
AccountingStorageType   = accounting_storage/slurmdbd
AccountingStoreFlags    = job_comment
ClusterName             = testbed
Epilog                  = /etc/slurm/jobmend-hook
JobAcctGatherType       = jobacct_gather/cgroup
JobRequeue              = 1
MinJobAge               = 86400 sec
ProctrackType           = proctrack/cgroup
Prolog                  = /etc/slurm/jobmend-hook
PrologEpilogTimeout     = 30
PrologSlurmctld         = (null)
PrologFlags             = Alloc
SLURM_VERSION           = 22.05.8
TaskPlugin              = task/affinity,task/cgroup

Cgroup Support Configuration:
ConstrainCores          = yes
ConstrainRAMSpace       = yes

Slurmctld(primary) at node1 is UP
"""
ROWS = {"sinfo": "Not responding|n2\n", "sacctmgr": "root|Administrator\njobmend-brain|Operator\n"}

HOOKS = {"slurm prolog", "slurm epilog", "slurm controller hooks"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose hook is in order."""
    folder = tmp_path / "etc" / "slurm"
    folder.mkdir(parents=True, mode=0o755)
    hook = folder / "jobmend-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    return tmp_path


def examined(
    root: Path, text: str = GOOD, answers: Mapping[str, str] = ROWS, **place: Any
) -> dict[str, Finding]:
    def ask(argv: Sequence[str]) -> str:
        if argv[:3] == ["scontrol", "show", "config"]:
            return text
        if argv[0] not in answers and argv[0] != "sacct":
            raise SchedulerError(f"{argv[0]} exited 1: it is broken")
        return answers.get(argv[0], "")

    there = Here(ask, root, **{"on_node": True, "on_controller": True, **place})
    return {found.check: found for found in checks.examine(there)}


needs_slurm = pytest.mark.skipif(
    not any(os.access(f"{folder}/scontrol", os.X_OK) for folder in ("/usr/bin", "/bin")),
    reason="no Slurm commands in PATH",
)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="hooks belong to root")


@needs_slurm
@as_root
def test_a_cluster_in_order(root: Path) -> None:
    found = examined(root)
    clock = found.pop("slurm clock")
    assert {one.level for one in found.values()} == {Level.GOOD}, found
    assert clock.level is Level.BAD, "the controller's clock is that of the text"
    assert found["slurm controller"].text == "cluster testbed, version 22.05.8"


BROKEN = [
    ("Epilog                  = /etc/slurm/jobmend-hook\n", "", "slurm epilog", "bad"),
    ("Prolog                  = /etc/slurm/jobmend-hook", "Prolog = (null)", "slurm prolog", "bad"),
    ("Timeout     = 30", "Timeout     = 65534", "slurm hook timeout", "note"),
    ("Timeout     = 30", "Timeout     = 1", "slurm hook timeout", "bad"),
    ("= Alloc", "= (null)", "slurm hook flags", "note"),
    ("= Alloc", "= Alloc,RunInJob", "slurm hook flags", "bad"),
    ("accounting_storage/slurmdbd", "(null)", "slurm accounting", "bad"),
    ("accounting_storage/slurmdbd", "accounting_storage/none", "slurm accounting", "bad"),
    ("= job_comment", "= (null)", "slurm comments", "note"),
    ("proctrack/cgroup", "proctrack/linuxproc", "slurm cgroups", "bad"),
    ("jobacct_gather/cgroup", "jobacct_gather/linux", "slurm cgroups", "note"),
    ("task/affinity,task/cgroup", "task/none", "slurm cgroups", "bad"),
    ("RAMSpace       = yes", "RAMSpace       = no", "slurm confinement", "note"),
    ("JobRequeue              = 1", "JobRequeue = 0", "slurm requeue", "note"),
    ("86400 sec", "300 sec", "slurm requeue", "note"),
]


@needs_slurm
@as_root
@pytest.mark.parametrize(("old", "new", "check", "level"), BROKEN)
def test_one_setting_is_broken_and_named(
    root: Path, old: str, new: str, check: str, level: str
) -> None:
    assert old in GOOD
    found = examined(root, GOOD.replace(old, new))
    assert found[check].level == level and found[check].cure and found[check].manual
    others = {one.level for name, one in found.items() if name not in (check, "slurm clock")}
    assert others == {Level.GOOD}


@needs_slurm
@as_root
def test_lists_patterns_and_timeouts_of_later_releases(root: Path) -> None:
    later = GOOD.replace("Prolog                  =", "Prolog[0] = /etc/site-prolog\nProlog[1] =")
    later = later.replace("PrologEpilogTimeout     = 30", "PrologTimeout = 30\nEpilogTimeout = 40")
    later = later.replace("Epilog                  = /etc/slurm/", "Epilog[0] = /etc/slurm/*")
    found = examined(root, later)
    assert found["slurm prolog"].level is Level.GOOD, found["slurm prolog"]
    assert found["slurm epilog"].level is Level.GOOD, found["slurm epilog"]
    assert found["slurm hook timeout"].text == "PrologTimeout=30, EpilogTimeout=40"


@needs_slurm
@as_root
def test_hooks_of_others_of_which_none_calls_ours(root: Path) -> None:
    hook = root / "etc" / "slurm" / "site"
    hook.write_text("#!/bin/sh\n# not /etc/slurm/jobmend-hook\n")
    hook.chmod(0o755)
    text = GOOD.replace(
        "Prolog                  = /etc/slurm/jobmend-hook", "Prolog = /etc/slurm/site"
    )
    found = examined(root, text)["slurm prolog"]
    assert (found.level, found.text) == (
        Level.BAD,
        "Prolog=/etc/slurm/site: does not call jobmend's hook",
    )
    hook.write_text("#!/bin/sh\n/etc/slurm/jobmend-hook\n")
    assert examined(root, text)["slurm prolog"].level is Level.GOOD


@needs_slurm
@as_root
def test_a_hook_that_is_not_here_is_bad_on_a_node_alone(root: Path) -> None:
    (root / "etc" / "slurm" / "jobmend-hook").unlink()
    assert examined(root)["slurm prolog"].level is Level.BAD
    found = examined(root, on_node=False)["slurm prolog"]
    assert (found.level, "not on this machine" in found.text) == (Level.NOTE, True)


@needs_slurm
@as_root
def test_hooks_of_the_controller_are_looked_at_where_they_are_set(root: Path) -> None:
    assert "slurm controller hooks" not in examined(root)
    text = GOOD.replace("PrologSlurmctld         = (null)", "PrologSlurmctld = /opt/jobmend-ctld")
    found = examined(root, text)["slurm controller hooks"]
    assert found.level is Level.BAD and "/opt/jobmend-ctld: No such file" in found.text


@needs_slurm
@as_root
def test_an_agent_that_does_not_believe_the_controllers_hooks_is_named(root: Path) -> None:
    text = GOOD.replace("= (null)", "= /etc/slurm/jobmend-hook\nSlurmUser = slurm(64030)")
    found = examined(root, text, trusted=(0,))["slurm controller hooks"]
    assert found.level is Level.BAD and "trusted_uids = [0, 64030]" in found.cure
    found = examined(root, text, trusted=(0, 64030))["slurm controller hooks"]
    assert found.level is Level.GOOD


@needs_slurm
@as_root
def test_nodes_that_a_hook_drained_and_commands_that_fail(root: Path) -> None:
    drained = {**ROWS, "sinfo": "Not responding|n2\nProlog error|n[3-4]\n"}
    found = examined(root, answers=drained)["slurm drained nodes"]
    assert (found.level, found.text) == (Level.BAD, "n[3-4]: Prolog error")
    broken = examined(root, answers={})
    assert broken["slurm rights"].level is Level.NOTE
    assert broken["slurm drained nodes"].text == "sinfo exited 1: it is broken"


@needs_slurm
def test_rights_are_those_of_the_brains_account_where_there_is_one() -> None:
    def rights(rows: str, user: str) -> Finding:
        return checks.check_rights(lambda argv: rows, user)

    assert rights("root|Administrator\n", "root").level is Level.GOOD
    assert (
        "user jobmend-brain: None"
        in rights("root|Administrator\njobmend-brain|None\n", "root").text
    )
    assert "not known to sacctmgr" in rights("", "ada").text


@needs_slurm
def test_commands_that_take_long_make_no_clock_wrong(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = parse_controller(GOOD).time

    def ask(argv: Sequence[str]) -> str:
        nonlocal now
        if argv[:3] == ["scontrol", "show", "config"]:
            return GOOD
        assert now is not None
        now += 60
        return ROWS.get(argv[0], "")

    monkeypatch.setattr(checks, "time", SimpleNamespace(time=lambda: now))
    found = {one.check: one for one in checks.examine(Here(ask, root))}
    assert found["slurm clock"].level is Level.GOOD


def test_the_controllers_clock_is_read_from_what_it_prints() -> None:
    controller = parse_controller(GOOD)
    assert controller.time is not None
    assert checks.check_clock(controller, controller.time + 4).level is Level.GOOD
    found = checks.check_clock(controller, controller.time + 9)
    assert "9 s behind" in found.text
    assert checks.check_clock(parse_controller("x"), 0).level is Level.NOTE
    odd = parse_controller("Configuration data as of Unknown\n")
    assert odd.time is None


# ---- the real cluster ----------------------------------------------------------------------------


def real(cluster: Cluster, **changes: Any) -> dict[str, Finding]:
    """What the doctor finds on the cluster as it is now."""
    place = here(str(cluster.hooks.path), None, cluster.env)
    place = dataclasses.replace(place, **changes)
    return {found.check: found for found in checks.examine(place)}


def bad(found: Mapping[str, Finding]) -> list[str]:
    return sorted(name for name, one in found.items() if one.level is Level.BAD)


@pytest.mark.slurm
def test_the_real_cluster_is_in_order(slurm: Cluster) -> None:
    found = real(slurm)
    assert bad(found) == [] if slurm.cgroups == "v1" else ["slurm cgroups"], found
    for check in ("slurm prolog", "slurm epilog", "slurm accounting", "slurm clock"):
        assert found[check].level is Level.GOOD, found[check]
    assert found["slurm rights"].text == "user root: Administrator"
    assert all(one.manual for one in found.values())


@pytest.mark.slurm
def test_a_user_without_rights_sees_the_same_but_may_not_act(slurm: Cluster) -> None:
    user = ["setpriv", "--reuid=tester", "--regid=tester", "--init-groups"]
    env = {**slurm.env, "TZ": "UTC", "LC_ALL": "C"}
    found = real(slurm, ask=lambda argv: call([*user, *argv], env=env))
    assert bad(found) == bad(real(slurm))
    rights = checks.check_rights(lambda argv: call([*user, *argv], env=env), "tester")
    assert (rights.level, "user tester: None" in rights.text) == (Level.NOTE, True)


@pytest.mark.slurm
def test_a_hook_that_is_not_executable_is_named(slurm: Cluster) -> None:
    hook = slurm.hooks.path.with_name("jobmend-hook")
    hook.chmod(0o644)
    try:
        found = real(slurm)
    finally:
        hook.chmod(0o755)
    assert {"slurm epilog", "slurm prolog"} <= set(bad(found)) <= HOOKS
    assert found["slurm prolog"].cure == f"chmod 755 {hook}"


@pytest.mark.slurm
def test_a_hook_that_tells_another_socket_than_the_agents_is_named(slurm: Cluster) -> None:
    found = real(slurm, socket="/run/jobmend/hook.sock")
    assert {"slurm epilog", "slurm prolog"} <= set(bad(found)) <= HOOKS
    assert "the agent listens at /run/jobmend/hook.sock" in found["slurm prolog"].text


@pytest.mark.slurm
def test_a_missing_epilog_line_is_named(slurm: Cluster) -> None:
    with configured(slurm, lambda text: text.replace("\nEpilog=", "\n#Epilog=")):
        found = real(slurm)
    assert bad(found) == ["slurm epilog"]
    assert found["slurm epilog"].text == "slurm.conf has no Epilog"


@pytest.mark.slurm
def test_a_node_that_a_hook_drained_is_named(slurm: Cluster) -> None:
    name = slurm.nodes[2]
    slurm.run("scontrol", "update", f"NodeName={name}", "State=DRAIN", "Reason=Prolog error")
    try:
        found = real(slurm)["slurm drained nodes"]
    finally:
        slurm.run("scontrol", "update", f"NodeName={name}", "State=RESUME")
    assert (found.level, found.text) == (Level.BAD, f"{name}: Prolog error")


@pytest.mark.slurm
def test_accounting_that_is_away_is_named(slurm: Cluster) -> None:
    pid = int((slurm.root / "run" / "slurmdbd.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{pid}").exists(), 60)
    try:
        found = real(slurm)
    finally:
        env = {**os.environ, "JOBMEND_TESTBED": str(slurm.root.parent)}
        testbed.up("slurm-up", env, 120)
    assert bad(found) == ["slurm accounting"]
    assert found["slurm accounting"].cure == "start slurmdbd and its database"
    assert bad(real(slurm)) == []


@pytest.mark.slurm
def test_without_a_controller_nothing_else_is_asked(slurm: Cluster, tmp_path: Path) -> None:
    conf = tmp_path / "slurm.conf"
    text = (slurm.root / "etc" / "slurm.conf").read_text()
    text = text.replace("\nMessageTimeout=", "\nMessageTimeout=2#")
    conf.write_text(text.replace("SlurmctldPort=", "SlurmctldPort=1#"))
    place = here("", None, {**slurm.env, "SLURM_CONF": str(conf)})
    found = {one.check: one for one in checks.examine(place)}
    assert bad(found) == ["slurm controller"] and set(found) == {
        "slurm commands",
        "slurm controller",
    }
