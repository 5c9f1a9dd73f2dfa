"""``learn runs`` and ``score runs`` as a person runs them, on synthetic tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from jobmend.brain.cli.runs import learn_runs, score

HOSTILE = "x\x1b[2J[bold]\u202e\r\nforged"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Synthetic: 20 workflows of 20 tasks; in every fourth some tasks are slow."""
    rng = np.random.default_rng(0)
    flow = np.repeat(np.arange(20), 20)
    faulty = (flow % 4 == 0) & (rng.random(400) < 0.6)
    columns: dict[str, Any] = {
        "task": np.tile(["a", "b"], 200),
        "flow": flow,
        "fault": np.where(faulty, "slow", "normal"),
        "runtime": rng.lognormal(3, 0.2, 400) * np.where(faulty, 4, 1),
        "size": rng.lognormal(9, 0.5, 400),
        HOSTILE: rng.lognormal(0, 1, 400),
        HOSTILE + "text": ["y"] * 400,
    }
    pq.write_table(pa.table(columns), tmp_path / "runs.parquet")
    return tmp_path / "runs.parquet"


def learn(*arguments: str | Path) -> Result:
    return CliRunner().invoke(learn_runs, [str(one) for one in arguments])


def test_learned_told_and_scored(file: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "scores.parquet"
    named = ("--group-by", "task", "--split-by", "flow", "--label", "fault", "--ignore", "size")
    learned = learn("--table", file, *named, "--out", model)
    assert learned.exit_code == 0, learned.output
    lines = learned.stdout.splitlines()
    report = json.loads(lines[-1])
    assert report["used"] == ["runtime", HOSTILE]
    assert report["ignored"]["size"] == "told to ignore"
    assert report["learned_from"] == "rows of runs without any fault"
    arms = {one["arm"]: one for one in report["arms"]}
    assert {"combined", "pca", "kmeans", "isolation_forest", "autoencoder"} <= set(arms)
    mean, low, high = arms["combined"]["auroc"]
    assert 0.85 < mean <= 1.0
    assert low <= mean <= high
    assert "\x1b" not in learned.stdout
    assert "\u202e" not in "".join(lines[:-1])

    scored = CliRunner().invoke(
        score, ["runs", "--model", str(model), str(file), "--out", str(out)]
    )
    assert scored.exit_code == 0, scored.output
    told = json.loads(scored.stdout.splitlines()[-1])
    assert told["rows"] == 400
    assert told["unknown_group"] == 0
    assert "column ignored: size: told to ignore" in scored.stdout
    scores = pq.read_table(out)
    faulty = np.array([one == "slow" for one in pq.read_table(file)["fault"].to_pylist()])
    p_values = scores["p_value"].to_numpy()
    assert np.median(p_values[faulty]) < 0.05 < np.median(p_values[~faulty])
    assert scores["run"].to_pylist()[:2] == ["0", "0"]


def test_without_runs_or_labels_there_are_no_figures(file: Path, tmp_path: Path) -> None:
    learned = learn("--table", file, "--group-by", "task", "--out", tmp_path / "model")
    assert learned.exit_code == 0, learned.output
    report = json.loads(learned.stdout.splitlines()[-1])
    assert report["arms"] == []
    assert report["faulty"] is None
    assert "they need --split-by and --label" in learned.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--group-by", "nothing"), "no column nothing"),
        (("--group-by", "task", "--label", HOSTILE + "!"), "no column"),
        (("--group-by", "task", "--ignore", f"runtime,size,flow,{HOSTILE}"), "no numeric"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], told: str, file: Path, tmp_path: Path
) -> None:
    failed = learn("--table", file, *arguments, "--out", tmp_path / "model")
    assert failed.exit_code == 1
    assert told in failed.stderr
    assert "Traceback" not in failed.output
    assert "\x1b" not in failed.output
    assert failed.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_files_that_cannot_be_used(file: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("no table")
    named = ("--group-by", "task", "--out", tmp_path / "model")
    for wrong, sentence in ((text, "is no Parquet"), (tmp_path / "none", "no such file")):
        failed = learn("--table", wrong, *named)
        assert failed.exit_code == 1
        assert sentence in failed.stderr
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(file).slice(0, 1), few)
    assert "rows to learn from" in learn("--table", few, *named).stderr

    runner = CliRunner()
    arguments = ["runs", "--model", str(tmp_path), str(file), "--out", str(tmp_path / "s")]
    failed = runner.invoke(score, arguments)
    assert failed.exit_code == 1
    assert "manifest.json: cannot be read" in failed.stderr
    failed = runner.invoke(score, [*arguments[:-1], str(tmp_path / "no" / "s")])
    assert "no such directory" in failed.stderr


def test_a_table_is_not_overwritten_by_its_scores(file: Path, tmp_path: Path) -> None:
    named = ("--group-by", "task", "--label", "fault", "--out", tmp_path / "model")
    assert learn("--table", file, *named).exit_code == 0
    before = file.read_bytes()
    (tmp_path / "same.parquet").symlink_to(file)
    for out in (file, tmp_path / "same.parquet"):
        arguments = ["runs", "--model", str(tmp_path / "model"), str(file), "--out", str(out)]
        failed = CliRunner().invoke(score, arguments)
        assert failed.exit_code == 1
        assert "is the table to score; name another file" in failed.stderr
        assert file.read_bytes() == before


def test_the_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, jobmend.brain.cli.runs\n"
        "print([n for n in ('torch', 'sklearn', 'pyarrow', 'numpy') if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_they_are_commands() -> None:
    assert isinstance(learn_runs, click.Command)
    assert set(score.commands) == {"runs"}
