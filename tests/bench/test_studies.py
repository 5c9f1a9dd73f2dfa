"""The studies of trace models: how runs are parted and judged, and that each keeps its contract."""

from __future__ import annotations

import importlib
import json
import math
import sys
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bench.running import BENCH, told_by

sys.path.insert(0, str(BENCH))

from studies import figures, keeping, report, sampling, trial  # noqa: E402
from studies.parts import Set, deal, load  # noqa: E402

from jobmend.classifier.failures.evaluation.intervals import Interval  # noqa: E402
from jobmend.classifier.failures.reporting.report import Picture, Section, Table  # noqa: E402
from jobmend.classifier.traces.dataset import DatasetError, Recorded  # noqa: E402
from jobmend.jobs.windows import FEATURES, TraceWindow  # noqa: E402

DATA = BENCH.parent / "tests" / "data" / "traces"
STUDIES = ("reconstruction", "separation", "sampling", "sizes", "faults")


Tell = Callable[..., Any]


@pytest.fixture
def told_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    # in this process: it has loaded torch already, and each command would anew

    def tell(name: str, *options: str) -> Any:
        monkeypatch.setattr(sys, "argv", [name, *options])
        importlib.import_module(f"studies.{name}").main()
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return tell


@pytest.fixture(scope="module")
def data() -> Set:
    return load(DATA)


# ---- parting -----------------------------------------------------------------------------------


def test_slots_are_never_parted_and_nothing_is_in_two_parts(data: Set) -> None:
    for seed in range(5):
        parts = deal(data, seed)
        in_part = {
            run: name for name in ("train", "validation", "test") for run in getattr(parts, name)
        }
        assert set(in_part) == set(data.types)
        assert sum(map(len, (parts.train, parts.validation, parts.test))) == len(in_part)
        of_slot: dict[str, set[str]] = {}
        for run, name in in_part.items():
            of_slot.setdefault(data.slots[run], set()).add(name)
        assert all(len(names) == 1 for names in of_slot.values())


def test_only_healthy_runs_train_and_every_part_has_every_type(data: Set) -> None:
    parts, faults = deal(data, 0), data.faults
    assert {faults[run] for run in parts.train} == {"none"}
    for name in ("train", "validation", "test"):
        healthy = parts.healthy(faults, name)
        assert {data.types[run] for run in healthy} == set(data.types.values())
    assert {faults[run] for run in parts.test} == set(faults.values())


def test_too_few_healthy_slots_are_refused(data: Set) -> None:
    runs = {one.run for one in data.recorded if one.fault == "none" and one.job_type == "fit"}
    few = [one for one in data.recorded if one.run not in runs or one.run == min(runs)]
    with pytest.raises(DatasetError, match="record 3 or more"):
        deal(Set(few, data.slots), 0)


def test_windows_that_are_too_short_are_refused(data: Set) -> None:
    with pytest.raises(DatasetError, match="its window has 192 steps, 600 are needed"):
        trial.newest_steps(data.recorded[0], 600)
    with pytest.raises(DatasetError, match="record longer ones"):
        trial.prepare(data, deal(data, 0), steps=600)


def test_no_data_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reconstruction", "--data", str(tmp_path)])
    with pytest.raises(SystemExit, match="windows.parquet: cannot be read"):
        importlib.import_module("studies.reconstruction").main()


def test_scaling_and_training_see_training_runs_alone(data: Set) -> None:
    ready = trial.prepare(data, deal(data, 1))
    assert {one.run for one in ready.training.recorded} == ready.parts.train
    held = {one.run for one in ready.stopping.recorded}
    assert held == ready.parts.healthy(data.faults, "validation")
    assert {one.run for one in ready.whole.recorded} == set(data.types)
    assert len(ready.whole.recorded) == 3 * len(data.recorded)


# ---- judging -----------------------------------------------------------------------------------


def a_set(types: Mapping[str, str], slots: Mapping[str, str]) -> Set:
    window = TraceWindow("n1", 0.0, 0.1, (0,), ("x",), array("f", [0.0] * len(FEATURES)))
    runs = [Recorded(run, type, "none", "train", None, window) for run, type in types.items()]
    return Set(runs, slots)


def test_scores_are_compared_with_healthy_runs_of_their_type() -> None:
    calm = {f"calm{place}": math.exp(0.1 * place) for place in range(5)}
    wild = {f"wild{place}": 1000 * math.exp(0.1 * place) for place in range(5)}
    scores = calm | wild | {"odd": math.exp(3.0), "stranger": 1.0}
    types = {run: run[:4] for run in calm | wild} | {"odd": "calm", "stranger": "new"}
    found = trial.by_type(scores, a_set(types, {run: run for run in types}), [*calm, *wild])
    assert max(found, key=lambda run: found[run]) == "odd"
    assert found["calm2"] == pytest.approx(0.0, abs=1e-9)
    assert found["wild4"] == pytest.approx(found["calm4"])
    assert math.isfinite(found["stranger"])


def test_a_run_is_not_compared_with_itself_nor_with_those_beside_it() -> None:
    scores = {"a": math.exp(5.0), "twin": math.exp(5.0), "b": 1.0, "c": 1.0, "d": math.exp(1.0)}
    slots = {"a": "1", "twin": "1", "b": "2", "c": "3", "d": "4"}
    found = trial.by_type(scores, a_set(dict.fromkeys(scores, "x"), slots), set(scores))
    assert found["a"] == found["twin"] > 1.0
    alone = trial.by_type(scores, a_set(dict.fromkeys(scores, "x"), slots), {"b", "c", "d"})
    assert alone["d"] > alone["b"]


def test_detection_compares_a_fault_with_healthy_runs_of_its_types_alone() -> None:
    faults = {"a": "none", "b": "hang", "c": "none", "d": "leak"}
    types = {"a": "x", "b": "x", "c": "y", "d": "y"}
    scores = {"a": 1.0, "b": 2.0, "c": 9.0, "d": 3.0}
    runs = set(faults)
    assert figures.detection(scores, runs, faults, types, "hang") == (1.0, 1.0)
    assert figures.detection(scores, runs, faults, types, "leak")[0] == 0.0
    assert figures.prevalence(runs, faults, types, None) == 0.5
    assert math.isnan(figures.detection(scores, {"a", "c"}, faults, types)[0])


def test_few_splits_show_nothing_and_many_equal_ones_do() -> None:
    assert figures.surely([0.1, 0.1], 1)[0] == 0
    assert figures.surely([0.1, 0.11, 0.1, 0.12, 0.1], 1)[0] == 1
    assert figures.surely([-0.1, -0.11, -0.1, -0.12, -0.1], 10)[0] == -1
    assert figures.surely([-1.0, 1.0, -1.0, 1.0, 0.5], 1)[0] == 0


def test_nearest_windows_are_those_of_other_runs() -> None:
    rows = np.array([[0.0], [0.1], [1.0], [5.0]], dtype=np.float32)
    runs, labels = np.array(["p", "p", "q", "r"]), np.array(["x", "x", "y", "y"])
    # p's own twin does not count: 0 and 0.1 are nearest to q of another label, r is nearest to q
    assert figures.neighbours_agree(rows, labels, runs) == 0.25


def test_means_and_spreads_of_a_window() -> None:
    steps = np.zeros((1, 2, len(FEATURES)), dtype=np.float32)
    steps[0, :, 0], steps[0, :, 1] = (1.0, 3.0), np.nan
    window = TraceWindow("n1", 0.0, 0.1, (0,), ("run",), array("f", steps.tobytes()))
    data = Set([Recorded("run", "fit", "none", "train", None, window)], {"run": "slot"})
    (one,) = sampling.moments(data).recorded
    values = np.frombuffer(one.window.values, np.float32)
    assert one.window.shape == (1, 1, 2 * len(FEATURES))
    assert (values[0], values[len(FEATURES)]) == (2.0, 1.0)
    assert np.isnan(values[[1, len(FEATURES) + 1]]).all()


# ---- files and the page ------------------------------------------------------------------------


def a_section(words: str) -> Section:
    table = Table(["arm", words], [[words, Interval(0.5, 0.25, 0.75)], ["b", None]], words)
    picture = Picture("faults", words, keeping.PNG)
    return Section("faults", words, [words], {words: 3}, [table], [picture])


def kept(folder: Path, section: Section) -> None:
    about: dict[str, Any] = {"seconds": 1.0, "quick": False, "machine": "m", "date": "d"}
    keeping.write(folder, section, keeping.as_json(section) | about)


def test_a_study_is_read_as_it_was_written_and_escaped(tmp_path: Path) -> None:
    kept(tmp_path, a_section("<script>alert(1)</script>"))
    ((section, made),) = report.collect(tmp_path)
    assert section == a_section("<script>alert(1)</script>")
    assert made["quick"] is False
    page = report.build([(section, made)])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "0.500 (0.250 to 0.750)" in page


def test_damaged_studies_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no studies"):
        report.collect(tmp_path)
    (tmp_path / "faults.json").write_text('{"study": "faults"}')
    with pytest.raises(ValueError, match="run it again with --out"):
        report.collect(tmp_path)
    kept(tmp_path, a_section("words"))
    (tmp_path / "faults.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ValueError, match="is no PNG"):
        report.collect(tmp_path)


# ---- the commands ------------------------------------------------------------------------------


def flowbench_like(path: Path) -> None:
    # two workflows of 60 runs with five jobs each; in half of the runs one job is slow
    rng = np.random.default_rng(0)
    rows: dict[str, list[Any]] = {name: [] for name in ("wf", "run", "anomaly_type", "type")}
    took = []
    for workflow in ("1000-genome", "montage"):
        for run in range(60):
            for job in range(5):
                faulty = job == 0 and run % 2 == 1
                rows["wf"].append(workflow)
                rows["run"].append(f"{workflow}-{run}")
                rows["anomaly_type"].append("cpu_2" if faulty else None)
                rows["type"].append("mean")
                took.append(rng.lognormal(1.0, 0.1) * (3.0 if faulty else 1.0))
    rows["kickstart_transformations"] = rows.pop("type")
    numbers = {"seconds": took, "bytes": rng.lognormal(5.0, 1.0, len(took))}
    pq.write_table(pa.table(rows | numbers), path)


def test_each_study_tells_figures_and_the_page_holds_them_all(
    tmp_path: Path, told_here: Tell
) -> None:
    out = tmp_path / "studies"
    for name in STUDIES:
        options = ("--quick", "--seeds", "1", "--out", str(out))
        alone = name == "reconstruction"  # in a process of its own, as a person has it
        told = told_by(f"studies/{name}.py", *options) if alone else told_here(name, *options)
        assert told["study"] == name
        assert told["quick"] is True
        assert told["findings"]
        assert all(len(row) == len(t["columns"]) for t in told["tables"] for row in t["rows"])
        assert all((out / f"{one['name']}.png").exists() for one in told["pictures"])
    flowbench_like(tmp_path / "jobs.parquet")
    flow = told_here("flowbench", str(tmp_path / "jobs.parquet"), "--out", str(out))
    assert flow["study"] == "flowbench"
    made = told_here("report", str(out), "--out", str(tmp_path / "report.html"))
    assert made["studies"] == [*STUDIES, "flowbench"]
    page = (tmp_path / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 7
    assert "<script" not in page
    assert "its figures mean nothing" in page
