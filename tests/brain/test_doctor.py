"""The doctor's checks on hand-made trees and sockets, and each bad finding's cure."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from jobmend.brain import doctor, tokens
from jobmend.brain.client import Client, Settings
from jobmend.brain.doctor import Level

DEAD = "http://127.0.0.1:9"


def test_cgroups_of_either_version_are_recognised(tmp_path: Path) -> None:
    assert doctor.check_cgroups(tmp_path).level is Level.BAD
    (tmp_path / "memory").mkdir()
    assert doctor.check_cgroups(tmp_path).text == f"{tmp_path}: version 1 (memory)"
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    assert doctor.check_cgroups(tmp_path).text == f"{tmp_path}: version 2"


def test_a_kernel_without_pressure_is_a_note(tmp_path: Path) -> None:
    assert doctor.check_pressure(tmp_path).level is Level.NOTE
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 total=0\n")
    assert doctor.check_pressure(tmp_path).level is Level.GOOD


def test_the_hook_socket_must_be_one(tmp_path: Path) -> None:
    path = tmp_path / "hook.sock"
    assert doctor.check_hook_socket(path).text == f"{path}: No such file or directory"
    path.write_text("")
    assert doctor.check_hook_socket(path).cure == f"rm {path}, start the agent"
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        assert doctor.check_hook_socket(path).level is Level.GOOD


def test_the_token_must_be_private(tmp_path: Path) -> None:
    tokens.ensure(tmp_path)
    path = tmp_path / "operator"
    assert doctor.check_token(None).level is Level.NOTE
    assert doctor.check_token(path).level is Level.GOOD
    path.chmod(0o604)
    found = doctor.check_token(path)
    assert (found.level, found.cure) == (Level.BAD, f"chmod 600 {path}")
    assert doctor.check_token(tmp_path / "none").cure.startswith("give this user a copy")


def test_some_but_not_all_scheduler_commands_are_bad() -> None:
    assert doctor.check_scheduler(["sh", "ls"]).level is Level.GOOD
    assert doctor.check_scheduler(["no-such-1", "no-such-2"]).level is Level.NOTE
    found = doctor.check_scheduler(["sh", "no-such-1"])
    assert (found.level, found.text) == (Level.BAD, "Slurm: no-such-1 not in PATH")


def test_nothing_runs_and_every_bad_finding_has_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMEND_HOOK_SOCKET", str(tmp_path / "none"))
    findings = doctor.examine(Client(Settings(url=DEAD)), DEAD, tmp_path, tmp_path)
    checks = ["brain", "token", "agent", "hook socket", "cgroups", "pressure", "scheduler"]
    assert [finding.check for finding in findings] == checks
    bad = [finding for finding in findings if finding.level is Level.BAD]
    assert {finding.check for finding in bad} >= {"brain", "agent", "hook socket", "cgroups"}
    assert all(finding.cure for finding in bad)
