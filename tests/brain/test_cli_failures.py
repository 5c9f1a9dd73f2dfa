"""From a file of past failures to a model, its predictions and its report, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobmend.brain.cli.program import main
from jobmend.classifier.failures.history.cms import write_history
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import History

ARMS = ("--arms", "majority,rules-cms,xgboost", "--no-track")
Jobmend = Callable[..., Result]


@pytest.fixture(scope="module")
def jobmend(tmp_path_factory: pytest.TempPathFactory) -> Jobmend:
    """The program, with a brain's configuration that knows nothing yet."""
    folder = tmp_path_factory.mktemp("brain")
    config = folder / "brain.toml"
    config.write_text(f"[store]\npath = '{folder}/brain.db'\nmodels = '{folder}/models'\n")

    def run(*words: object) -> Result:
        at = 2 if words[0] in ("learn", "report") else 1
        given = [*words[:at], "--config", config, *words[at:]]
        return CliRunner().invoke(main, [str(word) for word in given])

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A history to learn from, and one without decisions to say something about. Synthetic."""
    tasks = list(generate(500, seed=4).history.tasks)
    folder = tmp_path_factory.mktemp("history")
    train, test = folder / "train.json", folder / "test.json"
    train.write_bytes(write_history(History(tasks[:450], "x")))
    undecided = [replace(task, decision=None, cause="") for task in tasks[450:]]
    test.write_bytes(write_history(History(undecided, "x")))
    return train, test


@pytest.fixture(scope="module")
def model(
    jobmend: Jobmend, files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("model") / "out"
    done = jobmend("learn", "failures", "--history", files[0], "--out", out, *ARMS)
    assert done.exit_code == 0, done.stderr
    assert [line.split("\t")[0] for line in done.stdout.splitlines()[:1]] == ["ARM"]
    assert "The champion is " in done.stderr
    return out


def test_a_prediction_has_probabilities_action_and_evidence(
    jobmend: Jobmend, model: Path, files: tuple[Path, Path]
) -> None:
    done = jobmend("predict", "--model", model, files[1], "--json")
    assert done.exit_code == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert set(said) == set(json.loads(files[1].read_text()))
    for one in said.values():
        assert set(one["probabilities"]) == {"acdc", "clone", "special"}
        assert sum(one["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
        assert one["action"] in {*one["probabilities"], "abstain"}
        assert one["doubt"] or one["action"] != "abstain"
        assert set(one["evidence"]) == {"for", "against", "past"}
    answered = [one for one in said.values() if one["action"] != "abstain"]
    assert len(answered) > 0.7 * len(said)
    assert any(one["parameters"] for one in answered)
    table = jobmend("predict", "--model", model, files[1])
    assert table.stdout.splitlines()[0].split("\t")[:2] == ["TASK", "ACTION"]
    assert len(table.stdout.splitlines()) == 1 + len(said)


def test_strange_and_empty_tasks_are_abstained_from(
    jobmend: Jobmend, model: Path, tmp_path: Path
) -> None:
    strange = {"errors": {"good_sites": {"4242": {"Nowhere": 40}, "4243": {"Nowhere": 9}}}}
    empty: dict[str, Any] = {"errors": {"good_sites": {}, "bad_sites": {}}}
    file = tmp_path / "strange.json"
    file.write_text(json.dumps({"/a/strange": strange, "/b/empty": empty}))
    said = json.loads(jobmend("predict", "--model", model, file, "--json").stdout)
    assert {name: one["action"] for name, one in said.items()} == {
        "/a/strange": "abstain",
        "/b/empty": "abstain",
    }
    assert said["/a/strange"]["unseen"] == {"codes": 49, "sites": 49}
    assert "codes that training did not know" in said["/a/strange"]["doubt"]
    assert said["/b/empty"]["doubt"] == "it has no failure"


def test_a_report_stands_alone(
    jobmend: Jobmend, model: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    done = jobmend("report", "failures", "--model", model, "--history", files[0], "--out", out)
    assert done.exit_code == 0, done.stderr
    page = out.read_text()
    assert page.count("data:image/png;base64,") >= 5
    assert "http://" not in page.replace("http://www.w3.org", "")


BAD = {
    "not JSON": ("{", "line 1"),
    "negative": ('{"/w/t": {"errors": {"good_sites": {"1": {"A": -1}}}}}', "/w/t"),
    "a list": ("[]", "object"),
    "a count that is none": ('{"/w/t": {"errors": {"good_sites": {"1": {"A": "x"}}}}}', "/w/t"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    jobmend: Jobmend, model: Path, tmp_path: Path, name: str
) -> None:
    text, place = BAD[name]
    file, out = tmp_path / "bad.json", tmp_path / "out"
    file.write_text(text)
    for words in (
        ("learn", "failures", "--history", file, "--out", out, *ARMS),
        ("predict", "--model", model, file, "--json"),
    ):
        done = jobmend(*words)
        assert done.exit_code == 1
        assert str(file) in done.stderr and place in done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
    assert not out.exists()


def test_where_no_model_is_the_command_that_makes_one_is_named(
    jobmend: Jobmend, files: tuple[Path, Path], tmp_path: Path
) -> None:
    none = tmp_path / "none"
    for words in (
        ("predict", "--model", none, files[1]),
        ("report", "failures", "--model", none, "--out", tmp_path / "report.html"),
    ):
        done = jobmend(*words)
        assert done.exit_code == 1 and done.stdout == ""
        assert f"{none}: there is no model; jobmend learn failures makes one" in done.stderr


def test_what_is_missing_is_named(
    jobmend: Jobmend, files: tuple[Path, Path], tmp_path: Path
) -> None:
    few, out = tmp_path / "few.json", tmp_path / "out"
    few.write_bytes(write_history(History(generate(20, seed=1).history.tasks, "x")))
    done = jobmend("learn", "failures", "--history", few, "--out", out, *ARMS)
    assert (done.exit_code, out.exists()) == (1, False)
    assert "at least 50" in done.stderr
    gone = jobmend("learn", "failures", "--history", tmp_path / "gone.json", *ARMS)
    assert (gone.exit_code, "gone.json" in gone.stderr) == (1, True)
    unknown = jobmend("learn", "failures", "--history", files[0], "--arms", "oracle", "--no-track")
    assert (unknown.exit_code, "oracle" in unknown.stderr) == (1, True)
    no_model = jobmend("predict", "--model", tmp_path / "nowhere", files[1])
    assert (no_model.exit_code, "nowhere" in no_model.stderr) == (1, True)


def test_the_champion_is_tuned_and_the_study_goes_on_where_it_was(
    jobmend: Jobmend, files: tuple[Path, Path], tmp_path: Path
) -> None:
    study, page = tmp_path / "study.db", tmp_path / "tuned.html"
    given = ("learn", "failures", "--history", files[0], "--out", tmp_path / "out", "--no-track")
    words = (*given, "--arms", "majority,logistic", "--study", study)
    done = jobmend(*words, "--tune", 2, "--report", page)
    assert done.exit_code == 0, done.output
    assert "tun" in page.read_text().lower()
    kept = study.stat().st_size
    assert jobmend(*words, "--tune", 2).exit_code == 0
    assert study.stat().st_size == kept  # both trials were there
    wrong = jobmend(*words[:-1], page, "--tune", 2)
    assert (wrong.exit_code, str(page) in wrong.stderr) == (1, True)
    assert "Traceback" not in wrong.stderr


def test_without_a_history_it_learns_from_made_up_workflows_and_says_so(jobmend: Jobmend) -> None:
    done = jobmend(
        "learn",
        "failures",
        "--examples",
        150,
        "--arms",
        "majority,logistic",
        "--no-track",
        "--json",
    )
    assert done.exit_code == 0, done.stderr
    assert "synthetic" in done.stderr
    summary = json.loads(done.stdout)
    assert summary["synthetic"] and summary["champion"] in ("majority", "logistic")
