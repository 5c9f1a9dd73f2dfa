"""The brain's package without its gigabyte of libraries: what is laid out around them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jobmend.brain.config import read_config
from tests.packaging.conftest import ROOT

LIBRARY = "/usr/lib/jobmend-brain"


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a virtual environment of nothing but a script, finished as the RPM does it."""
    root = tmp_path_factory.mktemp("brain")
    library = Path(f"{root}{LIBRARY}")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", library], check=True)
    script = library / "bin" / "jobmend"
    script.write_text(f"#!{library}/bin/python\nprint('the brain')\n")
    script.chmod(0o755)
    finish = ROOT / "packaging" / "install-brain"
    subprocess.run([finish, root, LIBRARY], cwd=ROOT, check=True)
    return root


def test_nothing_names_the_place_where_it_was_built(laid_out: Path) -> None:
    scripts = [path for path in Path(f"{laid_out}{LIBRARY}/bin").iterdir() if not path.is_symlink()]
    assert len(scripts) > 3
    for file in (*scripts, Path(f"{laid_out}{LIBRARY}/pyvenv.cfg")):
        assert str(laid_out) not in file.read_text(), file
    assert (laid_out / "usr/lib/jobmend-brain/bin/jobmend").read_text().startswith(f"#!{LIBRARY}/")


def test_the_settings_keep_all_in_the_directory_of_the_unit(laid_out: Path) -> None:
    store = read_config(laid_out / "etc/jobmend/brain.toml").store
    for path in (store.path, store.archive, store.models, store.tokens):
        assert path.parent == Path("/var/lib/jobmend-brain")
    for name in ("jobmend-brain", "jobmend-learn"):
        unit = (laid_out / f"usr/lib/systemd/system/{name}.service").read_text()
        assert "\nStateDirectory=jobmend-brain\n" in unit
    settings = (laid_out / "etc/jobmend/brain.toml").read_text()
    # The local queue is that of whoever submits.
    assert re.findall(r'^#?(\w+) = "/var/lib/jobmend/', settings, re.M) == ["state_dir"]
    shipped = (ROOT / "etc/brain.toml").read_text()
    assert len(settings.splitlines()) == len(shipped.splitlines())


def test_files_and_modes(laid_out: Path) -> None:
    for name, mode in {
        "usr/bin/jobmend-brain": 0o755,
        "etc/jobmend/brain.toml": 0o644,
        "usr/lib/systemd/system/jobmend-brain.service": 0o644,
        "usr/lib/systemd/system/jobmend-learn.service": 0o644,
        "usr/lib/systemd/system/jobmend-learn.timer": 0o644,
        "usr/lib/sysusers.d/jobmend-brain.conf": 0o644,
        "usr/share/man/man5/jobmend-brain.toml.5.gz": 0o644,
        "usr/share/man/man8/jobmend-brain.8.gz": 0o644,
        "usr/share/bash-completion/completions/jobmend-brain": 0o644,
    }.items():
        assert stat.S_IMODE(os.stat(laid_out / name).st_mode) == mode, name


def test_the_operators_command_is_the_brains_where_there_is_one(tmp_path: Path) -> None:
    brain, launcher = tmp_path / "brain", tmp_path / "jobmend"
    text = (ROOT / "packaging/bin/jobmend").read_text()
    launcher.write_text(text.replace(f"BRAIN={LIBRARY}/bin/jobmend", f"BRAIN={brain}"))
    assert f"BRAIN={brain}\n" in launcher.read_text()
    launcher.chmod(0o755)
    alone = subprocess.run([launcher, "show", "1"], capture_output=True, text=True)
    assert alone.returncode == 2 and "jobmend-brain" in alone.stderr and alone.stdout == ""
    brain.write_text('#!/bin/sh\necho "$# $*"\nexit 7\n')
    brain.chmod(0o755)
    done = subprocess.run([launcher, "show", "a b"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "2 show a b\n")


@pytest.mark.rpm
def test_one_specification_makes_both() -> None:
    if shutil.which("rpmspec") is None:
        pytest.skip("no rpmspec here: tests/testbed/packages rpm installs it on Debian")
    spec = str(ROOT / "packaging/rpm/jobmend.spec")
    command = ["rpmspec", "--query", "--queryformat", "%{NAME} %{ARCH}\n"]
    node = subprocess.run([*command, spec], capture_output=True, text=True, check=True)
    names = {line.split()[0] for line in node.stdout.splitlines()}
    assert names == {"jobmend", "jobmend-agent", "jobmend-slurm", "jobmend-htcondor"}
    assert {line.split()[1] for line in node.stdout.splitlines()} == {"noarch"}
    brain = subprocess.run(
        [*command, "--with", "brain", spec], capture_output=True, text=True, check=True
    )
    assert "jobmend-brain" in brain.stdout and "noarch" not in brain.stdout
