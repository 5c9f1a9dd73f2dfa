"""A real cluster under another slurm.conf, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.plugins.slurm.conftest import Cluster


@contextmanager
def configured(cluster: Cluster, change: Callable[[str], str]) -> Iterator[None]:
    """The cluster with a changed slurm.conf, as long as the block lasts."""
    file = cluster.root / "etc" / "slurm.conf"
    before = file.read_text()
    try:
        _reconfigure(cluster, file, change(before))
        yield
    finally:
        _reconfigure(cluster, file, before)


def _reconfigure(cluster: Cluster, file: Path, text: str) -> None:
    """Put a file in its place at once: a daemon may still read it for the last change."""
    if text != file.read_text():
        beside = file.with_name("slurm.conf.new")
        beside.write_text(text)
        beside.chmod(file.stat().st_mode & 0o777)
        beside.replace(file)
        cluster.run("scontrol", "reconfigure")
