"""Scoring at the edge: windows to the scorer, scores to their runs, some windows to the brain.

Sampling only puts things into a bounded queue. Whatever the scorer does, or does not do, is waited
for in the thread of :meth:`Scoring.run` alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Event
from typing import NamedTuple

from ..jobs.events import WARNINGS, EventKind, JobEvent
from ..jobs.windows import TraceWindow, WindowLength
from .anomaly import read_answer
from .child import Child, Refusal, ScorerError
from .config import Scorer as Settings
from .keeping import Keeping, Rules
from .tracked import Tracked

MAX_QUEUED = 256  # windows and ends that wait
LOAD_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_TELLING = WARNINGS | {EventKind.END}
SCORED, UNSCORED, FAILED, REFUSED, DROPPED = "scored", "unscored", "failed", "refused", "dropped"
RESULTS = (SCORED, UNSCORED, FAILED, REFUSED, DROPPED)
TAKEN = "taken"
MODEL_RESULTS = (TAKEN, REFUSED)

log = logging.getLogger(__name__)


class _Window(NamedTuple):
    run: Tracked
    window: TraceWindow


class _News(NamedTuple):
    """A run has ended well, or it ails."""

    run_key: str
    ails: bool


class Scoring:
    """Scores windows in a thread of its own. Any thread may call what it offers but :meth:`run`."""

    def __init__(
        self,
        settings: Settings,
        length: WindowLength,
        tell: Callable[[list[TraceWindow]], None],
        child: Child | None = None,
    ) -> None:
        """Windows, which are to be of ``length``, go to ``tell`` where they leave the node.

        Nothing is started yet.
        """
        self._settings = settings
        self._length = length
        self._tell = tell
        self._child = child or Child()
        self._queue: queue.Queue[_Window | _News] = queue.Queue(MAX_QUEUED)
        self._offered: queue.Queue[str] = queue.Queue(1)  # the file of a model to take
        rules = Rules(
            settings.alpha,
            settings.sample_windows,
            settings.ailing_windows,
            settings.sample_seconds,
        )
        self.keeping = Keeping(rules, time.monotonic())
        self._logged = ""
        self.windows: Counter[str] = Counter()
        self.models: Counter[str] = Counter()  # taken and refused by the scorer
        self.seconds = 0.0  # that answers took, summed
        self.model = ""  # version of the one in use
        self.refused = ""  # version of the last one that was not taken

    @property
    def pid(self) -> int:
        """The scorer's process; 0 while none runs."""
        return self._child.pid

    @property
    def restarts(self) -> int:
        """How often a scorer was started in place of one before."""
        return self._child.restarts

    # ---- called by others -----------------------------------------------------------------------

    def offer(self, run: Tracked, window: TraceWindow) -> None:
        """Have a window of ``run`` scored; it is dropped and counted where too many wait."""
        try:
            self._queue.put_nowait(_Window(run, window))
        except queue.Full:
            self.windows[DROPPED] += 1

    def hear(self, messages: Iterable[object]) -> None:
        """Take note of the runs that ended, stall or contend among what was told."""
        for message in messages:
            if not isinstance(message, JobEvent) or message.kind not in _TELLING:
                continue
            failed = message.exit is not None and message.exit.kind.failed
            # Where too many wait, the run's windows are forgotten when others need the room.
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(_News(message.run.key, failed or message.kind in WARNINGS))

    def offer_model(self, path: str) -> bool:
        """Have the scorer try the model in ``path``; False while another one waits for that."""
        try:
            self._offered.put_nowait(path)
        except queue.Full:
            return False
        return True

    # ---- the thread -----------------------------------------------------------------------------

    def run(self, stop: Event) -> None:
        """Work until ``stop``; then tell the sample as far as it has come, and end the scorer."""
        while not stop.is_set():
            try:
                self.step(stop)
            except Exception:  # the boundary of the thread: the next window may be scored
                log.exception("a window was not scored")
                stop.wait(_LOOK_SECONDS)
        self._child.end()
        self._send(self.keeping.finish())

    def step(self, stop: Event) -> None:
        """Do the next thing there is to do, or wait for it for a moment."""
        with contextlib.suppress(queue.Empty):
            self._take(self._offered.get_nowait(), stop)
        self._send(self.keeping.due(time.monotonic()))
        try:
            task = self._queue.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        if isinstance(task, _News):
            self._send(self.keeping.hear(task.run_key, ails=task.ails))
            return
        p = self._score(task.run, task.window, stop)
        self._send(self.keeping.judge(task.run.run.key, task.window, p))

    def _send(self, windows: list[TraceWindow]) -> None:
        if windows:
            self._tell(windows)

    def _score(self, run: Tracked, window: TraceWindow, stop: Event) -> float | None:
        """The p-value of a run's window, None where there is none; the run gets its anomaly."""
        if not self._ready(stop):
            self.windows[UNSCORED] += 1
            return None
        began = time.monotonic()
        try:
            answer = self._ask(run, window, stop)
            anomaly = read_answer(answer, run.run.key)
        except Refusal as refusal:
            self.windows[REFUSED] += 1
            self._log("a window is not scored: %s", refusal)
            return None
        except (ScorerError, ValueError) as error:
            self.windows[FAILED] += 1
            self._log("the scorer failed: %s", error)
            return None
        self.seconds += time.monotonic() - began
        self.windows[SCORED] += 1
        self._logged = ""
        if anomaly is None:
            return None
        run.anomaly = anomaly
        return anomaly.p

    def _ask(self, run: Tracked, window: TraceWindow, stop: Event) -> dict[str, object]:
        question = {
            "do": "score",
            "shape": window.shape,
            "step_seconds": window.step_seconds,
            "features": window.features,
            "owners": window.owners,
            "kinds": {run.run.key: run.facts.workflow},
        }
        numbers = memoryview(window.values).cast("B")
        seconds = self._settings.deadline_seconds
        return self._child.ask(question, numbers, seconds=seconds, stop=stop.is_set)

    def _ready(self, stop: Event) -> bool:
        """Does a scorer run that has a model? One is started where there is a model for it."""
        if self._child.runs and self.model:
            return True
        if not os.path.exists(self._settings.model_file):
            return False
        if not self._start(stop):
            return False
        if self._load(self._settings.model_file, stop):
            return True
        self._child.end()
        self._child.put_off()
        return False

    def _start(self, stop: Event) -> bool:
        if not self._child.is_due(time.monotonic()):
            return False
        try:
            if self._child.start(stop.is_set):
                self.model = ""
            return True
        except ScorerError as error:
            if not stop.is_set():
                self._log("the scorer cannot be started: %s", error)
            return False

    def _load(self, path: str, stop: Event) -> bool:
        """Have the scorer take the model in ``path``; the one before stays where it does not."""
        question = {
            "do": "load",
            "path": path,
            "key_file": self._settings.key_file,
            "steps": self._length.steps,
            "step_seconds": self._length.step_seconds,
        }
        try:
            answer = self._child.ask(question, seconds=LOAD_SECONDS, stop=stop.is_set)
        except (Refusal, ScorerError) as error:
            self.models[REFUSED] += 1
            self._log("a model is not used: %s", error)
            return False
        self.model = str(answer.get("model", ""))
        self.models[TAKEN] += 1
        log.info("scoring with model %s (%s)", self.model, answer.get("name", ""))
        return True

    def _take(self, path: str, stop: Event) -> None:
        """Try the model that was delivered to ``path``, and keep it where the scorer takes it."""
        if not self._start(stop):
            with contextlib.suppress(queue.Full):
                self._offered.put_nowait(path)  # when the next scorer may be started
            return
        if self._load(path, stop):
            os.replace(path, self._settings.model_file)
            return
        with contextlib.suppress(OSError):
            os.unlink(path)

    def _log(self, words: str, error: Exception) -> None:
        """Log what goes wrong once, until it goes well or goes wrong in another way."""
        if str(error) != self._logged:
            self._logged = str(error)
            log.warning(words, error)
