"""What real processes, in real cgroups, say of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.cgroups import UNIFIED, hierarchies
from jobmend.agent.resolver import Resolver
from jobmend.plugins.layout import JobPath
from tests.agent.running import remove_cgroup

EXECUTE = f"_var_lib_jobmend{os.getpid()}"
SLOT = "slot1_1@n1"
PATH = JobPath("htcondor", "", slot=SLOT)


@pytest.fixture
def slot() -> Iterator[tuple[str, Path]]:
    """The cgroup of a slot with one below it, in the v2 hierarchy: controller and directory."""
    unified = [tree.root for tree in hierarchies("/sys/fs/cgroup") if UNIFIED in tree.controllers]
    if not unified:
        pytest.skip("no cgroup v2 is mounted below /sys/fs/cgroup")
    base = Path(unified[0], f"htcondor_t{os.getpid()}")
    job = base / f"{EXECUTE}_{SLOT}.slice"
    scope = job / f"{EXECUTE}_{SLOT}.scope"
    try:
        for directory in (base, job, scope):
            directory.mkdir()
        yield UNIFIED, job
    except PermissionError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    finally:
        for directory in (scope, job, base):
            remove_cgroup(directory)


@pytest.fixture
def inside(slot: tuple[str, Path], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the slot, as HTCondor starts one."""
    ad = tmp_path / ".job.ad"
    ad.write_text('ClusterId = 2\nGlobalJobId = "n1#2.0#900"\nProcId = 0\nNumShadowStarts = 1\n')
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"],
        stdout=subprocess.PIPE,
        env={"_CONDOR_JOB_AD": str(ad), "_CONDOR_SLOT": "slot1_1"},
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        (scope,) = slot[1].glob("*.scope")
        (scope / "cgroup.procs").write_text(str(process.pid))
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.cgroup
def test_a_process_leads_to_its_slot_its_user_and_its_job(
    slot: tuple[str, Path], inside: subprocess.Popen[bytes]
) -> None:
    resolver, directories = Resolver("/proc"), {slot[0]: str(slot[1])}
    assert resolver.path_of(inside.pid, "htcondor") == PATH
    assert resolver.path_of(inside.pid, "slurm") is None
    assert resolver.path_of(os.getpid(), "htcondor") is None
    assert resolver.user_of(inside.pid) == os.getuid()
    assert resolver.users_of(directories) == {os.getuid()}
    told = resolver.identify(PATH, directories)
    assert told is not None and (told.job_id, told.run) == ("2.0", "n1#2.0#900#1")
    inside.kill()
    inside.wait()
    assert resolver.users_of(directories) == frozenset()
    assert resolver.identify(PATH, directories) is None
    assert resolver.path_of(inside.pid, "htcondor") is None
    assert resolver.user_of(inside.pid) is None


@pytest.mark.parametrize(
    ("lines", "slot"),
    [
        ("4:memory:/htcondor/_e_slot1_1@n1\n1:name=systemd:/\n", "slot1_1@n1"),
        ("0::/htcondor/_e_slot1_1@n1\n", ""),  # where condor_ssh_to_job puts its sessions
        ("0::/system.slice/htcondor/condor_e_slot2@n1/control/deep\n", "slot2@n1"),
        ("0::/htcondor/_e_slot1_1@n1.slice/x/htcondor/_e_slot1_9@n1.slice\n", "slot1_1@n1"),
        ("0::/../../htcondor/_e_slot1_1@n1.slice\n", ""),  # another cgroup namespace
        ("nonsense\n::\n\n0::/\n", ""),
    ],
)
def test_the_outermost_slot_of_a_process(tmp_path: Path, lines: str, slot: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(lines)
    found = Resolver(str(tmp_path)).path_of(7, "htcondor")
    assert (found.slot if found else "") == slot


def test_of_an_unknown_scheduler_nothing_is_known(tmp_path: Path) -> None:
    resolver = Resolver("/proc")
    assert resolver.identify(JobPath("pbs", ""), {UNIFIED: str(tmp_path)}) is None
    assert resolver.path_of(os.getpid(), "pbs") is None
    assert resolver.steps("pbs") == frozenset() == resolver.steps("local")
