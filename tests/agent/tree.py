"""What tests of whole cgroup trees share: laying a tree out, sampling it, and reading the page."""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from jobmend.agent.config import Config
from jobmend.agent.metrics import page_of_the_moment
from jobmend.agent.sampler import Sampler

TREES = Path(__file__).parents[1] / "trees"
NAMES = sorted(path.name for path in TREES.iterdir() if path.is_dir())
SEQUENCES = [name for name in NAMES if (TREES / name / "1").is_dir()]
STEP_SECONDS = 60.0  # between two steps of a sequence: all that is sampled slowly is due again
EPOCH = 1795245000.0
STRANGER = "20001"  # the user of the jobs of the trees; nobody has an entry for it


class Look:
    """A page as series."""

    def __init__(self, page: bytes) -> None:
        self.samples = [
            sample
            for family in text_string_to_metric_families(page.decode())
            for sample in family.samples
        ]

    def all(self, name: str, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The series of a name that have these labels; an empty value: that have no such label."""
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for sample in self.samples
            if re.fullmatch(name, sample.name)
            and all(sample.labels.get(key, "") == value for key, value in labels.items())
        }

    def one(self, name: str, **labels: str) -> float:
        (value,) = self.all(name, **labels).values()
        return value

    def jobs(self) -> set[str]:
        return {dict(labels).get("jobid", "") for labels in self.all("jobmend_job_info")}

    def claims(self, **labels: str) -> dict[str, set[str]]:
        """The hardware threads by the way it is known that they are a job's."""
        claims: dict[str, set[str]] = {}
        for found in map(dict, self.all("jobmend_thread_job_info", **labels)):
            claims.setdefault(found["ownership"], set()).add(found["cpu"])
        return claims


def once(tree: Path) -> bytes:
    command = [sys.executable, "-m", "jobmend.agent", "--once"]
    roots = ["--cgroup-root", str(tree / "cgroup"), "--proc-root", str(tree / "proc")]
    return subprocess.run([*command, *roots], check=True, capture_output=True, cwd="/").stdout


def lay_out(tree: Path, place: Path) -> Path:
    """Make ``place`` like a tree: what is not in it is removed, what stays keeps its inode.

    A job's ad must be its user's own or root's: so it is, whoever runs the tests.
    """
    for path in sorted(place.rglob("*"), reverse=True):
        if not os.path.lexists(tree / path.relative_to(place)):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in sorted(tree.rglob("*")):
        target = place / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(os.readlink(path))
        elif path.is_file():
            target.write_bytes(path.read_bytes())
    if os.geteuid() != 0:
        for status in place.glob("proc/*/status"):
            status.write_text(status.read_text().replace(STRANGER, str(os.geteuid())))
    return place


def disown(page: bytes) -> bytes:
    """The page with our own name in the jobs' labels as it is where root runs the tests."""
    if os.geteuid() == 0:
        return page
    name = pwd.getpwuid(os.geteuid()).pw_name
    return page.replace(f'user="{name}"'.encode(), f'user="{STRANGER}"'.encode())


@dataclasses.dataclass
class Played:
    """What came of a sequence: jobs that appeared and vanished at each step, and the last page."""

    changes: list[tuple[set[str], set[str]]]
    page: bytes
    openmetrics: bytes


def play(name: str, config: Config, place: Path, peers: tuple[str, ...] = ()) -> Played:
    """Sample the steps of a tree one by one with one sampler; a plain tree has one step.

    The pages have the names of ``peers`` as well.
    """
    root = TREES / name
    steps = sorted((path for path in root.iterdir() if path.name.isdigit()), key=step_number)
    cgroup, proc = str(place / "cgroup"), str(place / "proc")
    sample = dataclasses.replace(
        config.sample, period_seconds=1.0, cgroup_root=cgroup, proc_root=proc
    )
    sampler = Sampler(dataclasses.replace(config, sample=sample))
    changes = []
    try:
        for number, step in enumerate(steps or [root]):
            lay_out(step, place)
            time = STEP_SECONDS * number
            seen = sampler.sample(1000.0 + time, EPOCH + time)
            changes.append(({j.job_id for j in seen.appeared}, {j.job_id for j in seen.vanished}))
        page = disown(page_of_the_moment(sampler, proc, peers=peers))
        other = page_of_the_moment(sampler, proc, openmetrics=True, peers=peers)
        return Played(changes, page, disown(other))
    finally:
        sampler.close()


def step_number(path: Path) -> int:
    return int(path.name)
