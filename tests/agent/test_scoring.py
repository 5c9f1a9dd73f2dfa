"""Scoring beside sampling: what becomes of windows, runs and models, whatever the scorer does."""

from __future__ import annotations

import logging
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobmend.agent import scoring as module
from jobmend.agent.anomaly import Anomaly, read_answer
from jobmend.agent.child import Child, Refusal, ScorerError
from jobmend.agent.child import command as child_command
from jobmend.agent.config import Scorer
from jobmend.agent.scoring import Scoring
from jobmend.agent.tracked import Tracked
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import posix_exit
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES, TraceWindow, WindowLength

RUN = Run("c1", "slurm", "42", "0")
NOW = threading.Event()
LENGTH = WindowLength(1, 1.0)


class Fake(Child):
    """A scorer that answers as it is told, or fails."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        super().__init__(["none"])
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.up = False

    @property
    def runs(self) -> bool:
        return self.up

    def start(self, stop: Callable[[], bool] = lambda: False) -> bool:
        new, self.up = not self.up, True
        return new

    def end(self) -> None:
        self.up = False

    def ask(self, question: dict[str, Any], payload: Any = b"", **_: Any) -> dict[str, Any]:
        self.asked.append(question)
        answer = self.answers.pop(0)
        if isinstance(answer, Refusal):
            raise answer
        if isinstance(answer, Exception):
            self.end()
            self.put_off()
            raise answer
        return answer


def loaded(version: str = "v1") -> dict[str, Any]:
    return {"model": version, "name": "pca"}


def scored(p: float, score: float = 2.0) -> dict[str, Any]:
    return {"model": "v1", "runs": {RUN.key: {"score": score, "p": p}}}


class Scene:
    """Scoring with a fake scorer, and what it told."""

    def __init__(self, folder: Path, *answers: dict[str, Any] | Exception) -> None:
        self.settings = Scorer(
            enabled=True, key_file=str(folder / "key"), model_file=str(folder / "model.npz")
        )
        self.told: list[TraceWindow] = []
        self.child = Fake(*answers)
        self.scoring = Scoring(self.settings, LENGTH, self.told.extend, self.child)
        self.tracked = Tracked(RUN, "n1", 0.0)

    def with_model(self) -> Scene:
        Path(self.settings.model_file).write_bytes(b"model")
        return self

    def offer(self, start: float = 1.0) -> TraceWindow:
        values = array("f", bytes(4 * len(FEATURES)))
        window = TraceWindow("n1", start, 1.0, (0,), (RUN.key,), values)
        self.scoring.offer(self.tracked, window)
        self.scoring.step(NOW)
        return window

    def end(self, code: int) -> None:
        end = JobEvent(EventKind.END, RUN, 9.0, "n1", exit=posix_exit(code, None))
        self.scoring.hear([end, JobEvent(EventKind.START, RUN, 1.0)])
        self.scoring.step(NOW)


def test_the_newest_window_of_a_run_is_its_anomaly(tmp_path: Path) -> None:
    scene = Scene(tmp_path, loaded(), scored(0.5, 1.5), scored(0.004, 9.0)).with_model()
    scene.offer()
    assert scene.tracked.anomaly == Anomaly(1.5, 0.5, "v1")
    odd = scene.offer(2.0)
    assert scene.tracked.anomaly == Anomaly(9.0, 0.004, "v1")
    assert scene.told == [odd]
    assert scene.scoring.windows == {"scored": 2} and scene.scoring.model == "v1"
    asked = scene.child.asked[-1]
    assert asked["shape"] == (1, 1, len(FEATURES)) and asked["owners"] == (RUN.key,)
    told = [(one["do"], one.get("steps"), one["step_seconds"]) for one in scene.child.asked]
    assert told == [("load", 1, 1.0), ("score", None, 1.0), ("score", None, 1.0)]


def test_without_a_model_no_scorer_is_started_and_failed_runs_are_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    window = scene.offer()
    assert not scene.child.up and scene.scoring.windows == {"unscored": 1}
    scene.end(0)
    assert scene.told == []
    window = scene.offer(2.0)
    scene.end(3)
    assert scene.told == [window]


def test_a_scorer_that_fails_is_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failure = ScorerError("it did not answer in time")
    scene = Scene(tmp_path, loaded(), failure).with_model()
    with caplog.at_level(logging.WARNING):
        for start in range(4):
            scene.offer(start)
    assert scene.scoring.windows == {"failed": 1, "unscored": 3}
    assert [record.getMessage() for record in caplog.records] == [
        "the scorer failed: it did not answer in time"
    ]
    assert scene.tracked.anomaly is None and scene.told == []


def test_a_run_that_stalls_is_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    window = scene.offer()
    scene.scoring.hear([JobEvent(EventKind.STALL, RUN, 5.0)])
    scene.scoring.step(NOW)
    assert scene.told == [window] and scene.offer(2.0) == scene.told[-1]


@pytest.mark.parametrize(
    "runs",
    [
        *({"score": score} for score in ("high", True, 10**400, float("inf"))),
        {"score": 1.0, "p": float("nan")},
    ],
)
def test_an_answer_that_makes_no_sense_is_a_failure(tmp_path: Path, runs: object) -> None:
    answer = {"model": "v1", "runs": {RUN.key: runs}}
    scene = Scene(tmp_path, loaded(), answer).with_model()
    scene.offer()
    assert scene.scoring.windows == {"failed": 1} and scene.tracked.anomaly is None


@pytest.mark.parametrize("answer", [{}, {"runs": 3}, {"runs": {"other": {}}}, {"runs": {"k": {}}}])
def test_no_word_about_a_run_is_no_anomaly(answer: dict[str, Any]) -> None:
    assert read_answer(answer, "k") is None


def test_a_window_of_another_shape_is_refused_and_the_scorer_goes_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path, loaded(), Refusal("other steps"), scored(0.5)).with_model()
    scene.offer()
    scene.offer(2.0)
    assert scene.scoring.windows == {"refused": 1, "scored": 1} and scene.child.up


def test_a_delivered_model_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    scene = Scene(tmp_path, loaded(), scored(0.5), loaded("v2")).with_model()
    scene.offer()
    new = tmp_path / "model.npz.new"
    new.write_bytes(b"newer")
    assert scene.scoring.offer_model(str(new))
    assert not scene.scoring.offer_model(str(new)), "one waits already"
    scene.scoring.step(NOW)
    assert scene.scoring.model == "v2" and not new.exists()
    assert Path(scene.settings.model_file).read_bytes() == b"newer"
    assert scene.scoring.models == {"taken": 2}


def test_a_delivered_model_that_is_refused_leaves_the_one_before(tmp_path: Path) -> None:
    scene = Scene(tmp_path, loaded(), scored(0.5), Refusal("damaged"), scored(0.4)).with_model()
    scene.offer()
    new = tmp_path / "model.npz.new"
    new.write_bytes(b"newer")
    scene.scoring.offer_model(str(new))
    scene.offer(2.0)
    assert scene.scoring.model == "v1" and not new.exists()
    assert Path(scene.settings.model_file).read_bytes() == b"model"
    assert scene.scoring.models == {"taken": 1, "refused": 1}
    assert scene.scoring.windows == {"scored": 2}


def test_a_model_that_is_refused_before_any_window_leaves_the_one_on_disk(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Refusal("damaged"), loaded(), scored(0.5)).with_model()
    new = tmp_path / "model.npz.new"
    new.write_bytes(b"newer")
    scene.scoring.offer_model(str(new))
    scene.scoring.step(NOW)
    scene.offer()
    assert scene.scoring.model == "v1" and scene.tracked.anomaly == Anomaly(2.0, 0.5, "v1")


def test_a_damaged_model_on_disk_is_tried_again_later_and_a_delivered_one_at_once(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, Refusal("damaged"), loaded("v2")).with_model()
    scene.offer()
    scene.offer(2.0)
    assert len(scene.child.asked) == 1 and not scene.child.up
    scene.child._not_before = 0.0
    new = tmp_path / "model.npz.new"
    new.write_bytes(b"newer")
    scene.scoring.offer_model(str(new))
    scene.scoring.step(NOW)
    assert scene.scoring.model == "v2"


def test_a_model_that_waits_for_the_next_scorer_keeps_no_window_waiting(tmp_path: Path) -> None:
    scene = Scene(tmp_path, loaded(), scored(0.5))
    scene.child._not_before = time.monotonic() + 300
    new = tmp_path / "model.npz.new"
    new.write_bytes(b"newer")
    scene.scoring.offer_model(str(new))
    began = time.monotonic()
    for start in range(20):
        scene.offer(start)
    assert time.monotonic() - began < 5, "half a second for each"
    assert scene.scoring.windows == {"unscored": 20} and not scene.child.asked
    scene.child._not_before = 0.0
    scene.offer(99.0)
    assert scene.scoring.model == "v1" and not new.exists()


def test_a_hung_scorer_keeps_nobody_waiting_who_offers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    scene = Scene(tmp_path)
    values = array("f", bytes(4 * len(FEATURES)))
    window = TraceWindow("n1", 1.0, 1.0, (0,), (RUN.key,), values)
    scoring = Scoring(scene.settings, LENGTH, scene.told.extend, scene.child)
    for _ in range(10):
        scoring.offer(scene.tracked, window)
    scoring.hear([JobEvent(EventKind.END, RUN, 9.0)])
    assert scoring.windows == {"dropped": 7}


def test_the_thread_tells_its_sample_when_it_stops(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    stop = threading.Event()
    thread = threading.Thread(target=scene.scoring.run, args=(stop,))
    thread.start()
    window = TraceWindow("n1", 1.0, 1.0, (0,), (RUN.key,), array("f", bytes(40)))
    scene.scoring.offer(scene.tracked, window)
    while not scene.scoring.windows:
        time.sleep(0.01)
    stop.set()
    thread.join(timeout=60)
    assert not thread.is_alive() and scene.told == [window]


def test_without_numpy_the_scorer_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('no numpy')")
    argv = child_command()
    argv[3] = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {argv[3]}"
    with pytest.raises(ScorerError, match="closed the connection"):
        Child(argv).start()
