"""One boot of the guest for all tests: a share disk is filled, scenes are played, tests compare.

These tests run only where `-m` names them: `make test-vm`, or `pytest -m vm`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.observed import Observed

REPOSITORY = Path(__file__).parents[2]
TESTBED = REPOSITORY / "tests" / "testbed"
NODE_SIDE = ("agent", "exporter", "jobs", "plugins")  # the folders a node gets
AGENT_TOML = """\
cluster = "testbed"
node = "vm"
[sample]
census_seconds = 1.0
[metrics]
totals_ttl_seconds = 20.0
exit_ttl_seconds = 20.0
"""
# The hook's limits are made for real machines; one that is emulated is ten times slower.
CONSOLE_SCRIPT = """\
#!/usr/bin/python3
import sys
sys.path.insert(0, "/opt/jobmend")
from jobmend.plugins.slurm import hook
hook.LIMIT_SECONDS = 5.0
hook.main()
"""
KILLED_AFTER, KILLED_LATER = "timeout -s KILL 1 ", "timeout -s KILL 20 "


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Booting a machine takes minutes: without being asked for it is not done."""
    if "vm" in config.getoption("markexpr"):
        return
    here = [item for item in items if item.get_closest_marker("vm") is not None]
    if here:
        config.hook.pytest_deselected(items=here)
        items[:] = [item for item in items if item not in here]


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """What was observed in the guest; skipped where it cannot be built."""
    if os.geteuid() != 0:
        pytest.skip("the guest's image is built by root")
    if not Path("/etc/debian_version").exists():
        pytest.skip("the guest is built by Debian's debootstrap, and this is not Debian")
    share, out = tmp_path_factory.mktemp("share"), tmp_path_factory.mktemp("vm")
    fill(share)
    slurm_extra = (REPOSITORY / "etc/slurm/jobmend.conf.example").read_text()
    env = {**os.environ, "VM_OUT": str(out), "VM_SLURM_EXTRA": slurm_extra, "VM_TIMEOUT": "900"}
    subprocess.run([TESTBED / "vm-build"], env=env, check=True, timeout=900)
    command = "PYTHONPATH=/opt/jobmend python3 -m guest.main"
    done = subprocess.run(
        [TESTBED / "vm-run", "-s", share, "--", command],
        env=env,
        stdout=subprocess.PIPE,
        timeout=1000,
    )
    console = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"the guest ended with {done.returncode}:\n{console[-6000:]}"
    yield Observed.read(json.loads((out / "out" / "observed.json").read_text()), out / "out")


def fill(share: Path) -> None:
    """The share disk: what runs in the guest, and the files of an installation."""
    share.chmod(0o755)
    shutil.copytree(Path(__file__).parent / "guest", share / "guest")
    root = share / "root"
    package = root / "opt/jobmend/jobmend"
    for folder in NODE_SIDE:
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, package / folder, ignore=leave)
    shutil.copy(REPOSITORY / "__init__.py", package)
    put(root / "etc/jobmend/agent.toml", AGENT_TOML)
    hook = (REPOSITORY / "etc/slurm/jobmend-hook").read_text()
    assert KILLED_AFTER in hook
    put(root / "etc/slurm/jobmend-hook", hook.replace(KILLED_AFTER, KILLED_LATER), 0o755)
    put(root / "usr/bin/jobmend-slurm-hook", CONSOLE_SCRIPT, 0o755)


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file that everybody may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
