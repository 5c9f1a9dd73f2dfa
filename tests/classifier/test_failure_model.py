"""The failure model: better than the majority, honest, the same after a reload."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.calibration import fit_temperature, log_loss
from jobmend.classifier.failures.model import FailureModel
from jobmend.classifier.failures.report import compare
from jobmend.classifier.failures.resampling import oversample
from jobmend.classifier.failures.synthetic import LabelledWorkflow, generate
from jobmend.jobs.actions import ActionKind


@pytest.fixture(scope="module")
def held_out() -> list[LabelledWorkflow]:
    return generate(600, seed=2)


def test_the_model_beats_majority_and_rules_on_held_out_synthetic_history(
    fitted: FailureModel, history: list[LabelledWorkflow], held_out: list[LabelledWorkflow]
) -> None:
    majority, rules, model = compare(fitted, history, held_out)
    assert (majority.name, rules.name, model.name) == ("majority", "rules", "model")
    assert model.log_loss < 0.75 * majority.log_loss
    assert model.log_loss < rules.log_loss
    assert model.macro_f1 > majority.macro_f1 + 0.2
    assert majority.recall["recover"] == 1.0
    assert majority.recall["hold"] == 0.0
    assert model.recall["hold"] > 0.4
    assert model.recall["kill"] > 0.6


def test_probabilities_are_calibrated() -> None:
    model = FailureModel().fit(generate(3000, seed=5))
    held_out = generate(1500, seed=6)
    table = model.probabilities(model.matrix([example.record for example in held_out]))
    np.testing.assert_allclose(table.sum(axis=1), 1.0)
    right = [
        model.classes_[int(row.argmax())] is example.action
        for row, example in zip(table, held_out, strict=True)
    ]
    assert float(table.max(axis=1).mean()) == pytest.approx(float(np.mean(right)), abs=0.05)


def test_one_record_and_its_reasons(fitted: FailureModel, held_out: list[LabelledWorkflow]) -> None:
    record = held_out[0].record
    shares = fitted.predict_proba(record)
    assert sum(shares.values()) == pytest.approx(1.0)
    cells = fitted.top_cells(record, 4)
    assert 1 <= len(cells) <= 4
    assert [cell.weight for cell in cells] == sorted((c.weight for c in cells), reverse=True)
    assert all(cell.weight > 0 for cell in cells)


def test_a_reloaded_model_predicts_the_same(
    fitted: FailureModel, held_out: list[LabelledWorkflow], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    fitted.save(tmp_path / "model")  # over an older one
    again = FailureModel.load(tmp_path / "model")
    assert again.get_params() == fitted.get_params()
    records = [example.record for example in held_out]
    np.testing.assert_array_equal(
        again.probabilities(again.matrix(records)), fitted.probabilities(fitted.matrix(records))
    )
    assert len(list((tmp_path / "model").iterdir())) == 4


def test_a_damaged_model_is_refused(fitted: FailureModel, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    (trees,) = tmp_path.glob("*trees.ubj")
    good = trees.read_bytes()
    trees.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ArtifactError, match="digest is another"):
        FailureModel.load(tmp_path)
    with trees.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(ArtifactError, match="larger than"):
        FailureModel.load(tmp_path)
    trees.unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        FailureModel.load(tmp_path)


def test_another_version_and_another_kind_are_refused(fitted: FailureModel, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    manifest = tmp_path / "manifest.json"
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "version": 99}))
    with pytest.raises(ArtifactError, match="version 99, wanted is 'failures' version 1"):
        FailureModel.load(tmp_path)
    manifest.write_text(json.dumps({**document, "jobmend_model": "traces"}))
    with pytest.raises(ArtifactError, match="holds 'traces'"):
        FailureModel.load(tmp_path)
    manifest.write_text("{")
    with pytest.raises(ArtifactError, match="not JSON"):
        FailureModel.load(tmp_path)


def test_a_manifest_cannot_point_outside(fitted: FailureModel, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    manifest = tmp_path / "manifest.json"
    document = json.loads(manifest.read_text())
    document["files"]["trees.ubj"]["file"] = "../../etc/passwd"
    manifest.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="damaged entry"):
        FailureModel.load(tmp_path)


def test_too_few_examples_and_one_action_alone_are_refused(
    history: list[LabelledWorkflow],
) -> None:
    with pytest.raises(ValueError, match="10 examples"):
        FailureModel().fit(history[:10])
    same = [example for example in history if example.action is ActionKind.RECOVER][:60]
    with pytest.raises(ValueError, match="with 1 actions"):
        FailureModel().fit(same)
    with pytest.raises(ValueError, match="not fitted"):
        FailureModel().predict_proba(history[0].record)


def test_rare_classes_are_raised_as_far_as_they_allow() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 40 + [1] * 3 + [2], dtype=np.intp)
    matrix = csr_matrix(rng.random((44, 6), dtype=np.float32))
    more, more_labels = oversample(matrix, labels, 1.0, seed=0)
    assert np.bincount(more_labels).tolist() == [40, 40, 1]
    assert more.shape == (81, 6)
    same, same_labels = oversample(matrix, labels, 0.0, seed=0)
    assert same is matrix
    assert same_labels is labels


def test_a_model_learns_with_a_class_of_one(history: list[LabelledWorkflow]) -> None:
    common = [e for e in history if e.action in (ActionKind.RECOVER, ActionKind.HOLD)][:120]
    rare = next(example for example in history if example.action is ActionKind.CLONE)
    model = FailureModel(rounds=5).fit([rare, *common])
    assert model.classes_ == (ActionKind.RECOVER, ActionKind.CLONE, ActionKind.HOLD)


def test_the_temperature_cools_what_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 3))
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in shares], dtype=np.intp)
    assert fit_temperature(3.0 * honest, labels) == pytest.approx(3.0, rel=0.1)
    assert log_loss(3.0 * honest, labels, 3.0) < log_loss(3.0 * honest, labels)
