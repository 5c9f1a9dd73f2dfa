"""RPMs of this checkout and of a next release, and a throwaway copy of this machine for them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobmend.jobs.version import VERSION

ROOT = Path(__file__).parents[2]
NEXT = f"{VERSION}.1"
NODE = ("jobmend", "jobmend-agent", "jobmend-slurm", "jobmend-htcondor")
# The package of the distribution that the brain's Python comes from.
BRAIN_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = Path(__file__).parent / "machine.sh"
# A package of the distribution in the words of docs/install.md: name, version, who asks for it.
ROW = re.compile(r"^\| `([\w-]+)` \| ([\d.]+)(?:-\S+)? \| \w+ \| ([^|]+) \|", re.M)


@dataclass(frozen=True)
class Needed:
    """A row of the table of what a node needs."""

    name: str
    version: str
    by: str


@pytest.fixture(scope="session")
def needed() -> dict[str, Needed]:
    """What docs/install.md says that EL 9 has, by name."""
    rows = ROW.findall((ROOT / "docs" / "install.md").read_text())
    return {row[0]: Needed(*row) for row in rows}


@dataclass(frozen=True)
class Packages:
    """A folder with the RPMs of two releases; the next one has another agent.toml."""

    folder: Path

    def of(self, version: str) -> list[str]:
        return [str(self.folder / f"{name}-{version}-1.noarch.rpm") for name in NODE]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    if os.geteuid() != 0:
        pytest.skip("only root can install RPMs and make a copy of this machine")
    if shutil.which("rpmbuild") is None:
        pytest.skip("no rpmbuild here: tests/testbed/packages rpm installs it on Debian")
    out = tmp_path_factory.mktemp("rpm")
    build(ROOT, out)
    later = tmp_path_factory.mktemp("next") / "tree"
    leave_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(ROOT, later, symlinks=True, ignore=leave_out)
    with (later / "etc" / "agent.toml").open("a") as settings:
        settings.write("# A setting of the next release.\n")
    build(later, out, NEXT)
    return Packages(out)


def build(tree: Path, out: Path, *arguments: str) -> None:
    command = [str(tree / "packaging" / "rpm" / "make-rpms"), str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


ENVIRON = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class Machine:
    """This machine as a copy that vanishes: own files, own network, Python 3.9 as python3."""

    def __init__(self, holder: subprocess.Popen[str], folder: Path) -> None:
        self._enter = ["nsenter", f"--target={holder.pid}", "--mount", "--net", "chroot"]
        self._root = str(folder / "root")
        self.root = Path(f"/proc/{holder.pid}/root{folder}/root")  # the same, seen from outside

    def command(self, *argv: str, user: str = "") -> list[str]:
        """The argument vector that runs ``argv`` on it."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        drop = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"] if user else []
        return [*self._enter, self._root, *who, *drop, *argv]

    def run(self, *argv: str, user: str = "", code: int = 0) -> str:
        """What a command prints; its exit status must be ``code``."""
        done = subprocess.run(
            self.command(*argv, user=user),
            capture_output=True,
            text=True,
            timeout=300,
            env=ENVIRON,
        )
        assert done.returncode == code, (argv, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def path(self, name: str) -> Path:
        """A file of its, as this process reaches it."""
        return self.root / name.lstrip("/")

    @contextmanager
    def service(self, name: str, ends_with: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """A unit's command as the unit's user without rights, in its state directory."""
        unit = self.path(f"/usr/lib/systemd/system/{name}.service").read_text()
        told = dict(
            re.findall(r"^(ExecStart|User|StateDirectory|StateDirectoryMode)=(.+)$", unit, re.M)
        )
        home = f"/var/lib/{told['StateDirectory']}"
        owner = ("-o", told["User"], "-g", told["User"])
        self.run("install", "-d", *owner, "-m", told["StateDirectoryMode"], home)
        argv = self.command(told["ExecStart"].removesuffix(" $OPTIONS"), user=told["User"])
        log = self.path(f"/tmp/{name}.log")
        with log.open("wb") as said:
            process = subprocess.Popen(
                argv, env={**ENVIRON, "HOME": home}, stdout=said, stderr=said
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            print(log.read_text())
        assert (process.returncode, "Traceback" in log.read_text()) == (ends_with, False)


@pytest.fixture(scope="module")
def machine(
    packages: Packages, needed: dict[str, Needed], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A machine with EL 9's packages, as far as its RPM database can tell, and none of ours."""
    folder = tmp_path_factory.mktemp("machine")
    stand_in(folder, needed)
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "--propagation=private", "bash", str(MACHINE), str(folder)]
        + [str(packages.folder), python_of_nodes(), str(folder / "rpm")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        if holder.stdout.readline() != "up\n":
            pytest.skip("no copy of this machine: its kernel or container allows no overlay here")
        machine = Machine(holder, folder)
        machine.run("rpm", "--install", "/mnt/stand-in/stand-in-1-1.noarch.rpm")
        yield machine
    finally:
        holder.stdin.close()
        holder.wait(timeout=60)


def python_of_nodes() -> str:
    """Python 3.9 where there is one: the oldest that nodes have."""
    local = ROOT / ".venv39" / "bin" / "python"
    return str(local if local.exists() else sys.executable)


def stand_in(folder: Path, needed: dict[str, Needed]) -> None:
    """A package that provides by name what the table says EL 9 has, in the versions it says."""
    provides = [f"Provides: {one.name} = {one.version}" for one in needed.values()]
    provides.append(f"Provides: {BRAIN_PYTHON}")
    spec = [
        *("Name: stand-in", "Version: 1", "Release: 1", "Summary: of a test", "License: none"),
        *("BuildArch: noarch", *provides, "Provides: /bin/sh, /usr/bin/python3"),
        *("%description", "What a distribution has.", "%files"),
    ]
    (folder / "stand-in.spec").write_text("\n".join(spec) + "\n")
    define = f"_topdir {folder}/build"
    command = [
        "rpmbuild",
        "-bb",
        "--quiet",
        "--define",
        define,
        "--define",
        f"_rpmdir {folder}/out",
    ]
    subprocess.run([*command, folder / "stand-in.spec"], check=True, capture_output=True)
    (folder / "rpm").mkdir()
    shutil.copy(folder / "out" / "noarch" / "stand-in-1-1.noarch.rpm", folder / "rpm")
