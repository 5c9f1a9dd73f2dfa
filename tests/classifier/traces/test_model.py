"""The trace model the brain uses: learning, scores, files; on synthetic and on real windows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from jobmend.classifier.artifact import ArtifactError, digest, read, write
from jobmend.classifier.traces.kinds import NAMES
from jobmend.classifier.traces.model import KIND, VERSION, TraceModel
from jobmend.classifier.traces.samples import apart, by_width, stack
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.classifier.traces import synthetic

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def windows() -> list[TraceWindow]:
    """Synthetic, healthy, of 30 runs."""
    return synthetic.healthy_windows(np.random.default_rng(0), runs=30)


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, windows: list[TraceWindow]) -> TraceModel:
    return TraceModel(reconstruction=request.param, epochs=40).fit(windows)


# ---- the model ---------------------------------------------------------------------------------


def test_ailing_threads_score_higher(model: TraceModel) -> None:
    rng = np.random.default_rng(1)
    healthy = [model.score_samples(synthetic.window(rng, "new"))[0] for _ in range(100)]
    for ailment in synthetic.AILMENTS:
        ailing = [
            model.score_samples(synthetic.window(rng, "new", ailment=ailment))[0]
            for _ in range(100)
        ]
        auroc = np.mean([score > other for score in ailing for other in healthy])
        assert auroc > 0.7, ailment  # some set in late, some are slight


def test_a_thread_of_nobody_has_no_score_and_a_run_one_p_value(model: TraceModel) -> None:
    window = synthetic.window(np.random.default_rng(2), "c/local/1/a", ailment="io contention")
    scores = model.score_samples(window)
    assert scores.shape == (3,)
    assert np.isfinite(scores[:2]).all()
    assert np.isnan(scores[2])
    (pair,) = model.run_p_values(window).items()
    assert pair[0] == "c/local/1/a"
    usual = model.calibration_.reference("", 1)
    assert pair[1] == usual.p_values(scores[:2].mean())


def test_features_that_are_not_measured_do_not_count(model: TraceModel) -> None:
    window = synthetic.window(np.random.default_rng(3), "r", threads=1)
    values = np.frombuffer(window.values, np.float32).reshape(window.shape).copy()
    values[0, :, FEATURES.index("job_cpu") :] = np.nan
    blind = TraceWindow(
        "n", 0.0, 1.0, window.threads, window.owners, array("f", values.ravel().tolist())
    )
    assert np.isfinite(model.score_samples(blind)[0])
    values[0] = np.nan
    empty = TraceWindow(
        "n", 0.0, 1.0, window.threads, window.owners, array("f", values.ravel().tolist())
    )
    assert np.isnan(model.score_samples(empty)[0])


def of_many_widths() -> list[TraceWindow]:
    """Jobs of one thread beside one of 500 and one of 3; of 3 or more some belong to nobody."""
    rng = np.random.default_rng(5)
    narrow = [synthetic.window(rng, f"r{n}", threads=1) for n in range(200)]
    return [*narrow, *(synthetic.window(rng, f"w{n}", threads=n) for n in (500, 3))]


def test_a_wide_job_does_not_make_narrow_ones_dear() -> None:
    windows = of_many_widths()
    told = sum(4 * len(window.values) for window in windows)
    tracemalloc.start()
    try:
        model = TraceModel(reconstruction="pca").fit(windows)
        model.judge(windows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * told  # side by side they would take 100 times that, and copies of it


def test_nodes_that_do_not_fit_side_by_side_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    free = type("Free", (), {"available": 1 << 24})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ValueError, match="up to 501 threads.*16 MiB are free; use a model without"):
        TraceModel(reconstruction="autoencoder-graph", epochs=1).fit(of_many_widths())
    TraceModel(reconstruction="kmeans").fit(of_many_widths())


def test_threads_apart_are_those_of_nodes_in_the_same_order() -> None:
    windows = of_many_widths()
    nodes = stack(windows, windows[0].steps, FEATURES)
    alone = apart(windows, windows[0].steps, FEATURES)
    np.testing.assert_array_equal(alone.values[:, 0], nodes.values[nodes.usable])
    assert alone.owners[:, 0].tolist() == nodes.owners[nodes.usable].tolist()
    assert alone.runs == nodes.runs
    places = list(by_width(windows))
    assert sorted(sum(places, [])) == list(range(len(windows)))
    assert all(len({len(windows[place].threads) for place in some}) == 1 for some in places)
    assert apart([], 4, FEATURES).runs == []


def test_scores_do_not_depend_on_what_is_scored_beside(model: TraceModel) -> None:
    windows = of_many_widths()
    for window, row in zip(windows, model._scored(windows), strict=True):
        np.testing.assert_allclose(row, model.score_samples(window), rtol=1e-4, atol=1e-6)


def with_iowait(window: TraceWindow, share: float) -> TraceWindow:
    values = np.frombuffer(window.values, np.float32).reshape(window.shape).copy()
    values[:, :, FEATURES.index("iowait")] = share
    return replace(window, values=array("f", values.ravel().tolist()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", [np.nan, np.inf])
def test_a_feature_that_it_did_not_learn_does_not_count(
    name: str, before: float, windows: list[TraceWindow], tmp_path: Path
) -> None:
    model = TraceModel(reconstruction=name, epochs=2)
    model.fit([with_iowait(one, before) for one in windows]).save(tmp_path)
    for kept in (model, TraceModel.load(tmp_path)):
        scores = [kept.score_samples(with_iowait(windows[0], x)) for x in (np.nan, 0.0, 0.9)]
        np.testing.assert_array_equal(scores[1:], [scores[0]] * 2)
        assert np.isfinite(scores[0][:2]).all()
        if kept.model_.explains:
            named = {feature for feature, _ in kept.explain(with_iowait(windows[0], 0.9), 0)}
            assert named and "iowait" not in named


def test_the_features_that_carry_the_error_are_named(model: TraceModel) -> None:
    rng = np.random.default_rng(4)
    window = synthetic.window(rng, "r", ailment="cpu contention")
    shares = model.explain(window, thread=1)
    if model.reconstruction == "isolation-forest":
        assert shares == []
        return
    assert shares[0][0] == "job_cpu_pressure"
    assert sum(share for _, share in shares) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no thread 99"):
        model.explain(window, thread=99)


def test_the_same_seed_learns_the_same(windows: list[TraceWindow]) -> None:
    first, second = (TraceModel(epochs=5, seed=1).fit(windows[:40]) for _ in range(2))
    np.testing.assert_array_equal(
        first.score_samples(windows[50]), second.score_samples(windows[50])
    )


def test_windows_that_cannot_be_learned_from_are_refused(windows: list[TraceWindow]) -> None:
    with pytest.raises(ValueError, match="no windows"):
        TraceModel().fit([])
    with pytest.raises(ValueError, match="8 samples of 1 runs: at least 16 samples of 3 runs"):
        TraceModel().fit(windows[:4])
    one = windows[0]
    shorter = TraceWindow(
        one.node, 0.0, 1.0, one.threads, one.owners, one.values[: len(one.values) // 2]
    )
    with pytest.raises(ValueError, match="16 steps, the model reads 32"):
        TraceModel().fit([*windows, shorter])
    other = TraceWindow(
        one.node, 0.0, 1.0, one.threads, one.owners, one.values, ("x", *FEATURES[1:])
    )
    with pytest.raises(ValueError, match="features x"):
        TraceModel().fit([*windows, other])
    coarse = replace(one, step_seconds=15.0)
    with pytest.raises(ValueError, match="32 steps of 15 s, the model reads 32 steps of 1 s; set"):
        TraceModel().fit([*windows, coarse])
    with pytest.raises(ValueError, match="there are autoencoder, conv"):
        TraceModel(reconstruction="magic")
    with pytest.raises(ValueError, match="not fitted"):
        TraceModel().save(Path("nowhere"))


# ---- files -------------------------------------------------------------------------------------


def test_a_reloaded_model_scores_the_same(model: TraceModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = TraceModel.load(tmp_path)
    assert again.get_params() == model.get_params()
    window = synthetic.window(np.random.default_rng(5), "r", ailment="hang")
    np.testing.assert_array_equal(again.score_samples(window), model.score_samples(window))
    assert again.run_p_values(window) == model.run_p_values(window)


def test_windows_of_another_step_length_are_not_scored(model: TraceModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = TraceModel.load(tmp_path)
    assert (str(again.length), again.length.seconds) == ("32 steps of 1 s", 32.0)
    fine = synthetic.window(np.random.default_rng(5), "r")
    coarse = replace(fine, step_seconds=15.0)
    words = (
        rf"window {fine.key}: 32 steps of 15 s, the model reads 32 steps of 1 s; set \[sample\] "
        r"period_seconds and \[window\] steps of all agents alike, or train anew on such windows"
    )
    for refused in (
        again.check,
        again.score_samples,
        again.run_p_values,
        lambda window: again.judge([fine, window]),
    ):
        with pytest.raises(ValueError, match=words):
            refused(coarse)
    assert np.isfinite(again.score_samples(replace(fine, step_seconds=1.2))).any()


def test_another_step_length_is_another_model(windows: list[TraceWindow], tmp_path: Path) -> None:
    for name, step in (("fine", 1.0), ("same", 1.0), ("coarse", 15.0)):
        told = [replace(one, step_seconds=step) for one in windows]
        TraceModel(reconstruction="pca").fit(told).save(tmp_path / name)
    fine, same, coarse = (digest(tmp_path / name) for name in ("fine", "same", "coarse"))
    assert fine == same != coarse


def test_a_model_that_does_not_know_its_step_length_is_refused(
    model: TraceModel, tmp_path: Path
) -> None:
    model.save(tmp_path)
    files = read(tmp_path, KIND, VERSION)
    write(tmp_path, KIND, 2, files)
    words = "holds 'traces' version 2, wanted is 'traces' version 3; train it anew"
    with pytest.raises(ArtifactError, match=words):
        TraceModel.load(tmp_path)
    about = json.loads(files["learned.json"])
    about.pop("step_seconds")
    write(tmp_path, KIND, VERSION, {**files, "learned.json": json.dumps(about).encode()})
    with pytest.raises(ArtifactError, match="damaged; train the model anew"):
        TraceModel.load(tmp_path)


def test_damage_is_refused(model: TraceModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    (tensors,) = tmp_path.glob("*tensors.safetensors")
    data = tensors.read_bytes()
    tensors.write_bytes(data[:-4])
    with pytest.raises(ArtifactError, match="digest is another"):
        TraceModel.load(tmp_path)
    tensors.write_bytes(data)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"].pop("tensors.safetensors")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="damaged"):
        TraceModel.load(tmp_path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        TraceModel.load(tmp_path / "nothing")


def test_scoring_a_saved_model_needs_no_torch(model: TraceModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    script = (
        "import sys; from pathlib import Path; import numpy as np; "
        "from tests.classifier.traces import synthetic; "
        "from jobmend.classifier.traces.model import TraceModel; "
        f"model = TraceModel.load(Path({str(tmp_path)!r})); "
        "scores = model.score_samples(synthetic.window(np.random.default_rng(6), 'r')); "
        "print(scores[0].item(), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    score, loaded = done.stdout.split()
    expected = model.score_samples(synthetic.window(np.random.default_rng(6), "r"))[0]
    assert float(score) == pytest.approx(expected)
    assert loaded == "False"


# ---- real windows ------------------------------------------------------------------------------

STEP_SECONDS = 0.04
STEPS = 32


@contextmanager
def busy_process(cpu: int) -> Iterator[subprocess.Popen[bytes]]:
    """It goes before all others where we may say so: what they do must not look like a hang."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(process.pid, {cpu})
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, -20)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def record(pid: int, cpu: int, steps: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """``[steps, features]`` of one hardware thread and of the process on it, as the kernel says."""
    rows = np.full((steps, len(FEATURES)), np.nan, np.float32)
    before, cpu_before, then = ticks_of_thread(cpu), ticks_of_process(pid), time.monotonic()
    for step in range(steps):
        time.sleep(STEP_SECONDS)
        after, cpu_after, now = ticks_of_thread(cpu), ticks_of_process(pid), time.monotonic()
        passed = (now - then) * TICKS
        rows[step, :6] = [(b - a) / passed for a, b in zip(before, after, strict=True)]
        rows[step, FEATURES.index("job_cpu")] = (cpu_after - cpu_before) / passed
        before, cpu_before, then = after, cpu_after, now
    return rows


def ticks_of_thread(cpu: int) -> list[int]:
    (line,) = [x for x in Path("/proc/stat").read_text().splitlines() if x.startswith(f"cpu{cpu} ")]
    user, nice, system, _, iowait, irq, _, steal, *_ = map(int, line.split()[1:])
    return [user, nice, system, iowait, irq, steal]


def ticks_of_process(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def cut(
    recording: np.ndarray[tuple[int, ...], np.dtype[np.float32]], cpu: int, run: str
) -> list[TraceWindow]:
    """Overlapping windows of a recording; every fifth belongs to another run."""
    return [
        TraceWindow(
            "here",
            float(begin),
            STEP_SECONDS,
            (cpu,),
            (f"{run}-{begin % 5}",),
            array("f", recording[begin : begin + STEPS].ravel().tolist()),
        )
        for begin in range(0, len(recording) - STEPS + 1, 4)
    ]


def test_a_process_that_stops_is_odd_in_real_windows() -> None:
    cpu = min(os.sched_getaffinity(0))
    with busy_process(cpu) as process:
        time.sleep(0.2)
        working = cut(record(process.pid, cpu, 120), cpu, "work")
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        stopped = cut(record(process.pid, cpu, 40), cpu, "stopped")
    model = TraceModel(epochs=60).fit(working)
    usual = [float(model.score_samples(window)[0]) for window in working]
    odd = [float(model.score_samples(window)[0]) for window in stopped]
    assert min(odd) > 1.5 * float(np.median(usual))
    least = min(model.run_p_values(window)["work-0"] for window in working[::5])
    assert model.run_p_values(stopped[0])["stopped-0"] <= least
    assert model.explain(stopped[0], cpu)[0][0] in ("user", "job_cpu", "nice", "system")
