"""A node of files whose counters move, and the agent's configuration for it."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobmend.agent.config import Config, Hooks, Metrics, Sample, Scorer, Spool, Uplink, Window
from jobmend.brain.tokens import read
from jobmend.classifier.traces.export import export
from tests.agent.scorer.conftest import exportable

TREE = Path(__file__).parents[2] / "trees" / "many_features"
SCOPE = Path("cgroup/system.slice/slurmstepd.scope")
STAYS, ENDS = "471", "472"  # jobs: one stays, the other one ends while it is watched
STEPS = 4
TICK_SECONDS = 0.2
PERIOD_SECONDS = 0.2  # of a sample
# What grows in a tick, by file: the words, and by how much.
GROWS = {
    "cpu.stat": {"usage_usec": 60_000, "user_usec": 50_000, "system_usec": 10_000},
    "cpu.pressure": {"total": 20_000},
    "memory.pressure": {"total": 2_000},
    "io.pressure": {"total": 4_000},
    "io.stat": {"rbytes": 4_096, "wbytes": 8_192, "rios": 1, "wios": 2},
}


def lay_out(place: Path) -> Path:
    """Two jobs on four hardware threads."""
    shutil.copytree(TREE, place)
    shutil.copytree(place / SCOPE / f"job_{STAYS}", place / SCOPE / f"job_{ENDS}")
    for job, cpus in ((STAYS, "0,2-3"), (ENDS, "1")):
        for name in ("cpuset.cpus", "cpuset.cpus.effective"):
            (place / SCOPE / f"job_{job}" / name).write_text(f"{cpus}\n")
    return place


def end_job(place: Path) -> None:
    """Take away the cgroup of the one that ends."""
    shutil.rmtree(place / SCOPE / f"job_{ENDS}")


@contextmanager
def moving(place: Path) -> Iterator[None]:
    """The counters grow in place, as the kernel's do, until the end."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(TICK_SECONDS):
            for job in (place / SCOPE).glob("job_*"):
                for name, words in GROWS.items():
                    grow(job / name, words)
            tick_threads(place / "proc" / "stat")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def grow(path: Path, words: dict[str, int]) -> None:
    """Every number behind one of the words, by that much."""
    pattern = re.compile(rf"\b({'|'.join(words)})([ =])(\d+)")

    def grown(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}{int(found[3]) + words[found[1]]}"

    rewrite(path, lambda text: pattern.sub(grown, text))


def tick_threads(path: Path) -> None:
    """User, system and idle time of each hardware thread; USER_HZ is 100."""

    def ticked(found: re.Match[str]) -> str:
        user, nice, system, idle = (int(word) for word in found[2].split())
        return f"{found[1]}{user + 12} {nice} {system + 3} {idle + 5}"

    rewrite(path, lambda text: re.sub(r"(?m)^(cpu\d+ )((?:\d+ ){3}\d+)", ticked, text))


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Write over what is there: the file keeps its inode and is never empty or gone."""
    try:
        with path.open("r+") as file:
            text = file.read()
            file.seek(0)
            file.write(change(text))
    except FileNotFoundError:
        return  # its job has ended


def config_of(folder: Path, brain_url: str, tokens: Path) -> Config:
    """A quick agent of cluster c1 that scores and tells the brain."""
    model = folder / "model.npz"
    key = tokens / "scorer.key"
    learned = exportable("pca", steps=STEPS, step_seconds=PERIOD_SECONDS)
    model.write_bytes(export(learned, read(key).encode()))
    return Config(
        cluster="c1",
        node="n1",
        sample=Sample(
            period_seconds=PERIOD_SECONDS,
            slow_seconds=0.2,
            census_seconds=1.0,
            cgroup_root=str(folder / "node" / "cgroup"),
            proc_root=str(folder / "node" / "proc"),
        ),
        metrics=Metrics(totals_ttl_seconds=600.0),
        hooks=Hooks(socket=str(folder / "hook.sock"), grace_seconds=0.5),
        spool=Spool(path=str(folder / "spool.db")),
        uplink=Uplink(url=brain_url, token_file=str(tokens / "ingest"), interval_seconds=0.5),
        window=Window(steps=STEPS, interval_seconds=1.0),
        scorer=Scorer(
            enabled=True,
            key_file=str(key),
            model_file=str(model),
            poll_seconds=1.0,
            sample_windows=1000,
        ),
    )
