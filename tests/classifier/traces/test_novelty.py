"""What is new to a trace model: valid p-values for what is usual, small ones for what is not."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobmend.classifier import artifact
from jobmend.classifier.traces.model import KIND, VERSION, TraceModel
from jobmend.classifier.traces.novelty import OWN_KIND, Known
from jobmend.classifier.traces.profiles import names, profiles
from jobmend.classifier.traces.watched import WatchedTraceModel, kind_of
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.classifier.traces.synthetic import AILMENTS, healthy_windows, window

P = 0.05


def known_of(seed: int, kinds: tuple[str, ...] = ("a",) * 200, shift: float = 0.0) -> Known:
    rng = np.random.default_rng(seed)
    scores = rng.exponential(1, len(kinds)) + shift * (np.array(kinds) == "b")
    return Known.learn(
        rng.normal(size=(300, 4)), rng.normal(size=(len(kinds), 4)), scores, kinds, seed
    )


def strange(one: TraceWindow) -> TraceWindow:
    """A type of job of its own: works in bursts, in the kernel."""
    values = np.full(one.shape, 0.01, np.float32)
    values[:, ::4, [FEATURES.index("user"), FEATURES.index("job_cpu")]] = 0.5
    values[:, :, FEATURES.index("system")] = 0.2
    return replace(one, values=array("f", values.tobytes()))


@pytest.fixture(scope="module")
def model() -> WatchedTraceModel:
    windows = healthy_windows(np.random.default_rng(0), 150)
    types = {f"run-{run}": "fit" for run in range(150)}
    return WatchedTraceModel(reconstruction="pca").fit(windows, types=types)


def test_p_values_of_what_is_usual_are_valid() -> None:
    """On average over what calibrates; two surprises of the same window are not independent."""
    told = []
    for seed in range(40):
        rng = np.random.default_rng(1000 + seed)
        new, scores = rng.normal(size=(100, 4)), rng.exponential(1, 100)
        told.append(known_of(seed).unlike(new, scores, ["a"] * 100))
    for level in (0.01, 0.05, 0.2):
        share = np.mean([(p <= level).mean() for p in told])
        assert 0.6 * level < share < 1.3 * level


def test_each_surprise_alone_is_enough() -> None:
    known = known_of(0)
    usual, far = np.zeros((1, 4)), np.full((1, 4), 50.0)
    assert known.unlike(usual, np.array([99.0]), ["a"])[0] < 0.02
    assert known.unlike(far, np.array([0.5]), ["a"])[0] < 0.02
    assert known.unlike(usual, np.array([0.5]), ["a"])[0] > P
    assert known.odd(np.array([99.0, 0.0, np.nan]), ["a"] * 3).tolist() == [1 / 201, 1.0, 1.0]


def test_a_type_with_enough_windows_is_measured_by_its_own() -> None:
    kinds = ("a",) * 400 + ("b",) * OWN_KIND
    known = known_of(1, kinds, shift=10.0)
    assert known.odd(np.array([12.0]), ["a"])[0] < 0.01 < P < known.odd(np.array([12.0]), ["b"])[0]
    rare = known_of(1, kinds[:-1], shift=10.0)
    assert rare.odd(np.array([12.0]), ["b"])[0] == rare.odd(np.array([12.0]), ["unheard of"])[0]


def test_nothing_is_new_to_one_who_knows_nothing() -> None:
    empty = Known.learn(np.zeros((0, 4)), np.zeros((2, 4)), np.full(2, np.nan), ["a", "a"], 0)
    assert empty.unlike(np.ones((3, 4)), np.ones(3), ["a"] * 3).tolist() == [1.0] * 3


def test_ailing_windows_and_new_types_are_new_and_healthy_ones_are_not(
    model: WatchedTraceModel,
) -> None:
    rng = np.random.default_rng(7)
    healthy = [window(rng, f"h-{n // 4}") for n in range(200)]
    ailing = [window(rng, f"b-{n // 4}", ailment=AILMENTS[n % 3]) for n in range(90)]
    other = [strange(window(rng, f"n-{n // 4}")) for n in range(20)]
    share = [
        float((model.novelty(part, ["fit"] * len(part)) <= P).mean())
        for part in (healthy, ailing, other)
    ]
    assert share[0] < 0.1 and share[1] > 0.7 and share[2] == 1.0
    assert (model.oddity(ailing, ["fit"] * 90) <= P).mean() > 0.5


def test_what_calibrates_is_of_runs_not_learned_from(model: WatchedTraceModel) -> None:
    assert len(model.apart_) == 30
    assert model.known_ is not None
    assert len(model.known_.scores) == 120 and len(model.known_.learned) == 480
    assert set(model.known_.kinds) == {"fit"}


def test_it_is_kept_with_the_model_and_read_back(model: WatchedTraceModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    model.save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 5  # the manifest and each of its files once
    again = WatchedTraceModel.load(tmp_path)
    some = healthy_windows(np.random.default_rng(3), 5)
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.scores(some), model.scores(some))
    assert np.array_equal(again.novelty(some, ["x"] * 20), model.novelty(some, ["x"] * 20))
    plain = TraceModel.load(tmp_path)
    assert np.array_equal(plain.score_samples(some[0]), model.score_samples(some[0]), True)


def test_it_is_never_on_disk_without_what_is_known(
    model: WatchedTraceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[set[str]] = []
    real = artifact.write

    def seen(directory: Path, kind: str, version: int, files: Mapping[str, bytes]) -> None:
        real(directory, kind, version, files)
        written.append(set(artifact.read(directory, kind, version)))

    monkeypatch.setattr(artifact, "write", seen)
    model.save(tmp_path)
    assert [{"known.json", "known.safetensors"} <= names for names in written] == [True]


def test_a_model_that_was_not_watched_finds_nothing_new(
    model: WatchedTraceModel, tmp_path: Path
) -> None:
    artifact.write(tmp_path, KIND, VERSION, TraceModel.files(model))
    plain = WatchedTraceModel.load(tmp_path)
    some = [strange(window(np.random.default_rng(0), "r"))]
    assert plain.known_ is None
    assert plain.novelty(some, [""]).tolist() == plain.oddity(some, [""]).tolist() == [1.0]


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", json.dumps(["a"]).encode()])
def test_a_damaged_memory_is_said_in_one_sentence(
    model: WatchedTraceModel, tmp_path: Path, damage: bytes
) -> None:
    model.save(tmp_path)
    files = artifact.read(tmp_path, KIND, VERSION)
    artifact.write(tmp_path, KIND, VERSION, {**files, "known.json": damage})
    with pytest.raises(artifact.ArtifactError, match="damaged; train the model anew"):
        WatchedTraceModel.load(tmp_path)


def test_windows_of_another_shape_have_no_score(model: WatchedTraceModel) -> None:
    one = window(np.random.default_rng(0), "r")
    half = replace(
        one, values=array("f", np.frombuffer(one.values, np.float32)[: len(one.values) // 2])
    )
    nobody = replace(one, owners=(None,) * 3)
    coarse = replace(one, step_seconds=15.0)
    scores = model.scores([half, one, nobody, coarse])
    assert np.isfinite(scores).tolist() == [False, True, False, False]
    assert model.novelty([half, coarse], ["fit"] * 2).tolist() == [1.0, 1.0]
    assert model.scores([]).shape == (0,)


def test_a_profile_is_of_the_threads_of_runs_alone() -> None:
    one = window(np.random.default_rng(0), "r")
    values = np.frombuffer(one.values, np.float32).reshape(one.shape)[:2]
    (row,) = profiles([one], (*FEATURES, "unheard of"))
    assert len(row) == len(names((*FEATURES, "unheard of"))) == 22
    assert np.allclose(row[:10], values.mean(axis=(0, 1)), atol=1e-6)
    assert np.allclose(row[11:21], values.max(axis=(0, 1)))
    assert np.isnan(row[[10, 21]]).all()
    assert np.isnan(profiles([replace(one, owners=(None,) * 3)], FEATURES)).all()


def test_the_type_of_a_window_is_that_of_most_threads() -> None:
    one = replace(window(np.random.default_rng(0), "r", 3), owners=("x", "y", "y", None))
    assert kind_of(one, {"x": "a", "y": "b"}) == "b"
    assert kind_of(one, {"x": "a"}) == ""
    assert kind_of(replace(one, owners=(None,) * 4), {"x": "a"}) == ""
