"""The scorer in a process of its own: it scores, and when it does not, nobody waits for long."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.child import Child, Refusal, ScorerError, resident_bytes
from jobmend.agent.scorer.priority import MAX_MEMORY_BYTES
from jobmend.jobs.windows import FEATURES
from tests.agent.scorer.conftest import KEY, drawn, edge, exportable
from tests.agent.scorer.parts import members, sealed_again, with_header

FILES = ("comm", "oom_score_adj")
FAKE = """
import json, socket, struct, sys, time
talk = socket.socket(fileno=0)
def tell(header):
    text = json.dumps(header).encode()
    talk.sendall(struct.pack(">II", len(text), 0) + text)
tell({"ready": True})
def heard():
    first, second = struct.unpack(">II", talk.recv(8, socket.MSG_WAITALL))
    return talk.recv(first, socket.MSG_WAITALL), second and talk.recv(second, socket.MSG_WAITALL)
heard()
"""


def fake(then: str) -> Child:
    """A scorer that does ``then`` when it is asked."""
    return Child([sys.executable, "-IBSc", FAKE + then])


@pytest.fixture
def child() -> Iterator[Child]:
    one = Child()
    yield one
    one.end()


@pytest.fixture
def loaded(child: Child, tmp_path: Path, sealed: bytes) -> Child:
    (tmp_path / "model.npz").write_bytes(sealed)
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert child.start() and not child.start()
    child.ask(load(tmp_path, "model.npz"), seconds=60)
    return child


def load(folder: Path, name: str, key: str = "key") -> dict[str, object]:
    told = {"do": "load", "path": str(folder / name), "key_file": str(folder / key)}
    return {**told, "steps": 8, "step_seconds": 1.0}


def question(threads: int, **changes: object) -> dict[str, object]:
    asked = {"do": "score", "shape": [threads, 8, len(FEATURES)], "step_seconds": 1.03}
    return {**asked, "features": FEATURES, "owners": ["r"] * threads, "kinds": {}, **changes}


def test_it_scores_as_the_model_does_and_gives_way_to_jobs(loaded: Child) -> None:
    window = drawn(1, 128, seed=4)[0]
    answer = loaded.ask(question(128), window.tobytes(), seconds=30)
    here = edge(exportable("pca"))
    wanted = here.judge(window, ["r"] * 128, {})
    assert answer["model"] == here.version
    assert answer["runs"]["r"] == pytest.approx(wanted["r"], rel=1e-6)
    assert os.getpriority(os.PRIO_PROCESS, loaded.pid) == 19
    assert os.sched_getscheduler(loaded.pid) == os.SCHED_IDLE
    told = {name: Path(f"/proc/{loaded.pid}/{name}").read_text() for name in FILES}
    assert told == {"comm": "jobmend-scorer\n", "oom_score_adj": "500\n"}
    assert (resident_bytes(loaded.pid) or 0) > 0


def test_what_it_cannot_score_is_refused_with_the_cure_and_it_goes_on(loaded: Child) -> None:
    for changes, words in (
        (
            {"shape": [1, 9, len(FEATURES)]},
            r"windows of 9 steps of 1.03 s, the model reads 8 steps of 1 s; set \[sample\] period",
        ),
        ({"step_seconds": 15.0}, "windows of 8 steps of 15 s, the model reads 8 steps of 1 s"),
        ({"step_seconds": 0.5}, "windows of 8 steps of 0.5 s"),
        ({"step_seconds": math.nan}, "windows of 8 steps of nan s"),
        ({"features": ["heat"]}, "upgrade agent and brain"),
        ({"owners": []}, "0 owners for 1 threads"),
        ({"do": "sing"}, "no question: 'sing'"),
        ({"shape": 7}, "TypeError in the scorer"),
    ):
        with pytest.raises(Refusal, match=words):
            loaded.ask(question(1, **changes), drawn(1, 1)[0].tobytes(), seconds=30)
    with pytest.raises(Refusal, match="too much for one frame"):
        loaded.ask(question(1), bytes(9 * 2**20), seconds=30)
    told = loaded.ask(question(2, owners=[None, None]), drawn(1, 2)[0].tobytes(), seconds=30)
    assert told["runs"] == {}
    assert loaded.runs and not loaded.restarts


def test_threads_without_numbers_and_of_nobody_have_no_say(loaded: Child) -> None:
    window = drawn(1, 3, seed=5)[0]
    window[0] = math.nan
    window[1] = 1e30
    owners = ["r", None, "s"]
    told = loaded.ask(question(3, owners=owners), window.tobytes(), seconds=30)["runs"]
    assert told["r"] == {} and 0 < told["s"]["p"] <= 1


def test_a_model_that_may_not_be_used_leaves_the_one_before(
    loaded: Child, tmp_path: Path, sealed: bytes
) -> None:
    before = loaded.ask(load(tmp_path, "model.npz"), seconds=60)["model"]
    (tmp_path / "other").write_bytes(b"another key of 16")
    for name, data, key, words in (
        ("cut.npz", sealed[:-100], "key", "cut.npz: the model has no seal or is cut short"),
        ("damaged.npz", sealed[:500] + b"\0" + sealed[501:], "key", "is damaged or signed with"),
        ("forged.npz", sealed, "other", "signed with another key; copy the brain's file"),
        ("model.npz", sealed, "absent", "absent: cannot be read: No such file"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Refusal, match=words):
            loaded.ask(load(tmp_path, name, key), seconds=60)
    for changes in ({"step_seconds": 15.0}, {"steps": 32}):
        other = {**load(tmp_path, "model.npz"), **changes}
        words = "the model reads 8 steps of 1 s; set .* of all agents alike, or train anew"
        with pytest.raises(Refusal, match=words):
            loaded.ask(other, seconds=60)
    told = loaded.ask(question(1), drawn(1, 1)[0].tobytes(), seconds=30)
    assert told["model"] == before


def test_a_model_that_wants_the_memory_of_the_node_is_refused(
    loaded: Child, tmp_path: Path, sealed: bytes
) -> None:
    greedy = {"op": "fold", "steps": 8, "to": MAX_MEMORY_BYTES // 100}
    parts = with_header(members(sealed), lambda header: header["layers"].insert(1, greedy))
    (tmp_path / "greedy.npz").write_bytes(sealed_again(parts))
    with pytest.raises(Refusal, match=r"do not fit together \(.*MemoryError"):
        loaded.ask(load(tmp_path, "greedy.npz"), seconds=60)
    assert (resident_bytes(loaded.pid) or 0) < MAX_MEMORY_BYTES // 4
    loaded.ask(question(1), drawn(1, 1)[0].tobytes(), seconds=30)
    assert loaded.runs and not loaded.restarts


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("time.sleep(60)", "did not answer in time"),
        ("sys.exit(5)", "closed the connection"),
        ("talk.sendall(b'x' * 4096); time.sleep(60)", "announces .* no frame"),
        ("talk.sendall(struct.pack('>II', 4, 0) + b'{{{{'); time.sleep(60)", "no JSON"),
        ("talk.sendall(struct.pack('>II', 2, 0) + b'[]'); time.sleep(60)", "no JSON object"),
        ("talk.sendall(b'\\0\\0'); time.sleep(60)", "did not answer in time"),
    ],
)
def test_one_that_does_not_answer_is_ended_and_the_next_comes_later(then: str, words: str) -> None:
    child = fake(then)
    child.start()
    pid = child.pid
    with pytest.raises(ScorerError, match=words):
        child.ask(question(1), b"1234", seconds=0.5 if "in time" in words else 60)
    assert not child.runs and child.pid == 0
    assert resident_bytes(pid) is None, "it is still there"
    now = time.monotonic()
    assert not child.is_due(now) and child.is_due(now + 300)
    with pytest.raises(ScorerError, match="no scorer runs"):
        child.ask(question(1), seconds=1)


def test_pauses_grow_to_a_limit_and_a_start_again_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = fake("sys.exit(5)")
    pauses = []
    with monkeypatch.context() as stopped:
        stopped.setattr(time, "monotonic", lambda: 100.0)
        for _ in range(20):
            child.put_off()
            pauses.append(next(p for p in range(1, 400) if child.is_due(100.0 + p)))
    assert pauses[:3] == [2, 4, 8] and max(pauses) == pauses[-1] == 300
    child.start()
    child.end()
    child.start()
    child.end()
    assert child.restarts == 1


def test_a_program_that_is_not_there_is_an_error_of_one_sentence() -> None:
    with pytest.raises(ScorerError, match="/nowhere: cannot be started: No such file"):
        Child(["/nowhere"]).start()
