"""brain.toml: its errors name file and key, and the shipped file documents every key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomllib

from jobmend.brain.config import (
    BrainConfig,
    ConfigError,
    CostsConfig,
    HTCondorConfig,
    SlurmConfig,
    parse_config,
    read_config,
    split_address,
)
from jobmend.classifier.failures.trust.abstention import Costs
from jobmend.plugins.local.settings import default_state_dir

SHIPPED = Path(__file__).parents[2] / "etc" / "brain.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[advice]\npoll_seconds = 0", "advice.poll_seconds: Input should be greater than 0"),
        ("[advice]\nsettle_seconds = inf", "advice.settle_seconds: Input should be a finite"),
        ("[server]\nlisten = '8807'", "server.listen: Value error, '8807' is no address"),
        ("[store]\npaht = 'x'", "store.paht: Extra inputs are not permitted"),
        ("[learning]\narms_traces = ['pca', 'pca']", "learning.arms_traces: Value error, at least"),
        ("[learning]\narms_failures = ['../x']", "learning.arms_failures: Value error, names of"),
        ("[schedulers.slurm]", "schedulers.slurm.cluster: Field required"),
        ("[schedulers.slurm]\ncluster = 'a/b'", "schedulers.slurm.cluster: String should match"),
        ("[schedulers.slurm]\ncluster = 'c'\nreader = 'squeue'", "schedulers.slurm.reader: Input"),
        (
            "[schedulers.slurm]\ncluster = 'c'\nreader = 'rest'\nrest_url = 'http://h'",
            "reader = 'rest' needs rest_user, rest_token_file",
        ),
        (
            "[schedulers.slurm]\ncluster = 'c'\nworkflow_pattern = '(x'",
            "schedulers.slurm.workflow_pattern: Value error, no regular expression",
        ),
        (
            "[schedulers.slurm]\ncluster = 'c'\nworkflow_pattern = 'x.*'",
            "a group (?P<workflow>...) is wanted in it",
        ),
        (
            "[schedulers.slurm]\ncluster = 'c'\nworkflow_from = ['pattern']",
            "'pattern' in workflow_from and workflow_pattern need each other",
        ),
        (
            "[schedulers.slurm]\ncluster = 'c'\n[schedulers.slurm.data_access.x]\n'A;B' = 'c'",
            "schedulers.slurm.data_access.x.A;B",
        ),
        ("[schedulers.htcondor]", "schedulers.htcondor.cluster: Field required"),
        (
            "[schedulers.htcondor]\ncluster = 'c'\nsite_from = ['a b']",
            "schedulers.htcondor.site_from.0: String should match",
        ),
        ("[server", "not TOML: "),
        ("\udcff", "not TOML: "),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "brain.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.toml: cannot be read: No such file"):
        read_config(tmp_path / "nowhere.toml")


def test_addresses() -> None:
    assert split_address("127.0.0.1:8807") == ("127.0.0.1", 8807)
    assert split_address("[::1]:80") == ("::1", 80)
    for text in ("", ":80", "host", "host:", "host:x", "host:70000", "host:-1"):
        with pytest.raises(ValueError, match="host:port"):
            split_address(text)


def test_the_costs_are_those_of_the_classifier() -> None:
    assert Costs.from_dict(CostsConfig().model_dump()) == Costs()


def test_the_shipped_file_shows_every_key_with_its_default() -> None:
    lines = re.sub(r"^#(?=\[|\w+ = )", "", SHIPPED.read_text(), flags=re.M)
    shown = tomllib.loads(lines)
    assert read_config(SHIPPED) == BrainConfig()
    full = parse_config(shown)
    for section in (full.server, full.store, full.advice, full.learning):
        assert section == type(section)()
    for name, document in documents_of(full.model_dump(mode="json")):
        assert set(document) == set(section_of(shown, name)), name
    assert full.schedulers.slurm is not None and full.schedulers.local is not None
    assert full.schedulers.local.cluster == "local"
    slurm, htcondor = full.schedulers.slurm, full.schedulers.htcondor
    assert slurm == SlurmConfig(cluster="cluster", data_access=slurm.data_access)
    assert htcondor == HTCondorConfig(cluster="pool", data_access=slurm.data_access)
    assert slurm.data_access == {"xrootd": {"DATA_PREFIX": "root://data.example//"}}


def documents_of(config: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(name, config[name]) for name in ("server", "store", "advice", "learning")]
    nested = config["schedulers"]
    return [*found, *((f"schedulers.{name}", nested[name]) for name in nested)]


def section_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    for part in name.split("."):
        document = document[part]
    return document


def test_check_config_prints_the_merged_configuration(tmp_path: Path) -> None:
    path = tmp_path / "brain.toml"
    path.write_text("[advice]\nsettle_seconds = 7\n")
    command = [sys.executable, "-m", "jobmend.brain", "--check-config", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0
    assert parse_config(json.loads(done.stdout)).advice.settle_seconds == 7
    path.write_text("[advice]\nsettle_seconds = 'x'\n")
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "" and "advice.settle_seconds" in done.stderr


def test_without_any_file_this_machine_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "brain.toml"
    monkeypatch.setattr("jobmend.brain.config.DEFAULT_CONFIG", missing)
    local = read_config(missing).schedulers.local
    assert local is not None and local.state_dir == default_state_dir()
