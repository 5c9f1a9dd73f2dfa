"""Manual pages and completions: they are well formed, and they tell of all there is."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import tomllib

from jobmend.agent.__main__ import _arguments as agent_arguments
from jobmend.brain.__main__ import parser as brain_arguments
from jobmend.brain.cli.program import main as commands
from jobmend.jobs.version import VERSION
from jobmend.plugins.doctor.__main__ import _arguments as doctor_arguments
from tests.packaging.conftest import ROOT

PAGES = ROOT / "packaging" / "pages"
NAMES = sorted(path.name.removesuffix(".md") for path in PAGES.glob("*.md"))


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, PAGES / "build.py", ROOT, out], check=True, cwd="/")
    return out


def page(share: Path, name: str) -> Path:
    return share / "man" / f"man{name[-1]}" / name


def text(share: Path, name: str) -> str:
    """A page as a reader sees it, unbroken."""
    if shutil.which("man") is None:
        pytest.skip("no man here")
    command = ["man", "--local-file", str(page(share, name))]
    environ = {
        "MANWIDTH": "1000",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "MAN_KEEP_FORMATTING": "",
    }
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", NAMES)
def test_groff_has_nothing_to_warn_of(name: str, share: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("no man here")
    command = ["man", "--warnings=all", "--local-file", str(page(share, name))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_mandoc_has_nothing_to_warn_of(name: str, share: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("no mandoc here: tests/testbed/packages rpm installs it on Debian")
    command = ["mandoc", "-T", "lint", "-W", "warning", str(page(share, name))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_page_that_another_names_is_there(share: Path) -> None:
    for name in NAMES:
        for named in re.findall(r"(jobmend[\w.-]*)\((\d)\)", text(share, name)):
            assert ".".join(named) in NAMES, name


@pytest.mark.parametrize(
    ("name", "parser"),
    [
        ("jobmend-agent.8", agent_arguments()),
        ("jobmend-brain.8", brain_arguments()),
        ("jobmend-doctor.1", doctor_arguments()),
    ],
)
def test_every_option_of_a_service(name: str, parser: argparse.ArgumentParser, share: Path) -> None:
    said = text(share, name)
    for action in parser._actions:
        terms = ", ".join(action.option_strings)
        assert re.search(rf"^ +{re.escape(terms)}(?= |$)", said, re.M), terms


def all_commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Each command with its words; of groups those that do something by themselves."""
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from all_commands(sub, f"{path} {name}".strip())
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command


def long(option: click.Option) -> list[str]:
    return [one for one in (*option.opts, *option.secondary_opts) if one.startswith("--")]


def options(command: click.Command) -> set[str]:
    found = [one for one in command.params if isinstance(one, click.Option)]
    return {name for one in found for name in long(one)}


def test_every_command_and_option_of_the_operators(share: Path) -> None:
    said = text(share, "jobmend.1")
    headed = re.split(r"^ {1,4}jobmend ([a-z][\w -]*?)(?: [A-Z].*)?$", said, flags=re.M)
    parts = dict(zip(headed[1::2], headed[2::2], strict=True))
    for path, command in all_commands(commands, ""):
        for option in options(command):
            shown = rf"^ +(--\S+, )?{option}(?=,? |,?$)"
            assert re.search(shown, parts[path], re.M), (path, option)


@pytest.mark.parametrize("name", ["agent", "brain"])
def test_every_key_of_the_settings(name: str, share: Path) -> None:
    said = text(share, f"jobmend-{name}.toml.5")
    shipped = (ROOT / "etc" / f"{name}.toml").read_text()
    active = re.sub(r"^#(?! )", "", shipped, flags=re.M)
    keys = {f"{table}.{key}" for table, key in leaves(tomllib.loads(active), "")}
    assert len(keys) > 10
    shown = set()
    table = ""
    for line in said.splitlines():
        heading, key = re.match(r"^ +\[(.+)\]$", line), re.match(r"^ +(\w+) = ", line)
        table = heading[1] if heading else table
        if key:
            shown.add(f"{table}.{key[1]}")
    assert shown == keys


def leaves(table: dict[str, object], path: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}.{key}".lstrip("."))
        else:
            yield path, key


def completed(share: Path, program: str, *words: str) -> set[str]:
    """What bash offers after these words."""
    line = " ".join(f"'{word}'" for word in (program, *words))
    function = "_" + program.replace("-", "_")
    script = (
        f". {share}/bash-completion/completions/{program}; COMP_WORDS=({line}); "
        f"COMP_CWORD={len(words)}; {function}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    command = [shutil.which("bash") or "bash", "--norc", "-c", script]
    environ = {"PATH": "/nonexistent"}  # no program is started, Python least of all
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_bash_completes_every_command_and_option(share: Path) -> None:
    tops = set(commands.commands)
    assert completed(share, "jobmend", "") == tops | {"--version", "--help", "-h"}
    for path, command in all_commands(commands, ""):
        found = completed(share, "jobmend", *path.split(), "--")
        assert found == options(command) | {"--help"}, path


def offered(kind: click.ParamType[Any], folder: Path) -> set[str]:
    """What may follow where a value of some kind is due, and a path into a folder has begun."""
    if isinstance(kind, click.Choice):
        return set(kind.choices)
    paths = {path for path in folder.iterdir() if path.is_dir()}
    if isinstance(kind, click.Path) and kind.file_okay:
        paths = set(folder.iterdir())
    return {str(path) for path in paths} if isinstance(kind, click.Path) else set()


def test_bash_completes_every_value(share: Path, tmp_path: Path) -> None:
    """Choices, files and folders; nothing where a number or a name is due."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, command in all_commands(commands, ""):
        for one in command.params:
            begun = f"{tmp_path}/f" if isinstance(one.type, click.Path) else ""
            if isinstance(one, click.Option) and not one.is_flag:
                found = completed(share, "jobmend", *path.split(), long(one)[0], begun)
                assert found == offered(one.type, tmp_path), (path, one.name)
            elif isinstance(one, click.Argument):
                found = completed(share, "jobmend", *path.split(), begun)
                assert found >= offered(one.type, tmp_path), (path, one.name)
    found = completed(share, "jobmend", "run", "--", "cat", f"{tmp_path}/f")
    assert found == {f"{tmp_path}/file", f"{tmp_path}/folder"}


def test_a_value_that_is_named_like_a_command_is_none(share: Path) -> None:
    after = completed(share, "jobmend", "vet", "--state", "anomaly", "--")
    assert after == completed(share, "jobmend", "vet", "--")
    assert "--turn" in completed(share, "jobmend", "vet", "--kind", "ignore", "--t")


def test_bash_completes_values_of_the_services(share: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").touch()
    found = completed(share, "jobmend-agent", "--config", f"{tmp_path}/a")
    assert found == {f"{tmp_path}/agent.toml"}
    assert completed(share, "jobmend-agent", "--web.l") == {"--web.listen-address"}
    assert "--check-config" in completed(share, "jobmend-brain", "--c")
    assert completed(share, "jobmend-doctor", "--b") == {"--brain"}


def test_the_version_is_told(share: Path) -> None:
    for name in NAMES:
        assert f'"jobmend {VERSION}"' in page(share, name).read_text().splitlines()[0]
