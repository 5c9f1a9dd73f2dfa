"""What the agent prints of its settings is what the doctor reads."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from jobmend.agent.config import Config, Metrics, Uplink, render
from jobmend.plugins.doctor import node, settings
from jobmend.plugins.doctor.findings import Level
from jobmend.plugins.doctor.settings import Settings, SettingsError


def test_the_defaults_here_are_the_agents() -> None:
    told = settings.of_document(settings.parse(render(Config())))
    assert told == dataclasses.replace(Settings(), known=True)


def test_what_the_agent_prints_is_read(tmp_path: Path) -> None:
    odd = 'a "quoted" = [name]'
    config = Config(cluster=odd, uplink=Uplink(url="http://b:1"), metrics=Metrics(listen="[::]:1"))
    told = settings.of_document(settings.parse(render(config)))
    assert (told.cluster, told.uplink, told.agent_url) == (odd, "http://b:1", "http://[::1]:1")


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:9807", "http://127.0.0.1:9807"),
        (":9807", "http://127.0.0.1:9807"),
        ("10.0.0.1:1", "http://10.0.0.1:1"),
    ],
)
def test_an_agent_on_all_addresses_is_asked_on_the_loopback(listen: str, url: str) -> None:
    assert Settings(listen=listen).agent_url == url


def test_the_installed_agent_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('cluster = "here"\n[hooks]\nsocket = "/run/x.sock"\n')
    found, told = node.read_settings(str(file))
    assert (found.level, told.cluster, told.socket) == (Level.GOOD, "here", "/run/x.sock")
    file.write_text("[hooks]\nsockets = 1\n")
    found, told = node.read_settings(str(file))
    assert found.level is Level.BAD and "sockets: no such key" in found.text
    assert told == Settings()


def refusing(tmp_path: Path, words: str) -> str:
    program = tmp_path / "jobmend-agent"
    program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_settings_that_may_not_be_read_are_told_from_bad_ones(tmp_path: Path) -> None:
    words = "jobmend-agent: /etc/jobmend/agent.toml: cannot be read: Permission denied"
    with pytest.raises(SettingsError) as denied:
        settings.ask(program=refusing(tmp_path, words))
    assert denied.value.denied and str(denied.value) == words
    with pytest.raises(SettingsError) as missing:
        settings.ask(program=str(tmp_path / "none"))
    assert not missing.value.denied


def test_where_no_agent_is_installed_its_defaults_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "installed", str)
    found, told = node.read_settings()
    assert (found.level, told) == (Level.NOTE, Settings())
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    own = refusing(tmp_path, "x")
    assert settings.installed() == own == os.path.join(tmp_path, "jobmend-agent")
