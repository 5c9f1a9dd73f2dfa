"""The brain's RPM as an administrator meets it: what is in it, and its life on a machine.

Stand-ins are packaged in place of other people's wheels; what runs has this environment's.
"""

from __future__ import annotations

import configparser
import fnmatch
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobmend.brain.store import SCHEMA_VERSION
from jobmend.jobs.version import VERSION
from tests.packaging import wheels
from tests.packaging.conftest import BRAIN_PYTHON, ENVIRON, NEXT, ROOT, Machine, Packages, build
from tests.packaging.rpms import digests, laid_out, query

pytestmark = pytest.mark.rpm

LIBRARY = "/usr/lib/jobmend-brain"
SITE = f"{LIBRARY}/lib/{BRAIN_PYTHON}/site-packages"
HOME = "/var/lib/jobmend-brain"
UNITS = ROOT / "packaging" / "systemd"
EDITED = "# The administrator wrote this.\n"


@pytest.fixture(scope="module")
def brain(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The RPM of this checkout; beside it that of a next release."""
    python = Path("/usr/bin") / BRAIN_PYTHON
    if not python.exists() or subprocess.run([python, "-c", "import ensurepip"]).returncode:
        pytest.skip(f"no {python} with venv here: the distribution's Python is another one")
    folder = tmp_path_factory.mktemp("index") / "wheels"
    wheels.write(folder)
    defined = [f"jobmend_wheels {folder}", f"brain_python {BRAIN_PYTHON}"]
    options = ["--with", "brain", *(word for one in defined for word in ("--define", one))]
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(lambda one: build(ROOT, packages.folder, one, *options), (VERSION, NEXT)):
            pass
    (found,) = packages.folder.glob(f"jobmend-brain-{VERSION}-1.*.rpm")
    return found


def test_files_and_modes(brain: Path) -> None:
    found = laid_out(str(brain))
    outside = {path: mode for path, mode in found.items() if not path.startswith(LIBRARY)}
    units = {f"/usr/lib/systemd/system/{path.name}" for path in UNITS.glob("jobmend-[bl]*.*")}
    assert len(units) == 3
    licence = f"/usr/share/licenses/jobmend-brain-{VERSION}"
    assert outside == {
        "/etc/jobmend": "drwxr-xr-x",
        "/etc/jobmend/brain.toml": "-rw-r--r-- c",
        "/usr/bin/jobmend-brain": "-rwxr-xr-x",
        **dict.fromkeys(units, "-rw-r--r--"),
        "/usr/lib/sysusers.d/jobmend-brain.conf": "-rw-r--r--",
        "/usr/share/bash-completion/completions/jobmend-brain": "-rw-r--r--",
        licence: "drwxr-xr-x",
        f"{licence}/LICENSE": "-rw-r--r--",
        "/usr/share/man/man5/jobmend-brain.toml.5.gz": "-rw-r--r--",
        "/usr/share/man/man8/jobmend-brain.8.gz": "-rw-r--r--",
    }
    within = {mode for path, mode in found.items() if path.startswith(LIBRARY)}
    assert within == {"-rw-r--r--", "-rwxr-xr-x", "drwxr-xr-x", "lrwxrwxrwx"}


def test_every_package_is_in_it_with_all_its_files(brain: Path) -> None:
    found = digests(str(brain))
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = config["options"]["packages"].split()
    tops = {name.split(".")[1] for name in packages if name.count(".") == 1}
    files = [ROOT / "__init__.py", ROOT / "py.typed"]
    files += [path for top in tops for path in (ROOT / top).rglob("*") if path.is_file()]
    there = {
        f"{SITE}/jobmend/{path.relative_to(ROOT)}"
        for path in files
        if "__pycache__" not in path.parts
    }
    ours = {path for path in found if path.startswith(f"{SITE}/jobmend/")}
    assert {path for path in ours if "__pycache__" not in path} == there
    compiled = {path for path in ours if path.endswith(".pyc")}
    assert len(compiled) == sum(path.endswith(".py") for path in there)


def test_its_python_is_the_distributions(brain: Path) -> None:
    links = dict(query(str(brain), "%{FILENAMES}\t%{FILELINKTOS}"))
    assert links[f"{LIBRARY}/bin/{BRAIN_PYTHON}"] == f"/usr/bin/{BRAIN_PYTHON}"
    assert [BRAIN_PYTHON] in query(str(brain), "%{REQUIRES}")


def test_nothing_of_the_tree_is_forgotten(brain: Path, packages: Packages, tmp_path: Path) -> None:
    """Settings, hooks, rules, dashboards, units, pages, completions: each in one package."""
    every = [str(brain), *packages.of(VERSION)]
    held = [(path, digest) for package in every for path, digest in digests(package).items()]
    times = Counter(digest for _, digest in held)
    files = [path for top in (ROOT / "etc", UNITS) for path in top.rglob("*") if path.is_file()]
    found = {path: times[hashlib.sha256(path.read_bytes()).hexdigest()] for path in files}
    # The brain's settings are changed for its unit's directory: test_brain.py.
    assert found.pop(ROOT / "etc" / "brain.toml") == 0
    assert len(found) > 20 and set(found.values()) == {1}, found
    subprocess.run([sys.executable, ROOT / "packaging/pages/build.py", ROOT, tmp_path], check=True)
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    pages = [f"/usr/share/{path}{'.gz' * (path.parts[0] == 'man')}" for path in made]
    shipped = [path for path, _ in held if path.startswith(("/usr/share/man", "/usr/share/bash-"))]
    assert sorted(pages) == sorted(shipped)


def test_what_the_pages_name_is_where_they_say(brain: Path, packages: Packages) -> None:
    there = {path for one in (str(brain), *packages.of(VERSION)) for path in laid_out(one)}
    there |= {str(folder) for path in there for folder in Path(path).parents}
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "packaging" / "pages").glob("*.md")]
    pages += [path for path in (ROOT / "etc").rglob("*") if path.is_file()]
    told = "\n".join(path.read_text() for path in pages)
    named = set(re.findall(r"/usr/[\w./*-]*jobmend[\w./*{},-]*", told))
    patterns = {re.sub(r"{.*}", "*", one).rstrip("/.,") for one in named}
    assert len(patterns) > 10
    assert {one for one in patterns if not fnmatch.filter(there, one)} == set()


def test_no_program_is_forgotten(brain: Path, packages: Packages) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    scripts = config["options.entry_points"]["console_scripts"].strip().splitlines()
    names = {line.split()[0] for line in scripts}
    every = [path for one in (str(brain), *packages.of(VERSION)) for path in laid_out(one)]
    called = [path for path in every if path.startswith("/usr/bin/")]
    assert sorted(called) == sorted(f"/usr/bin/{name}" for name in names)
    assert {f"{LIBRARY}/bin/{name}" for name in names} <= set(every)


def test_every_unit_that_can_be_enabled_is_told_of(brain: Path, packages: Packages) -> None:
    """Preset after installing, ended before removing, restarted after an upgrade."""
    scripts = ""
    for package in (str(brain), *packages.of(VERSION)):
        tags = "%{POSTIN}\n%{PREUN}\n%{POSTUN}\n"
        command = ["rpm", "--query", "--package", "--queryformat", tags, package]
        scripts += subprocess.run(command, check=True, capture_output=True, text=True).stdout
    enabled = [unit for unit in UNITS.glob("*.*") if "[Install]" in unit.read_text()]
    assert {unit.name for unit in enabled} == {
        "jobmend-agent.service",
        "jobmend-brain.service",
        "jobmend-learn.timer",
    }
    for unit in enabled:
        for order in (r"--no-reload preset", r"disable --now", r"try-restart"):
            assert re.search(rf"{order} [\w. -]*{re.escape(unit.name)}", scripts), (order, unit)


def test_life_on_a_machine(machine: Machine, brain: Path, packages: Packages) -> None:
    """In this order: install, serve what an older release left, learn, upgrade, remove."""
    names = [f"/mnt/rpms/jobmend-{VERSION}-1.noarch.rpm", f"/mnt/rpms/{brain.name}"]
    assert "script" not in machine.run("rpm", "--install", *names)
    assert re.fullmatch(
        rf"jobmend-brain:[^:]*:\d+:\d+:jobmend brain:{HOME}:/\S*nologin\n",
        machine.run("getent", "passwd", "jobmend-brain"),
    )
    lend_libraries(machine)
    leave_an_old_store(machine, packages.folder / "old.db")
    with machine.service("jobmend-brain", ends_with=-15) as running:
        answers(machine, running, VERSION)
        learns(machine)
    assert kept(machine) == [(SCHEMA_VERSION,), ("c", "s", 1.0)]
    assert machine.run("stat", "--format=%U %a", HOME) == "jobmend-brain 700\n"
    assert machine.run("rpm", "--verify", "jobmend", "jobmend-brain") == ""
    upgrade_keeps_settings_and_store(machine)
    removal_leaves_settings_and_data(machine)


def lend_libraries(machine: Machine) -> None:
    """What the stand-ins stand for; the folders above are opened in the copy alone."""
    libraries = Path(sysconfig.get_path("platlib"))
    for folder in (libraries, *libraries.parents):
        if folder != Path("/"):
            machine.run("chmod", "o+rx", str(folder))
    machine.path(f"{SITE}/lent.pth").write_text(f"{libraries}\n")


def leave_an_old_store(machine: Machine, scratch: Path) -> None:
    """A store as the first release wrote it, in the unit's directory."""
    with sqlite3.connect(scratch) as db:
        db.executescript((ROOT / "tests" / "brain" / "schema-1.sql").read_text())
        db.execute("INSERT OR REPLACE INTO cursors VALUES ('c', 's', 1)")
    db.close()
    machine.run("install", "-d", "-m", "0700", HOME)
    shutil.copy(scratch, machine.path(f"{HOME}/brain.db"))
    machine.run("chown", "-R", "jobmend-brain:jobmend-brain", HOME)


def kept(machine: Machine) -> list[tuple[object, ...]]:
    """The store's version, and what was in it."""
    program = (
        f"import sqlite3; db = sqlite3.connect('{HOME}/brain.db');"
        "print([*db.execute('PRAGMA user_version'), *db.execute('SELECT * FROM cursors')][:2])"
    )
    found: list[tuple[object, ...]] = eval(machine.run("python3", "-c", program))
    return found


def answers(machine: Machine, running: subprocess.Popen[bytes], version: str) -> None:
    """The brain is ready, and the doctor on its machine finds it well."""
    deadline = time.monotonic() + 120
    while True:
        command = machine.command("jobmend", "doctor", "--json")
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRON)
        found = {one["check"]: one for one in json.loads(done.stdout or "[]")}
        told = found.get("brain", {"level": "", "text": ""})
        if told["level"] == "good" and found["brain's schedulers"]["level"] == "good":
            break
        assert time.monotonic() < deadline and running.poll() is None, done.stdout + done.stderr
        time.sleep(0.5)
    assert f"version {version}" in told["text"]
    assert found["versions"]["level"] == "good"
    assert "jobmend learn" in found["brain's models"]["cure"]


def learns(machine: Machine) -> None:
    """What the timer starts: a turn that finds nothing to learn from yet, and says so."""
    unit = machine.path("/usr/lib/systemd/system/jobmend-learn.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.+) \$OPTIONS$", unit, re.M)
    said = machine.run("env", f"HOME={HOME}", *command.split(), user="jobmend-brain")
    rows = {line.split("\t")[0]: line.split("\t") for line in said.splitlines() if "\t" in line}
    assert {name: rows[name][1] for name in ("traces", "failures")} == {
        "traces": "kept",
        "failures": "kept",
    }
    assert "Traceback" not in said


def upgrade_keeps_settings_and_store(machine: Machine) -> None:
    settings = machine.path("/etc/jobmend/brain.toml")
    shipped = settings.read_text()
    settings.write_text(shipped + EDITED)
    (name,) = machine.path("/mnt/rpms").glob(f"jobmend-brain-{NEXT}-1.*.rpm")
    base = f"/mnt/rpms/jobmend-{NEXT}-1.noarch.rpm"
    machine.run("rpm", "--upgrade", base, f"/mnt/rpms/{name.name}")
    assert settings.read_text() == shipped + EDITED
    assert machine.run("jobmend", "--version") == f"jobmend, version {NEXT}\n"
    with machine.service("jobmend-brain", ends_with=-15) as running:
        answers(machine, running, NEXT)
    assert kept(machine) == [(SCHEMA_VERSION,), ("c", "s", 1.0)]


def removal_leaves_settings_and_data(machine: Machine) -> None:
    machine.path(f"{SITE}/lent.pth").unlink()
    assert "brain.toml.rpmsave" in machine.run("rpm", "--erase", "jobmend", "jobmend-brain")
    left = machine.run("find", "/", "-xdev", "-path", "*jobmend*", "-cnewer", "/mnt/stand-in")
    ours = {line for line in left.splitlines() if line.startswith(("/usr", "/etc", "/var"))}
    outside = {line for line in ours if not line.startswith(HOME)}
    assert outside - {"/etc/jobmend"} == {"/etc/jobmend/brain.toml.rpmsave"}
    assert {f"{HOME}/brain.db", f"{HOME}/tokens/operator"} <= ours
