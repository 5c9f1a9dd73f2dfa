"""The whole road with the real local scheduler: a job fails, is run again, and the brain knows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobmend.brain import recommendations, runs
from jobmend.brain.brain import Brain, assemble
from jobmend.brain.cli.program import main
from jobmend.brain.config import parse_config
from jobmend.jobs.actions import Action, ActionKind, Advice, Outcome, State
from jobmend.jobs.identity import Run, Workflow
from jobmend.jobs.records import RunRecord
from jobmend.plugins.local.queue import Queue

SECONDS = 120.0


@pytest.fixture
def brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Brain]:
    """A brain beside a local queue whose jobs are processes without cgroups."""
    monkeypatch.setenv("JOBMEND_CGROUP_ROOT", str(tmp_path / "no-cgroups"))
    monkeypatch.setenv("JOBMEND_HOOK_SOCKET", str(tmp_path / "no-agent"))
    config = parse_config(
        {
            "store": {"path": str(tmp_path / "b.db"), "tokens": str(tmp_path / "tokens")},
            "advice": {"settle_seconds": 0, "poll_seconds": 0.1},
            "schedulers": {"local": {"cluster": "here", "state_dir": str(tmp_path / "queue")}},
        }
    )
    brain = assemble(config)
    yield brain
    brain.store.close()


def wait_for_end(brain: Brain, run: Run) -> RunRecord:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        brain.watcher.round()
        with brain.store.read() as db:
            record = runs.load(db, run)
        if record is not None and record.exit is not None:
            return record
        time.sleep(0.05)
    raise AssertionError(f"{run.key} did not end in {SECONDS:g} s")


def test_a_job_is_run_again_and_its_success_verifies_the_action(
    brain: Brain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMEND_LOCAL_CLUSTER", "here")
    flag, queue = tmp_path / "flag", str(tmp_path / "queue")
    words = ["run", "--state-dir", queue, "--workflow", "w/1", "--detach"]
    job = ["sh", "-c", f"test -e {flag} || exit 3"]
    submitted = CliRunner().invoke(main, [*words, *job])
    assert submitted.exit_code == 0, submitted.output

    with Queue(Path(queue)) as jobs:
        (queued,) = jobs.jobs()
    run = Run("here", "local", str(queued.job_id), queued.run)
    failed = wait_for_end(brain, run)
    assert failed.exit is not None and failed.exit.code == 3

    workflow = Workflow("here", "w/1")
    advice = Advice(
        "missing input", Action(ActionKind.RECOVER), (run,), {ActionKind.RECOVER: 1}, ()
    )
    with brain.store.write() as db:
        found = recommendations.last_of(db, workflow)
        if found and found[0].state is State.PROPOSED:  # what the rules made of it
            recommendations.move(db, found[0], State.REJECTED, now=0, who="test")
        proposed = recommendations.propose(db, workflow, advice, "", time.time())
    flag.touch()
    applied = brain.acting.apply(proposed.id, "test").recommendation
    assert applied.state is State.APPLIED
    (again,) = applied.follow_ups
    assert wait_for_end(brain, again).succeeded
    brain.watcher.round()
    with brain.store.read() as db:
        verified = recommendations.get(db, proposed.id)
        record = runs.load(db, again)
    assert (verified.state, verified.outcome) == (State.VERIFIED, Outcome.SUCCESS)
    assert record is not None and record.facts.parent == run.key
