"""A node with a real agent: all good, then one thing broken at a time."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobmend
from jobmend.agent.config import Config, Hooks, Sample, Spool, render
from jobmend.plugins.doctor import agent, node
from jobmend.plugins.doctor.findings import Finding, Level
from jobmend.plugins.doctor.settings import Settings
from tests.agent.running import running


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Of an agent whose everything lies below a folder that everybody may enter."""
    return dataclasses.replace(
        Config(),
        sample=Sample(period_seconds=0.1, cgroup_root=str(tmp_path)),
        hooks=Hooks(socket=str(tmp_path / "hook.sock")),
        spool=Spool(path=str(tmp_path / "spool.db")),
    )


def examined(folder: Path) -> dict[str, Finding]:
    first, told = node.read_settings(str(folder / "running.toml"))
    return {one.check: one for one in (first, *node.examine(told, wanted=True))}


def test_a_node_in_order_and_the_same_when_its_agent_was_killed(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids")
    with running(config, tmp_path) as here:
        found = examined(tmp_path)
        assert [name for name, one in found.items() if one.level is Level.BAD] == []
        for check in ("agent settings", "cgroups", "agent", "spool", "sampling", "versions"):
            assert found[check].level is Level.GOOD, found[check]
        assert found["hook socket"].level in (Level.GOOD, Level.NOTE), "by the folders above it"
        assert found["hooks heard"].text == "none has spoken since the agent started"
        left = Path(config.hooks.socket).rename(tmp_path / "left")
    left.rename(config.hooks.socket)  # as after kill -9: the file is there, and nobody reads it
    found = examined(tmp_path)
    assert found["agent"].level is Level.BAD and "refused" in found["agent"].text
    assert found["hook socket"].text == f"{config.hooks.socket}: nobody reads it"
    assert here.process.returncode == 0


def test_the_hook_socket_must_be_one_that_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "hook.sock"
    found = node.check_socket(path)
    assert (found.level, found.text) == (Level.BAD, f"{path}: No such file or directory")
    path.write_text("")
    assert node.check_socket(path).cure == f"rm {path}, start the agent"
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        assert "not every user may write to it" in node.check_socket(path).text
    assert node.check_socket(path).text == f"{path}: nobody reads it"


def test_a_socket_that_every_user_may_write_to_is_good() -> None:
    path = Path(f"/tmp/jm-doctor-{os.getpid()}.sock")  # below pytest's folders others may not go
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        try:
            path.chmod(0o666)
            assert node.check_socket(path).level is Level.GOOD
        finally:
            path.unlink()


def test_the_spool_must_be_the_agents_and_have_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool.db"
    assert node.check_spool(path, os.getuid()).level is Level.GOOD
    assert node.check_spool(path, None).level is Level.GOOD
    other = node.check_spool(path, os.getuid() + 4242)
    assert other.level is Level.BAD and f"the agent runs as {os.getuid() + 4242}" in other.text
    assert "No such file" in node.check_spool(tmp_path / "none" / "spool.db", None).text
    monkeypatch.setattr(node, "LEAST_ROOM", 1 << 62)
    assert "files are free" in node.check_spool(path, None).text


def test_where_no_node_is_meant_a_missing_agent_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "_is_node", lambda *_: False)
    told = Settings(listen="127.0.0.1:9", socket="/nonexistent/hook.sock")
    found = {one.check: one for one in node.examine(told)}
    assert set(found) == {"cgroups", "pressure", "datagram queue", "agent"}
    assert found["agent"].level is Level.NOTE
    named = {one.check: one for one in node.examine(told, agent_url="http://127.0.0.1:9")}
    assert (named["agent"].level, named["hook socket"].level) == (Level.BAD, Level.BAD)


def test_a_node_is_told_by_its_daemons(tmp_path: Path) -> None:
    told = Settings(socket=str(tmp_path / "none"))
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "comm").write_text("slurmd\n")
    assert node._is_node(told, tmp_path)


def test_a_page_behind_a_password_is_a_note(tmp_path: Path) -> None:
    found, page = agent.check_agent("http://127.0.0.1:9/metrics", True, "/etc/web.yml")
    assert (found.level, page) == (Level.NOTE, None)


def test_the_command_exits_1_where_anything_is_bad(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(render(config))
    command = [sys.executable, "-m", "jobmend.plugins.doctor", "--config", str(file), "--json"]
    environ = {"PATH": str(tmp_path)}  # no scheduler's commands
    done = subprocess.run(command, capture_output=True, cwd="/", env=environ, check=False)
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert (done.returncode, done.stderr) == (1, b"")
    assert found["hook socket"]["level"] == "bad"
    assert found["scheduler"]["text"].startswith("neither Slurm's commands nor HTCondor's")
    assert all(one["cure"] for one in found.values() if one["level"] == "bad")
    version = subprocess.run([*command[:3], "--version"], capture_output=True, cwd="/", check=True)
    assert version.stdout.startswith(b"jobmend-doctor ")


@pytest.fixture
def package() -> Iterator[str]:
    """A folder that every user may enter, with the package in it and nothing else."""
    folder = tempfile.mkdtemp(prefix="jm", dir="/tmp")
    os.chmod(folder, 0o755)
    os.symlink(Path(jobmend.__file__).parent, f"{folder}/jobmend")
    yield folder
    shutil.rmtree(folder)


def test_the_command_needs_the_standard_library_alone_and_no_rights(package: str) -> None:
    code = f"import sys; sys.path.insert(0, {package!r}); from jobmend.plugins.doctor.__main__ "
    own = Path(sys.executable).resolve()
    enterable = all(folder.stat().st_mode & 0o001 for folder in own.parents)
    python = str(own) if enterable else "/usr/bin/python3"
    command = [python, "-I", "-S", "-c", f"{code}import main; sys.exit(main(['--json']))"]
    if os.getuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    environ = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, cwd="/", env=environ, check=False)
    assert done.stderr == b"" and done.returncode in (0, 1)
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert {"cgroups", "pressure", "agent"} <= set(found)
