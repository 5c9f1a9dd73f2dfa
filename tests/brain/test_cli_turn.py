"""``jobmend learn`` as the timer runs it and as a developer does, on synthetic windows."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from jobmend.brain import ingest
from jobmend.brain.cli.program import main
from jobmend.brain.config import read_config
from jobmend.brain.learning import folders, lock, turns
from jobmend.brain.learning.loop import Loop
from jobmend.brain.learning.registry import registry
from jobmend.brain.learning.subjects import MADE
from jobmend.brain.learning.turns import TurnState
from jobmend.brain.metrics.page import BrainMetrics
from jobmend.brain.models import champions
from jobmend.brain.models.shelf import ModelShelf
from jobmend.brain.sources.archive import Archive
from jobmend.brain.store import Store
from jobmend.classifier.failures.history.cms import write_history
from jobmend.classifier.failures.synthetic.tasks import generate
from tests.brain.scene import OK, documents, ended, run_of
from tests.classifier.traces.synthetic import window

SET = Path(__file__).parents[1] / "data" / "traces"
HOUR = 3600.0
FEW_ARMS = 'arms_traces = ["pca", "forest"]\narms_failures = ["majority"]\n'


def jobmend(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def write_config(root: Path, learning: str = FEW_ARMS) -> Path:
    path = root / "brain.toml"
    places = {
        "path": "brain.db",
        "models": "models",
        "archive": "archive",
        "tokens": "tokens",
    }
    lines = [f'{name} = "{root / place}"' for name, place in places.items()]
    path.write_text("\n".join(["[store]", *lines, "[learning]", learning]))
    return path


def fill(config: Path, runs: int) -> None:
    """Runs of the last two days that ended well, a window of each in the archive."""
    settings, now = read_config(config).store, time.time()
    store, rng = Store(settings.path), np.random.default_rng(0)
    windows = []
    for job in range(runs):
        ended_at = now - 48 * HOUR * (job + 1) / (runs + 1)
        told = documents(*ended(job, OK, time=ended_at, workflow=f"w{job % 2}"))
        assert ingest.take_documents(store, told, now=now, max_windows=10).accepted == 2
        made = window(rng, run_of(job).key)
        windows.append(dataclasses.replace(made, start=ended_at - 40))
    store.close()
    Archive(settings.archive).add(windows, now)


def answers(result: Result) -> dict[str, Any]:
    return {one["subject"]: one for one in json.loads(result.stdout.splitlines()[-1])}


def test_a_turn_from_the_store(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    fill(config, 60)
    done = jobmend("learn", "--config", config, "--no-track", "--json")
    assert done.exit_code == 0, done.stderr
    told = answers(done)
    assert told["traces"]["state"] == "promoted", told
    assert told["traces"]["champion"] == {"before": 0, "after": 1}
    assert told["traces"]["seconds"]["train/pca"] > 0
    assert told["failures"]["state"] == "kept"
    assert told["failures"]["why"].startswith("failures: there is no example in the newest 14 days")
    settings = read_config(config).store
    assert ModelShelf(settings.models).current().traces is not None
    page = metrics(settings.path)
    assert 'jobmend_brain_learning_champion_info{arm="' in page
    assert 'jobmend_brain_learning_turns{state="promoted",subject="traces"} 1.0' in page
    assert 'jobmend_brain_learning_turns{state="kept",subject="failures"} 1.0' in page
    assert 'jobmend_brain_learning_turn_step_seconds{step="train/pca",subject="traces"}' in page
    assert 'jobmend_brain_learning_loss_band{edge="high",subject="traces"}' in page
    assert 'jobmend_brain_learning_loss{model="challenger",subject="traces"}' in page

    again = jobmend("learn", "--config", config, "--no-track", "--subject", "traces")
    assert again.exit_code == 0, again.stderr
    (line,) = again.stdout.splitlines()[1:]
    assert line.startswith("traces\tkept\t1\t") and "nothing new to learn from" in line


def test_a_champion_is_registered_once_though_the_turn_was_interrupted(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path))
    fill(tmp_path / "brain.toml", 40)
    store, embedded = Store(config.store.path), registry.of(config)

    def interrupt(point: str) -> None:
        if point == "register:unwritten":
            raise KeyboardInterrupt

    interrupted = Loop(store, config, registry=embedded, reached=interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.learn([MADE["traces"](store, config)])
    (turned,) = Loop(store, config, registry=embedded).learn([MADE["traces"](store, config)])
    assert turned.record.state is TurnState.PROMOTED and not turned.record.body["notes"]
    with store.read() as db:
        champion = champions.newest(db, "traces")
        assert len(turns.history(db, "traces")) == 1
    store.close()
    assert champion is not None and champion.number == 1
    assert champion.body["registry"]["version"] == "1"
    assert embedded.aliases("traces") == {"champion": "1"}
    drawn = list((tmp_path / "models" / "mlruns").rglob("competition.png"))
    assert len(drawn) == 1 and drawn[0].read_bytes().startswith(b"\x89PNG")


def metrics(path: Path) -> str:
    store = Store(path)
    try:
        return BrainMetrics(store).page().decode()
    finally:
        store.close()


def test_what_fails_is_said_and_the_other_has_its_turn(tmp_path: Path) -> None:
    config = write_config(tmp_path, f'source = "http://127.0.0.1:9"\n{FEW_ARMS}')
    done = jobmend("learn", "--config", config, "--no-track", "--json")
    assert done.exit_code == 1
    told = answers(done)
    assert (told["traces"]["state"], told["failures"]["state"]) == ("failed", "kept")
    assert "127.0.0.1:9" in told["traces"]["why"]
    page = metrics(read_config(config).store.path)
    assert 'last_turn_timestamp_seconds{state="failed",subject="traces"}' in page


def test_a_second_turn_is_turned_away(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with lock.held(folders.lock_of(read_config(config).store.models), 0.0):
        done = jobmend("learn", "--config", config, "--no-track")
    assert done.exit_code == 1 and "another turn runs since 1970-01-01" in done.stderr


def test_the_same_turn_from_files(tmp_path: Path) -> None:
    config, out, history = write_config(tmp_path), tmp_path / "out", tmp_path / "history.json"
    history.write_bytes(write_history(generate(150, seed=1).history))
    files = ("--windows", SET, "--history", history)
    done = jobmend("learn", "--dev", "--config", config, *files, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    told = answers(done)
    assert {name: one["state"] for name, one in told.items()} == {
        "traces": "promoted",
        "failures": "promoted",
    }, told
    models = ModelShelf(out / "models").current()
    assert models.traces is not None and models.failures is not None
    assert not (tmp_path / "brain.db").exists() and not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dev", "--windows", str(SET)], "--dev needs --out"),
        (["--dev", "--out", "x"], "--dev needs --out, and --windows or --history"),
        (["--out", "x"], "are for --dev"),
        (["--windows", "/nowhere"], "does not exist"),
        (["--config", "x", "failures"], "options of failures stand behind it"),
        (["--worth", "5"], "--worth is for --plan"),
        (["--plan", "--simulate-days", "3"], "--plan and --simulate-days exclude each other"),
        (["--dev", "--plan"], "--dev and --plan exclude each other"),
    ],
)
def test_wrong_use(words: list[str], said: str) -> None:
    done = jobmend("learn", *words)
    assert done.exit_code == 2 and said in done.stderr


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "windows.parquet"
    broken.write_text("no such thing")
    out = tmp_path / "out"
    config = write_config(tmp_path)
    done = jobmend("learn", "--dev", "--config", config, "--windows", broken, "--out", out)
    assert done.exit_code == 1 and f"{broken}: cannot be read as Parquet" in done.stderr
