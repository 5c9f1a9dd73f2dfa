"""What the kernel of this machine offers: cgroups, pressure stalls, room for datagrams."""

from __future__ import annotations

from pathlib import Path

from .findings import Check, Finding

CGROUPS = Check("cgroups", "Linux, Documentation/admin-guide/cgroup-v2.rst")
PRESSURE = Check("pressure", "Linux, Documentation/accounting/psi.rst")
QUEUE = Check("datagram queue", "unix(7), max_dgram_qlen")

# Without the first two jobs cannot be measured; without the others less is known of them.
NEEDED = ("cpu", "memory")
WANTED = ("cpuset", "io", "pids")
_V1 = {"cpu": ("cpuacct", "cpu,cpuacct"), "io": ("blkio",)}  # other names in version 1
LEAST_QUEUE = 128  # hooks of jobs that start at one moment


def examine(cgroup_root: Path, proc_root: Path) -> list[Finding]:
    """All checks of the kernel."""
    return [check_cgroups(cgroup_root), check_pressure(proc_root), check_queue(proc_root)]


def check_cgroups(root: Path) -> Finding:
    """Which version of cgroups is mounted, with which controllers?"""
    try:
        version, there = 2, set((root / "cgroup.controllers").read_text().split())
    except OSError:
        version, there = 1, _mounted(root)
    if not there:
        return CGROUPS.bad(f"{root}: no cgroups", f"mount cgroup2 at {root}")
    told = f"{root}: version {version} ({', '.join(sorted(there))})"
    missing = [name for name in NEEDED if name not in there]
    if missing:
        cure = f"boot without cgroup_disable={missing[0]}"
        return CGROUPS.bad(f"{told}: no {' and '.join(missing)}", cure)
    missing = [name for name in WANTED if name not in there]
    if missing:
        return CGROUPS.note(f"{told}: no {', '.join(missing)}; less is known of jobs")
    return CGROUPS.good(told)


def _mounted(root: Path) -> set[str]:
    """The controllers of version 1, by the names that version 2 has for them."""
    return {
        name
        for name in (*NEEDED, *WANTED)
        if any((root / folder).is_dir() for folder in _V1.get(name, (name,)))
    }


def check_pressure(root: Path) -> Finding:
    """Does the kernel measure pressure stalls?"""
    file = root / "pressure" / "cpu"
    try:
        file.read_bytes()
    except OSError as error:
        text = f"{file}: {error.strerror}; contention is not seen"
        return PRESSURE.note(text, "boot a kernel with CONFIG_PSI and psi=1")
    return PRESSURE.good(f"{file}: readable")


def check_queue(root: Path) -> Finding:
    """How many hooks may speak before the agent has read the first?"""
    file = root / "sys" / "net" / "unix" / "max_dgram_qlen"
    try:
        length = int(file.read_text())
    except (OSError, ValueError):
        return QUEUE.note(f"{file}: cannot be read")
    if length < LEAST_QUEUE:
        text = f"{length} datagrams wait at most; more hooks at one moment may be turned away"
        cure = "sysctl net.unix.max_dgram_qlen=512, also in /etc/sysctl.d; restart jobmend-agent"
        return QUEUE.note(text, cure)
    return QUEUE.good(f"{length} datagrams may wait")
