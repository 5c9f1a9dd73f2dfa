"""Hand-made trees of kernels that lack one thing each."""

from __future__ import annotations

from pathlib import Path

from jobmend.plugins.doctor import kernel
from jobmend.plugins.doctor.findings import Level


def test_version_2_with_every_controller_is_good(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc\n")
    found = kernel.check_cgroups(tmp_path)
    assert found.level is Level.GOOD
    assert found.text.startswith(f"{tmp_path}: version 2 (cpu, cpuset, ")


def test_a_controller_that_is_only_wanted_is_a_note_and_a_needed_one_is_bad(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory\n")
    found = kernel.check_cgroups(tmp_path)
    assert (found.level, "no io, pids" in found.text) == (Level.NOTE, True)
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io pids\n")
    found = kernel.check_cgroups(tmp_path)
    assert (found.level, found.cure) == (Level.BAD, "boot without cgroup_disable=memory")


def test_version_1_is_told_by_its_directories_whatever_their_names(tmp_path: Path) -> None:
    assert kernel.check_cgroups(tmp_path).cure == f"mount cgroup2 at {tmp_path}"
    for name in ("memory", "cpu,cpuacct", "cpuset", "blkio", "pids"):
        (tmp_path / name).mkdir()
    found = kernel.check_cgroups(tmp_path)
    assert found.level is Level.GOOD
    assert found.text == f"{tmp_path}: version 1 (cpu, cpuset, io, memory, pids)"
    (tmp_path / "memory").rmdir()
    assert "no memory" in kernel.check_cgroups(tmp_path).text


def test_a_kernel_without_pressure_is_a_note(tmp_path: Path) -> None:
    assert kernel.check_pressure(tmp_path).level is Level.NOTE
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 total=0\n")
    assert kernel.check_pressure(tmp_path).level is Level.GOOD


def test_a_short_queue_of_datagrams_is_a_note(tmp_path: Path) -> None:
    file = tmp_path / "sys" / "net" / "unix" / "max_dgram_qlen"
    assert kernel.check_queue(tmp_path).level is Level.NOTE
    file.parent.mkdir(parents=True)
    file.write_text("10\n")
    found = kernel.check_queue(tmp_path)
    assert found.level is Level.NOTE and "sysctl net.unix.max_dgram_qlen=512" in found.cure
    file.write_text("512\n")
    assert kernel.check_queue(tmp_path).level is Level.GOOD


def test_the_kernel_of_this_machine_can_be_looked_at() -> None:
    checks = kernel.examine(Path("/sys/fs/cgroup"), Path("/proc"))
    assert [found.check for found in checks] == ["cgroups", "pressure", "datagram queue"]
