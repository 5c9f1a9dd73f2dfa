"""The subject of traces: what is gathered and kept, what is learned from, and how models err."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobmend.brain.brain import Brain
from jobmend.brain.config import LearningConfig
from jobmend.brain.learning.subject import Example
from jobmend.brain.learning.traces import examples as trace_examples
from jobmend.brain.learning.traces.subject import Traces, of_present_shape, types_of
from jobmend.brain.learning.vetting.judging import Limits, judge
from jobmend.brain.sources.stored import StoredWindows
from jobmend.classifier.traces.dataset import Recorded
from jobmend.classifier.traces.watched import WatchedTraceModel
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.brain import scene
from tests.brain.conftest import Tell
from tests.brain.learning.windows import Source, ailing, example, healthy
from tests.brain.scene import BUG, NOW, OK, ended, run_of
from tests.classifier.traces.synthetic import window

Window = Example[TraceWindow]


def subject(brain: Brain, source: Source | None = None, bound: int = 20000) -> Traces:
    settings = LearningConfig(max_examples=bound)
    return Traces(brain.store, source or Source(), settings, epochs=10)


def of_runs(*owners: str | None, start: float = NOW) -> TraceWindow:
    one = window(np.random.default_rng(int(start) % 1000), "r", len(owners) - 1)
    return replace(one, owners=owners, start=start)


def alike(ours: list[Window], theirs: list[Window]) -> bool:
    def told(one: Window) -> tuple[object, ...]:
        content = one.content
        return (
            replace(one, content=replace(content, values=array("f", [0.0] * len(content.values)))),
            content.to_bytes(),
        )

    return [told(one) for one in ours] == [told(one) for one in theirs]


@pytest.fixture(scope="module")
def train() -> list[Window]:
    return healthy(0, 150)


@pytest.fixture(scope="module")
def model(train: list[Window]) -> WatchedTraceModel:
    traces = Traces(None, Source(), LearningConfig())  # type: ignore[arg-type]
    return traces.train("pca", train, 0, lambda what, done, total: None)


def test_windows_are_joined_with_what_became_of_their_runs(brain: Brain, tell: Tell) -> None:
    good, bad, warned, running, strange = (run_of(n).key for n in range(1, 6))
    tell(*ended(1, OK, workflow="fit"), *ended(2, BUG, workflow="fit"))
    tell(*ended(3, OK), scene.told("stall", 3), scene.told("start", 4))
    told = {
        (good, good, good): "healthy",
        (good, bad, None): "ailing",
        (warned, None, None): "ailing",
        (good, running, None): "",
        (strange, None, None): "",
        ("of another world", None, None): "",
        (None, None, None): None,
    }
    source = Source([of_runs(*one, start=NOW + n) for n, one in enumerate(told)])
    found = subject(brain, source).gather(NOW, NOW + 100)
    assert [one.truth for one in found] == [truth for truth in told.values() if truth is not None]
    assert [found[0].kind, found[0].group, found[1].group] == ["fit", good, f"{good}+{bad}"]
    assert [one.time for one in found] == [NOW + n for n in range(6)]


def test_more_than_fits_is_sampled_half_of_it_for_the_newest_period(brain: Brain) -> None:
    source = Source([of_runs("r", None, start=86400.0 + n) for n in range(1000)])
    source.told += [of_runs("r", None, start=86400.0 * 3 - 1 - n) for n in range(300)]
    gathered = subject(brain, source, bound=100).gather(0, 86400 * 3)
    assert Counter(one.time >= 86400 * 2 for one in gathered) == {False: 100, True: 100}
    again = subject(brain, source, bound=100).gather(0, 86400 * 3)
    assert [one.key for one in again] == [one.key for one in gathered]
    assert [one.time for one in gathered] == sorted(one.time for one in gathered)


def test_what_was_not_chosen_of_a_day_is_not_chosen_later(brain: Brain) -> None:
    day = [of_runs("r", None, start=float(n)) for n in range(500)]
    then = subject(brain, Source(day), bound=100).gather(0, 1000)
    later = [of_runs("r", None, start=86400.0 + n) for n in range(700)]
    now = subject(brain, Source([*day, *later]), bound=100).gather(0, 10 * 86400)
    of_day = {one.key for one in now if one.time < 1000}
    assert 20 < len(of_day) < 70 and of_day < {one.key for one in then}


def test_windows_never_take_more_memory_than_they_may(brain: Brain) -> None:
    told = [of_runs(*["r"] * (n % 7 + 1), start=float(n)) for n in range(600)]
    size = 4 * max(len(one.values) for one in told)
    traces = Traces(brain.store, Source(told), LearningConfig(), memory=100 * size)
    gathered = traces.gather(0, 1e9)
    assert 50 * size * 0.9 < sum(4 * len(one.content.values) for one in gathered) <= 50 * size
    assert {len(one.content.threads) for one in gathered} == set(range(1, 8))


def test_the_store_is_a_source_until_there_is_an_archive(brain: Brain, tell: Tell) -> None:
    told = [of_runs(run_of(n).key, None, start=NOW - n) for n in range(5)]
    tell(*told)
    source = StoredWindows(brain.store)
    assert [one.start for one in source.windows(NOW - 3, NOW)] == [NOW - 3, NOW - 2, NOW - 1]


def test_examples_are_kept_whatever_their_shape(brain: Brain, tmp_path: Path) -> None:
    told = [*healthy(1, 3), *ailing(2, 2), example(of_runs("a", "b", None))]
    half = array("f", told[0].content.values[: 96 * 10 // 2])
    told.append(example(replace(told[0].content, values=half, start=5.0)))
    other = replace(told[0].content, features=tuple(f"f{n}" for n in range(10)), start=6.0)
    told += [example(other).vetted("odd"), example(replace(other, start=7.0), "naïve 名", "")]
    traces, path = subject(brain), tmp_path / "examples"
    traces.write(path, told)
    assert alike(traces.read(path), sorted(told, key=lambda one: (one.time, one.key)))
    traces.write(path, [])
    assert traces.read(path) == [] and list(tmp_path.glob("*examples*")) == [path]


@pytest.mark.parametrize("cut", [0, 4, 1000, -5])
def test_a_damaged_file_is_named(brain: Brain, tmp_path: Path, cut: int) -> None:
    traces, path = subject(brain), tmp_path / "examples"
    traces.write(path, healthy(1, 3))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"examples: damaged, begin another turn"):
        traces.read(path)


def test_a_flipped_byte_is_found(brain: Brain, tmp_path: Path) -> None:
    traces, path = subject(brain), tmp_path / "examples"
    traces.write(path, healthy(1, 3))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        traces.read(path)


def test_only_healthy_windows_are_learned_from(brain: Brain) -> None:
    good, bad, unknown = healthy(1, 10), ailing(2, 10), ailing(3, 10, truth="", name="who")
    labelled = [one.vetted("broken") for one in healthy(4, 10, name="odd")]
    accepted = [one.vetted("normal") for one in ailing(5, 4, name="fine")]
    steps: list[str] = []
    model = subject(brain).train(
        "autoencoder",
        [*good, *bad, *unknown, *labelled, *accepted],
        0,
        lambda what, done, total: steps.append(what),
    )
    assert model.known_ is not None
    assert len(model.known_.learned) + len(model.known_.scores) == 40 + 16
    assert set(steps) == {"training autoencoder"} and len(steps) <= 10


def test_too_little_and_unknown_arms_are_said(brain: Brain) -> None:
    quiet = subject(brain)
    for told in ([], healthy(0, 2), ailing(0, 30)):
        with pytest.raises(ValueError, match="windows"):
            quiet.train("pca", told, 0, lambda what, done, total: None)
    with pytest.raises(ValueError, match="'magic' is no trace model"):
        quiet.train("magic", healthy(0, 30), 0, lambda what, done, total: None)


def test_the_shape_that_most_tell_now_is_learned() -> None:
    old = healthy(0, 60)
    one = old[0].content
    half = replace(one, values=array("f", one.values[: len(one.values) // 2]))
    new = [example(replace(half, start=1e6 + n)) for n in range(60)]
    assert of_present_shape([*old, *new]) == new
    assert of_present_shape([*old, new[0]]) == old
    assert of_present_shape([]) == []


def test_windows_of_one_step_length_are_learned_and_the_others_counted(brain: Brain) -> None:
    fine, traces = healthy(0, 60), subject(brain)
    busy = [example(replace(one.content, step_seconds=1.1, start=1e6)) for one in fine[:9]]
    coarse = [example(replace(one.content, step_seconds=15.0, start=1e6)) for one in fine[:40]]
    assert traces.alike([*fine, *busy]) == ([*fine, *busy], "")
    kept, why = traces.alike([*fine, *coarse])
    assert kept == fine
    assert why.startswith("40 of 280 windows are left out: they are no 32 steps of 1 s, as most")
    assert traces.alike([*coarse, *fine[:30], *coarse])[0] == [*coarse, *coarse]
    assert traces.alike([]) == ([], "")
    with pytest.raises(ValueError, match="steps of 15 s, the model reads 32 steps of 1 s"):
        traces.train("pca", [*fine, *coarse], 0, lambda what, done, total: None)
    slow = traces.train("pca", [*coarse * 3], 0, lambda what, done, total: None)
    assert traces.length(slow) == {"steps": 32, "step_seconds": 15.0}
    assert np.isnan(traces.losses(slow, fine)).all()
    assert (traces.novelty(slow, fine) == 1.0).all()
    assert np.isnan(traces.suspicion(slow, fine)).all()


def test_types_are_told_by_windows_of_one_run() -> None:
    told = [example(of_runs("a", "b"), "x"), example(of_runs("c", None), "y")]
    assert types_of([*told, example(of_runs("d", None), "")]) == {"c": "y"}


def test_losses_are_of_healthy_windows_and_the_mean_tells_the_better_model(
    brain: Brain, train: list[Window], model: WatchedTraceModel
) -> None:
    traces = subject(brain)
    good, bad, unknown = healthy(9, 20, name="t"), ailing(8, 10), ailing(7, 2, truth="")
    examples = [*good, *bad, *unknown]
    losses = traces.losses(model, examples)
    assert np.isfinite(losses).tolist() == [True] * 80 + [False] * 48
    assert 0 <= losses[:80].mean() < 0.3
    few = traces.train("pca", train[:40], 0, lambda what, done, total: None)
    assert np.nanmean(traces.losses(few, examples)) > losses[:80].mean()
    assert np.array_equal(traces.losses(model, examples), losses, equal_nan=True)
    assert np.isnan(traces.losses(model, bad)).all()


def test_known_anomalies_count_by_run(brain: Brain, model: WatchedTraceModel) -> None:
    traces, good = subject(brain), healthy(9, 20, name="t")
    alone = traces.losses(model, good)
    long_one = [replace(one, group="one run") for one in ailing(8, 30)]
    for few in (ailing(8, 19), long_one):
        assert np.array_equal(traces.losses(model, [*good, *few])[:80], alone)
    assert not np.array_equal(traces.losses(model, [*good, *ailing(8, 20)])[:80], alone)


def test_no_news_are_ailing_labelled_and_unreadable_windows(
    brain: Brain, model: WatchedTraceModel
) -> None:
    traces = subject(brain)
    odd = ailing(1, 10, truth="healthy")
    known = ailing(1, 10)
    vetted = [one.vetted("normal") for one in odd]
    half = [example(replace(odd[0].content, values=odd[0].content.values[: 96 * 5]))]
    assert (traces.novelty(model, odd) < 0.05).mean() > 0.5
    assert (traces.suspicion(model, odd) < 0.05).mean() > 0.5
    for quiet in (known, vetted, half):
        assert (traces.novelty(model, quiet) == 1).all()
        assert np.isnan(traces.suspicion(model, quiet)).all()
    usual = healthy(5, 50, name="u")
    assert (traces.suspicion(model, usual) < 0.05).mean() < 0.15
    assert traces.novelty(model, []).shape == traces.losses(model, []).shape == (0,)


def test_a_model_of_few_runs_sees_what_is_unlike_all_of_them(brain: Brain) -> None:
    traces, limits = subject(brain), Limits()
    few = traces.train("pca", healthy(0, 60), 0, lambda what, done, total: None)
    for told, whole in ((healthy(3, 30, name="u"), False), (ailing(2, 30, truth="healthy"), True)):
        compared = traces.compared(few, told)
        assert set(compared) == {48}
        p = traces.novelty(few, told)
        kinds, groups = [one.kind for one in told], [one.group for one in told]
        unsure = np.full(len(told), np.nan)
        assert judge(p, unsure, compared, kinds, groups, limits).whole is whole
    assert list(traces.compared(few, [])) == []


def test_what_is_measured_and_described_is_plain(brain: Brain) -> None:
    traces, told = subject(brain), healthy(0, 2)
    measured = traces.measure(told)
    assert measured.values.shape == (8, 2 * len(FEATURES)) == (8, len(measured.names))
    assert traces.measure([]).values.shape == (0, 20)
    facts = traces.describe(example(of_runs("a", "b", "b"), ""))
    assert facts["workflow"] == "unknown" and facts["runs"] == "a (1 threads), b (2 threads)"
    assert facts["time"] == "2027-01-15 08:00:00 UTC" and facts["known as"] == "healthy"


def test_a_data_set_gives_examples_by_its_faults() -> None:
    one = replace(window(np.random.default_rng(0), "r"), start=100.0)

    def recorded(fault: str, begun: float | None) -> Recorded:
        return Recorded("r1", "fit", fault, "train", begun, one)

    told = [recorded("none", None), recorded("hang", 90.0), recorded("hang", 500.0)]
    found = trace_examples.of_dataset(told)
    assert [example.truth for example in found] == ["healthy", "ailing", ""]
    assert {(example.group, example.kind) for example in found} == {("r1", "fit")}
