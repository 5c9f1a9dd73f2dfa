"""The brain's trace model judges runs: over windows and nodes, by type, with an explanation."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobmend.classifier.traces.model import TraceModel
from jobmend.classifier.traces.verdicts import Suspect, judge
from jobmend.jobs.windows import TraceWindow
from tests.classifier.traces import synthetic

RUNS = 500  # a fifth of them is enough for an alarm at 1 %


@pytest.fixture(scope="module")
def model() -> TraceModel:
    windows = synthetic.healthy_windows(np.random.default_rng(0), runs=RUNS, per_run=2)
    types = {f"run-{run}": "fit" for run in range(RUNS)}
    return TraceModel(reconstruction="pca").fit(windows, types=types)


def frozen(window: TraceWindow) -> TraceWindow:
    """The same window with all numbers far from anything seen."""
    values = np.frombuffer(window.values, np.float32).reshape(window.shape).copy()
    values[:, 16:, 6] = 9.0
    return replace(window, values=array("f", values.tobytes()))


def test_an_odd_run_raises_an_alarm_and_says_with_whom_it_was_compared(model: TraceModel) -> None:
    rng = np.random.default_rng(1)
    odd = [frozen(synthetic.window(rng, "odd")) for _ in range(2)]
    (cell,) = model.judge(odd, {"odd": "fit"})
    criterion = model.calibration_.criterion
    assert cell.p == pytest.approx(1 / 101)
    assert criterion.rings(cell.p)
    assert cell.reference.words(criterion) == "compared with 100 healthy runs of its type"
    (unknown,) = model.judge(odd, {"odd": "never seen"})
    assert unknown.p == cell.p
    assert "its own is unknown" in unknown.reference.words(criterion)
    assert model.judge([]) == []


def test_one_odd_window_of_two_is_no_alarm(model: TraceModel) -> None:
    rng = np.random.default_rng(2)
    windows = [synthetic.window(rng, "r") for _ in range(2)]
    (cell,) = model.judge([windows[0], frozen(windows[1])])
    assert cell.p > 0.01


def test_all_jobs_odd_on_a_node_make_it_suspect(model: TraceModel) -> None:
    rng = np.random.default_rng(3)
    windows = []
    for run, node, ails in (("a", "n1", 1), ("b", "n1", 1), ("a", "n2", 0), ("c", "n2", 0)):
        for _ in range(2):
            window = replace(synthetic.window(rng, run), node=node)
            windows.append(frozen(window) if ails else window)
    (verdict,) = judge(model.judge(windows), model.calibration_.criterion)
    assert (verdict.suspect, verdict.nodes) == (Suspect.NODE, ("n1",))


def test_what_carries_the_error_is_told(model: TraceModel) -> None:
    window = frozen(synthetic.window(np.random.default_rng(4), "r"))
    found = model.explain_run(window, "r")
    assert found.features[0][0] == "job_cpu"
    assert found.begin >= 15
    assert {thread for thread, _ in found.threads} == {0, 1}, "not the one that nobody owns"
    assert model.explain_run(window, "nobody").features == ()


def test_not_measured_unowned_and_single_threads(model: TraceModel) -> None:
    rng = np.random.default_rng(5)
    one = synthetic.window(rng, "r", threads=1)
    (cell,) = model.judge([one])
    assert list(cell.threads) == [0]
    blind = replace(one, values=array("f", [float("nan")] * len(one.values)))
    assert model.judge([blind]) == []
    assert np.isnan(model.run_p_values(blind)["r"])
    nobody = replace(one, owners=(None, None))
    assert model.judge([nobody]) == []
    assert model.run_p_values(nobody) == {}


def test_few_runs_raise_no_alarm() -> None:
    rng = np.random.default_rng(6)
    model = TraceModel(reconstruction="pca").fit(synthetic.healthy_windows(rng, 3))
    window = frozen(synthetic.window(rng, "r"))
    (cell,) = model.judge([window])
    assert cell.p == 0.5
    assert "an alarm at 1 % needs 99" in cell.reference.words(model.calibration_.criterion)


def test_it_is_judged_alike_after_saving(model: TraceModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = TraceModel.load(tmp_path)
    windows = [synthetic.window(np.random.default_rng(7), f"r{run}") for run in range(5)]
    types = {f"r{run}": "fit" for run in range(3)}
    told = [(cell.p, cell.threads, cell.reference.type) for cell in model.judge(windows, types)]
    assert told == [
        (cell.p, cell.threads, cell.reference.type) for cell in again.judge(windows, types)
    ]
    assert [kind for *_, kind in told] == ["fit", "fit", "fit", "", ""]
