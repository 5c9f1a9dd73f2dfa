"""Plugins out of the configuration: made with its settings, imported only when they are named."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from jobmend.brain.config import ConfigError, SchedulersConfig, parse_config
from jobmend.brain.schedulers import build

SLURM = {"cluster": "c1"}
POOL = {"cluster": "p1"}


def configured(**tables: object) -> SchedulersConfig:
    return parse_config({"schedulers": tables}).schedulers


def test_each_table_makes_a_scheduler_of_its_name(tmp_path: Path) -> None:
    pytest.importorskip("htcondor2")
    local = {"cluster": "here", "state_dir": str(tmp_path)}
    found = build(configured(local=local, slurm=SLURM, htcondor=POOL))
    assert list(found) == [("here", "local"), ("c1", "slurm"), ("p1", "htcondor")]


@pytest.mark.parametrize(
    "more",
    [
        {"workflow_from": ["pattern", "name"], "workflow_pattern": "(?P<workflow>.+)_[0-9]+"},
        {"splitting_command": ["split", "{address}"], "data_access": {"xrootd": {"A": "b"}}},
        {"reader": "rest", "rest_url": "http://h:1", "rest_user": "u", "rest_token_file": "/t"},
    ],
)
def test_the_settings_of_slurm_reach_its_plugin(more: dict[str, object]) -> None:
    assert list(build(configured(slurm={**SLURM, **more}))) == [("c1", "slurm")]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"workflow_from": ["stars"]}, "schedulers.slurm: workflow_from"),
        (
            {"reader": "rest", "rest_url": "h", "rest_user": "u", "rest_token_file": "/t"},
            "schedulers.slurm: rest_url",
        ),
    ],
)
def test_what_a_plugin_refuses_is_a_configuration_error(
    more: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        build(configured(slurm={**SLURM, **more}))


def test_missing_bindings_are_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "htcondor2" else find(name)
    )
    with pytest.raises(ConfigError) as caught:
        build(configured(htcondor=POOL))
    assert str(caught.value) == (
        "schedulers.htcondor: htcondor2 is not installed: pip install 'jobmend[htcondor]'"
    )


def test_what_is_not_configured_is_not_imported() -> None:
    code = (
        "import sys; from jobmend.brain.schedulers import build;"
        "from jobmend.brain.config import parse_config;"
        "build(parse_config({'schedulers': {'slurm': {'cluster': 'c'}}}).schedulers);"
        "print(sorted(n for n in sys.modules if 'plugins.htcondor' in n or n == 'htcondor2'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.stderr) == ("[]\n", "")
