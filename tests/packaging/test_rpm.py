"""The RPMs as an administrator meets them: what they lay where, what they need, what they leave."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from jobmend.jobs.version import VERSION
from tests.packaging.conftest import NEXT, NODE, ROOT, Machine, Needed, Packages
from tests.packaging.rpms import laid_out, query

pytestmark = pytest.mark.rpm

LIBRARY = "/usr/lib/jobmend"
DOCS = "/usr/share/doc/jobmend-"
# For the hosts of Prometheus and Grafana.
WATCHED = ("/usr/share/jobmend/prometheus/", "/usr/share/jobmend/grafana/")
# What is laid out beside sources and folders: mode, and `c` for a configuration that stays.
FILES = {
    "jobmend": {
        "/usr/bin/jobmend": "-rwxr-xr-x",
        "/usr/bin/jobmend-doctor": "-rwxr-xr-x",
        f"{LIBRARY}/jobmend/py.typed": "-rw-r--r--",
        "/usr/share/bash-completion/completions/jobmend": "-rw-r--r--",
        "/usr/share/bash-completion/completions/jobmend-doctor": "-rw-r--r--",
        "/usr/share/man/man1/jobmend.1.gz": "-rw-r--r--",
        "/usr/share/man/man1/jobmend-doctor.1.gz": "-rw-r--r--",
        f"/usr/share/licenses/jobmend-{VERSION}/LICENSE": "-rw-r--r--",
    },
    "jobmend-agent": {
        "/usr/bin/jobmend-agent": "-rwxr-xr-x",
        "/etc/jobmend/agent.toml": "-rw-r--r-- c",
        "/usr/lib/systemd/system/jobmend-agent.service": "-rw-r--r--",
        "/usr/lib/sysusers.d/jobmend-agent.conf": "-rw-r--r--",
        "/usr/lib/tmpfiles.d/jobmend-agent.conf": "-rw-r--r--",
        "/usr/lib/sysctl.d/50-jobmend.conf": "-rw-r--r--",
        "/usr/share/jobmend/systemd/htcondor-environ.conf": "-rw-r--r--",
        "/usr/share/bash-completion/completions/jobmend-agent": "-rw-r--r--",
        "/usr/share/man/man5/jobmend-agent.toml.5.gz": "-rw-r--r--",
        "/usr/share/man/man8/jobmend-agent.8.gz": "-rw-r--r--",
    },
    "jobmend-slurm": {
        "/usr/bin/jobmend-slurm-hook": "-rwxr-xr-x",
        "/usr/libexec/jobmend/slurm-hook": "-rwxr-xr-x",
        "/usr/share/man/man8/jobmend-slurm-hook.8.gz": "-rw-r--r--",
    },
    "jobmend-htcondor": {
        "/usr/bin/jobmend-condor-hook": "-rwxr-xr-x",
        "/usr/bin/jobmend-condor-node": "-rwxr-xr-x",
        "/usr/libexec/jobmend/condor-hook": "-rwxr-xr-x",
        "/etc/condor/config.d/50-jobmend.conf": "-rw-r--r-- c",
        "/usr/share/man/man8/jobmend-condor-hook.8.gz": "-rw-r--r--",
        "/usr/share/man/man8/jobmend-condor-node.8.gz": "-rw-r--r--",
    },
}
EDITED = "# The administrator wrote this.\n"


@pytest.mark.parametrize("name", NODE)
def test_files_and_modes(name: str, packages: Packages) -> None:
    found = laid_out(str(packages.folder / f"{name}-{VERSION}-1.noarch.rpm"))
    sources = {path: mode for path, mode in found.items() if path.endswith(".py")}
    assert set(sources.values()) <= {"-rw-r--r--"}
    folders = {path: mode for path, mode in found.items() if mode.startswith("d")}
    assert set(folders.values()) <= {"drwxr-xr-x"}
    others = {path: mode for path, mode in found.items() if path not in (*sources, *folders)}
    shown = {
        path: "-rw-r--r--"
        for path in others
        if path.endswith(".example") or path.startswith((DOCS, *WATCHED))
    }
    assert others == {**FILES[name], **shown}


def test_every_example_and_page_is_shown(packages: Packages) -> None:
    found = {path for name in packages.of(VERSION) for path in laid_out(name)}
    for page in (ROOT / "docs").glob("*.md"):
        assert f"{DOCS}{VERSION}/docs/{page.name}" in found
    for example in (ROOT / "etc").rglob("*.example"):
        assert f"/usr/share/jobmend/{example.relative_to(ROOT / 'etc')}" in found
    for folder in ("prometheus", "grafana"):
        there = (ROOT / "etc" / folder).rglob("*.*")
        shipped = {f"/usr/share/jobmend/{path.relative_to(ROOT / 'etc')}" for path in there}
        assert shipped and shipped <= found


def test_every_source_of_the_node_side_is_in_one_package(packages: Packages) -> None:
    found = [path for name in packages.of(VERSION) for path in laid_out(name)]
    sources = [path for path in found if path.endswith(".py")]
    there = {
        f"{LIBRARY}/jobmend/{path.relative_to(ROOT)}"
        for folder in ("agent", "exporter", "jobs", "plugins")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert sorted(sources) == sorted({*there, f"{LIBRARY}/jobmend/__init__.py"})


def test_what_is_required_is_what_the_page_says_el9_has(
    packages: Packages, needed: dict[str, Needed]
) -> None:
    ours = {*NODE, "/bin/sh", "/usr/bin/python3"}
    asked: dict[str, set[str]] = {}
    for package, path in zip(NODE, packages.of(VERSION), strict=True):
        for tags in ("%{REQUIRES}", "%{RECOMMENDS}"):
            for (word,) in query(path, tags):
                if not word.startswith(("rpmlib(", "config(")):
                    asked.setdefault(re.split(r"[ (]+", word.lstrip("("))[0], set()).add(package)
    assert set(asked) - ours == set(needed)
    for name, by in asked.items():
        assert name in ours or all(package in needed[name].by for package in by), name


def test_installed_on_a_machine(machine: Machine, packages: Packages) -> None:
    """In this order: install, use, upgrade, remove; each leaves what the next one needs."""
    install(machine)
    assert machine.run("rpm", "--verify", *NODE) == ""
    agent_runs(machine)
    programs_answer(machine)
    assert machine.run("rpm", "--verify", *NODE) == ""
    upgrade_keeps_what_was_edited(machine)
    removal_leaves_settings_and_data(machine)


def install(machine: Machine) -> None:
    """By RPM with all its checks and scripts: the account, the folder, the sysctl."""
    names = [f"/mnt/rpms/{name}-{VERSION}-1.noarch.rpm" for name in NODE]
    assert "script" not in machine.run("rpm", "--install", *names)
    assert re.fullmatch(
        r"jobmend:[^:]*:\d+:\d+:jobmend agent:/var/lib/jobmend:/\S*nologin\n",
        machine.run("getent", "passwd", "jobmend"),
    )
    seen = machine.run("stat", "--format=%U:%G %a", "/run/jobmend")
    assert seen == "jobmend:jobmend 755\n"
    assert machine.run("cat", "/proc/sys/net/unix/max_dgram_qlen") == "512\n"
    version = machine.run("python3", "-c", "import sys; print(sys.implementation.cache_tag)")
    compiled = machine.path(f"{LIBRARY}/jobmend/agent/__pycache__")
    assert (compiled / f"daemon.{version.strip()}.pyc").exists()
    if (ROOT / ".venv39").exists():
        assert version == "cpython-39\n"


PAGE = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9807/metrics').read().decode())"
)


def page_with(machine: Machine, running: subprocess.Popen[bytes], pattern: str) -> str:
    """The metrics page, once a pattern is found in it."""
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(
            machine.command("/usr/bin/python3", "-I", "-c", PAGE), capture_output=True, text=True
        )
        if re.search(pattern, done.stdout):
            return done.stdout
        assert time.monotonic() < deadline and running.poll() is None, done.stdout + done.stderr
        time.sleep(0.2)


def agent_runs(machine: Machine) -> None:
    """The installed agent measures, and hears the installed hook of Slurm."""
    machine.path("/etc/jobmend/agent.conf.d/mine.toml").write_text('cluster = "c1"\n')
    with machine.service("jobmend-agent") as running:
        page = page_with(machine, running, rf'jobmend_build_info{{version="{VERSION}"[^}}]*}} 1')
        assert "\njobmend_thread_" in page
        status = Path(f"/proc/{running.pid}/status").read_text()
        assert re.search(r"^CapEff:\s0+$", status, re.M) and re.search(
            r"^NoNewPrivs:\s1$", status, re.M
        )
        hook = [
            *("env", "-i", "SLURM_SCRIPT_CONTEXT=prolog_slurmd", "SLURM_CLUSTER_NAME=c1"),
            *("SLURM_JOB_ID=77", "SLURMD_NODENAME=n1", "SLURM_JOB_USER=ada"),
            "/usr/libexec/jobmend/slurm-hook",
        ]
        assert machine.run(*hook) == ""
        page_with(
            machine, running, r'jobmend_agent_hook_events_total{[^}]*result="accepted"[^}]*} 1'
        )
    assert machine.path("/var/lib/jobmend/spool.db").exists()


def programs_answer(machine: Machine) -> None:
    """Each program runs from its own place, whatever PYTHONPATH says and wherever it is called."""
    lost = ("env", "PYTHONPATH=/nonexistent", "JOBMEND_HOOK_SOCKET=/nonexistent")
    assert machine.run(*lost, "jobmend", "--version") == f"jobmend, version {VERSION}\n"
    assert machine.run(*lost, "jobmend-agent", "--version") == f"jobmend-agent {VERSION}\n"
    assert "jobmend-brain" in machine.run("jobmend", "recommend", code=2)
    found = machine.run(*lost, "jobmend", "doctor", code=1)  # the agent has ended
    assert "start jobmend-agent" in found and "Traceback" not in found
    for hook in ("slurm-hook", "condor-hook"):
        assert machine.run(*lost, f"/usr/libexec/jobmend/{hook}") == ""
    where = "import sys; sys.path.insert(0, '/usr/lib/jobmend'); import jobmend; print(jobmend)"
    assert f"'{LIBRARY}/jobmend/__init__.py'" in machine.run("python3", "-I", "-c", where)
    config = machine.path("/etc/condor/config.d/50-jobmend.conf").read_text()
    for program in re.findall(r"= (/usr/\S+)$", config, re.M):
        assert os.access(machine.path(program), os.X_OK), program


def upgrade_keeps_what_was_edited(machine: Machine) -> None:
    settings = machine.path("/etc/jobmend/agent.toml")
    shipped = settings.read_text()
    settings.write_text(shipped + EDITED)
    condor = machine.path("/etc/condor/config.d/50-jobmend.conf").read_text()
    names = [f"/mnt/rpms/{name}-{NEXT}-1.noarch.rpm" for name in NODE]
    said = machine.run("rpm", "--upgrade", *names)
    assert "/etc/jobmend/agent.toml.rpmnew" in said
    assert settings.read_text() == shipped + EDITED
    assert "of the next release" in machine.path("/etc/jobmend/agent.toml.rpmnew").read_text()
    assert machine.path("/etc/condor/config.d/50-jobmend.conf").read_text() == condor
    changed = machine.run("rpm", "--verify", *NODE, code=1).splitlines()
    assert [line.split()[1:] for line in changed] == [["c", "/etc/jobmend/agent.toml"]]
    with machine.service("jobmend-agent") as running:
        page_with(machine, running, rf'jobmend_build_info{{version="{NEXT}"[^}}]*}} 1')


def removal_leaves_settings_and_data(machine: Machine) -> None:
    said = machine.run("rpm", "--erase", *NODE)
    assert "agent.toml.rpmsave" in said
    left = machine.run("find", "/", "-xdev", "-path", "*jobmend*", "-cnewer", "/mnt/stand-in")
    homes = ("/usr", "/etc", "/var")
    ours = {line for line in left.splitlines() if line.startswith(homes)}
    assert ours - {"/etc/jobmend", "/etc/jobmend/agent.conf.d", "/var/lib/jobmend"} == {
        "/etc/jobmend/agent.conf.d/mine.toml",
        "/etc/jobmend/agent.toml.rpmnew",
        "/etc/jobmend/agent.toml.rpmsave",
        "/var/lib/jobmend/spool.db",
    }
