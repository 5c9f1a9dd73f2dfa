"""Actions on real jobs while the brain is killed with -9: resumed or told, never done twice."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from jobmend.brain import ingest, recommendations
from jobmend.brain.cli.program import main
from jobmend.brain.store import Store
from jobmend.jobs.actions import Action, ActionKind, Advice
from jobmend.jobs.identity import Run, Workflow
from jobmend.plugins.local.queue import Queue
from jobmend.plugins.local.scheduler import LocalScheduler
from tests.brain.process import Process

SECONDS = 120.0
INTERRUPTED = "was interrupted; look whether it took effect, it is not repeated"


class Scene:
    """A local queue, and a brain beside it that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.queue = folder / "queue"
        table = f"[schedulers.local]\ncluster = 'here'\nstate_dir = '{self.queue}'\n"
        self.process = Process(folder, table)

    def submit(self, *words: str) -> None:
        told = CliRunner().invoke(
            main, ["run", "--state-dir", str(self.queue), "--workflow", "w", *words]
        )
        assert told.exception is None or isinstance(told.exception, SystemExit), told.output

    def runs(self) -> list[Run]:
        with Queue(self.queue) as jobs:
            return [Run("here", "local", str(job.job_id), job.run) for job in jobs.jobs()]

    def propose(self, kind: ActionKind) -> None:
        """What the brain knows when it starts: the runs there are, and one proposal."""
        store = Store(self.process.folder / "brain.db")
        events = LocalScheduler("here", self.queue).history(0)
        ingest.take_events(store, events, now=time.time(), max_windows=9, historic=True)
        advice = Advice("transient", Action(kind), tuple(self.runs()), {kind: 1.0}, ())
        with store.write() as db:
            recommendations.propose(db, Workflow("here", "w"), advice, "", time.time())
        store.close()

    def steps(self) -> list[str]:
        with sqlite3.connect(self.process.folder / "brain.db") as db:
            rows = db.execute("SELECT state FROM steps ORDER BY number").fetchall()
        db.close()
        return [state for (state,) in rows]

    def kill_in_step(self, number: int) -> None:
        """Apply the proposal and kill the brain at a step, or soon behind it where it was quick."""
        applying = threading.Thread(target=self.apply)
        applying.start()
        deadline = time.monotonic() + SECONDS
        while self.steps()[number - 1 : number] in ([], ["planned"]):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        self.process.end(signal.SIGKILL)
        applying.join()

    def apply(self, dry_run: bool = False) -> httpx2.Response | None:
        try:
            return httpx2.post(
                f"{self.process.url}/api/v1/recommendations/1/apply",
                json={"dry_run": dry_run},
                headers=self.process.header_of("operator"),
                timeout=SECONDS,
                trust_env=False,
            )
        except httpx2.TransportError:
            return None

    def told(self) -> tuple[str, str]:
        """The state of the recommendation and the last line of its audit."""
        answer = httpx2.get(
            f"{self.process.url}/api/v1/recommendations/1", trust_env=False, timeout=60
        ).json()
        return answer["recommendation"]["state"], answer["audit"][-1]["detail"]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("JOBMEND_CGROUP_ROOT", str(tmp_path / "no-cgroups"))
    monkeypatch.setenv("JOBMEND_HOOK_SOCKET", str(tmp_path / "no-agent"))
    scene = Scene(tmp_path)
    yield scene
    scene.process.close()
    with Queue(scene.queue) as jobs:
        for job in jobs.unfinished():
            jobs.cancel(job.run)
        deadline = time.monotonic() + SECONDS
        while jobs.unfinished() and time.monotonic() < deadline:
            time.sleep(0.05)


def test_a_plan_cut_off_by_kill_9_repeats_no_run_twice(scene: Scene) -> None:
    for _ in range(4):
        scene.submit("sh", "-c", "exit 3")
    scene.propose(ActionKind.RECOVER)
    scene.process.start()
    shown = scene.apply(dry_run=True)
    assert shown is not None
    planned = [it["step"]["argv"] for it in shown.json()["steps"]]
    assert [argv[-2] for argv in planned] == [run.run for run in scene.runs()]
    assert scene.steps() == []

    scene.kill_in_step(2)
    states = scene.steps()
    assert states[0] == "done"
    assert states[1] in ("started", "done"), "done where it ended before the signal came"
    scene.process.start()
    state, detail = scene.told()
    if "started" in states:
        assert (state, INTERRUPTED in detail) == ("failed", True)
        assert scene.steps() == ["failed" if it == "started" else it for it in states]
    else:
        assert (state, scene.steps()) == ("applied", ["done"] * 4)
    refused = scene.apply()
    assert refused is not None and refused.json()["error"]["code"] == "illegal_move"

    scene.process.end(signal.SIGKILL)
    scene.process.start()  # once more: nothing is left to resume
    with Queue(scene.queue) as jobs:
        repeated = Counter(job.parent for job in jobs.jobs() if job.parent)
    assert set(repeated.values()) == {1}
    if state == "failed":
        begun = sum(it != "planned" for it in states)
        assert begun - 1 <= len(repeated) <= begun, "the one cut off may have taken effect"


def test_a_kill_cut_off_by_kill_9_is_told_and_the_job_ends_once(
    scene: Scene, tmp_path: Path
) -> None:
    trap = tmp_path / "trap is set"
    deaf = f"trap '' TERM; touch '{trap}'; while :; do sleep 0.1; done"
    scene.submit("--detach", "sh", "-c", deaf)
    with Queue(scene.queue) as jobs:
        (job,) = jobs.jobs()
        deadline = time.monotonic() + SECONDS
        while jobs.get(job.run).started is None or not trap.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    scene.propose(ActionKind.KILL)
    scene.process.start()
    scene.kill_in_step(1)
    cut_off = scene.steps() == ["started"]
    scene.process.start()
    state, detail = scene.told()
    assert (state, INTERRUPTED in detail) == (("failed", True) if cut_off else ("applied", False))
    deadline = time.monotonic() + SECONDS
    with Queue(scene.queue) as jobs:
        while jobs.get(job.run).ended is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert jobs.get(job.run).ending.state.value == "CANCELLED"
        assert len(jobs.jobs()) == 1


def test_a_wait_is_a_plan_without_a_step(scene: Scene) -> None:
    scene.submit("sh", "-c", "exit 3")
    scene.propose(ActionKind.WAIT)
    scene.process.start()
    env = {
        "JOBMEND_URL": scene.process.url,
        "JOBMEND_TOKEN_FILE": str(scene.process.folder / "tokens" / "operator"),
    }
    shown = CliRunner().invoke(main, ["apply", "1", "--dry-run"], env=env)
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr == (
        "no step: nothing is asked of a scheduler\nrecommendation 1 is proposed\n"
    )
