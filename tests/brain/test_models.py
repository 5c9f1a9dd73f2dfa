"""Models: absent, trained, changed and damaged ones."""

from __future__ import annotations

import logging
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from jobmend.brain import ingest
from jobmend.brain.brain import Brain
from jobmend.brain.models import training
from jobmend.brain.models.shelf import ModelShelf
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, config_of, documents, ended, run_of


def window_of(job: int, steps: int = 4) -> TraceWindow:
    values = array("f", [0.1 * ((job + n) % 5) for n in range(steps * len(FEATURES))])
    return TraceWindow("n1", NOW + job, 1.0, (0,), (run_of(job).key,), values)


def train(tmp_path: Path, seed: int) -> training.Summary:
    """A quick contest on 150 made-up workflows, into the brain's own place."""
    wanted = training.Wanted(examples=150, arms=("majority", "xgboost"), track=False, seed=seed)
    return training.train_failures(
        config_of(tmp_path), wanted, lambda what, done, total: None
    ).summary


def test_no_model_is_no_trouble(tmp_path: Path) -> None:
    shelf = ModelShelf(tmp_path / "nowhere")
    assert (shelf.current().failures, shelf.current().traces) == (None, None)
    assert shelf.present() == {"failures": False, "traces": False}


def test_failure_models_are_trained_read_and_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = ModelShelf(tmp_path / "models")
    assert train(tmp_path, seed=1).synthetic
    first = shelf.current().failures
    assert first is not None and shelf.current().failures is first
    train(tmp_path, seed=2)
    second = shelf.current().failures
    assert second is not None and second is not first
    (tmp_path / "models" / "failures" / "manifest.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert shelf.current().failures is second
        assert shelf.current().failures is second
    assert (
        len([record for record in caplog.records if "the one before stays" in record.message]) == 1
    )


def test_traces_are_learned_from_healthy_runs_alone(brain: Brain, tell: Tell) -> None:
    with pytest.raises(ValueError, match="no windows"):
        training.train_traces(brain.store, brain.config.store.models)
    messages = [window_of(job) for job in range(20)] + [window_of(99)]
    batch = documents(window_of(50, steps=9), *messages)
    ingest.take_documents(brain.store, batch, now=NOW, max_windows=99)
    for job in (*range(20), 50):
        tell(*ended(job, OK))
    tell(*ended(99, BUG))
    trained = training.train_traces(brain.store, brain.config.store.models)
    assert (trained.windows, trained.left_out) == (20, 1)
    model = brain.shelf.current().traces
    assert model is not None and model.steps_ == 4


def test_the_service_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from jobmend.brain import service;"
        "from jobmend.brain.models.shelf import ModelShelf;"
        "ModelShelf(Path(sys.argv[1])).current();"
        "print([name for name in ('torch', 'xgboost', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, cwd="/"
    )
    assert done.stdout == "[]\n", done.stderr
