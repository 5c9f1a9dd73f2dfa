"""The recorder: its plan, what it keeps, and a short recording on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from jobmend.classifier.traces.dataset import CARD, RUNS, read
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, TraceSummary
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES, TraceWindow

CGROUPS = Path("/sys/fs/cgroup")
BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from campaigns.stand import until  # noqa: E402
from recording.assembly import assemble  # noqa: E402
from recording.cpu_cgroup import CpuCgroup  # noqa: E402
from recording.plan import HEALTHY, plan  # noqa: E402
from recording.receiver import Receiver, is_complete  # noqa: E402
from recording.takes import Take, load, recorded_names, save  # noqa: E402


def documents(job: str = "7", node: str = "n1") -> list[dict[str, Any]]:
    run = Run("bench", "local", job, "A")
    window = TraceWindow(node, 1e9, 0.1, (0,), (run.key,), array("f", [0.5] * 10 * len(FEATURES)))
    ended = JobEvent(
        EventKind.END,
        run,
        1e9 + 20,
        node,
        exit=Exit("local", ExitKind.SUCCESS, code=0),
        trace=TraceSummary(duration_seconds=20.0, samples=200, memory_peak_bytes=4096),
    )
    return [json.loads(wire.dumps(message)) for message in (window, ended)]


def take(job_type: str = "fit", fault: str = HEALTHY, repeat: int = 0, job: str = "7") -> Take:
    return Take(job_type, fault, repeat, "local", 1e9, documents(job))


def test_a_plan_is_the_same_for_a_seed_and_whole_in_each_repeat() -> None:
    slots = plan(2, seed=3)
    assert slots == plan(2, seed=3)
    assert slots != plan(2, seed=4)
    assert len({slot.name for slot in slots}) == len(slots)
    first, second = slots[: len(slots) // 2], slots[len(slots) // 2 :]
    assert {slot.repeat for slot in first} == {0}
    assert Counter((slot.tasks, slot.fault) for slot in first) == Counter(
        (slot.tasks, slot.fault) for slot in second
    )
    extra = plan(2, seed=3, healthy_extra=1)[len(slots) :]
    assert {slot.fault for slot in extra} == {HEALTHY}


def test_takes_are_kept_whole_and_found_again(tmp_path: Path) -> None:
    assert recorded_names(tmp_path) == set()
    save(tmp_path, "local-000-fit-none", [take()])
    (tmp_path / "takes" / ".local-001.json.gz").write_bytes(b"half")
    assert recorded_names(tmp_path) == {"local-000-fit-none"}
    assert load(tmp_path) == [take()]


def test_a_set_is_split_by_run_and_says_what_it_holds(tmp_path: Path) -> None:
    takes = [take(fault=fault, repeat=n) for n in range(5) for fault in (HEALTHY, "hang")]
    takes += [take("idle"), take("idle", job="8")]
    assert assemble(takes, tmp_path) == {"runs": 12, "windows": 12}
    recorded = read(tmp_path)
    assert len({one.run for one in recorded}) == 12
    splits = {one.split for one in recorded if one.fault == "hang"}
    assert splits == {"train", "validation", "test"}
    assert {one.fault_start for one in recorded if one.fault == "hang"} == {1e9 + 8}
    assert all(one.window.owners == (one.run,) for one in recorded)
    rows = pq.read_table(tmp_path / RUNS).to_pylist()
    assert {(row["job_type"], row["faulty"], row["memory_peak_bytes"]) for row in rows} == {
        ("fit", False, 4096.0),
        ("fit", True, 4096.0),
        ("idle", False, 4096.0),
    }
    assert "| fit | 5 | 5 |" in (tmp_path / CARD).read_text()


def test_a_run_without_its_end_is_left_out(tmp_path: Path) -> None:
    cut = Take("fit", HEALTHY, 0, "local", 1e9, documents()[:1])
    assert not is_complete(cut.documents)
    assert assemble([cut], tmp_path / "none") == {"runs": 0, "windows": 0}
    assert not (tmp_path / "none").exists()


def post(url: str, body: bytes) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/api/v1/ingest", body, timeout=10) as answer:
        read_back: dict[str, Any] = json.loads(answer.read())
    return read_back


def test_the_receiver_answers_as_the_brain_does() -> None:
    with Receiver() as receiver:
        body = json.dumps({"jobmend": 1, "messages": documents()}).encode()
        assert post(receiver.url, body) == {"accepted": 2, "duplicates": 0, "rejected": []}
        assert is_complete(receiver.told_of("7"))
        assert receiver.told_of("8") == []
        with pytest.raises((urllib.error.URLError, OSError)):
            post(receiver.url, b"no json")
        assert is_complete(receiver.told_of("7"))  # it lives on


def test_without_a_hierarchy_a_cpu_cgroup_is_nothing(tmp_path: Path) -> None:
    cpu = CpuCgroup("jobmend_none", tmp_path / "cpu")
    cpu.entering("child")()
    cpu.sweep()
    cpu.remove()
    assert list(tmp_path.iterdir()) == []


def left_of(name: str, below: str = "") -> list[Path]:
    """The cgroups of a recording, of v1 or v2."""
    return [*CGROUPS.glob(name + below), *CGROUPS.glob(f"*/{name}{below}")]


@pytest.mark.cgroup
@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_a_short_recording_goes_on_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = [
        "--out",
        str(out),
        "--seconds",
        "3",
        "--steps",
        "16",
        "--minutes",
        "0.13",
        "--seed",
        "4",
    ]
    process = subprocess.Popen(
        [sys.executable, BENCH / "record.py", *words, "--repeats", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(told.splitlines()[-1])["runs"] >= 1
    recorded = read(out)
    assert {one.window.steps for one in recorded} == {16}
    assert all(owner == one.run for one in recorded for owner in one.window.owners)
    assert not left_of(f"jobmend_b{process.pid}")
    done = recorded_names(out)
    again = [sys.executable, str(BENCH / "record.py"), *words[:-2], "--minutes", "0"]
    subprocess.run(again, check=True, capture_output=True)
    assert recorded_names(out) == done


@pytest.mark.cgroup
@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_a_recording_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    words = ["--out", str(tmp_path), "--seconds", "30", "--steps", "16", "--repeats", "1"]
    process = subprocess.Popen([sys.executable, BENCH / "record.py", *words])
    name = f"jobmend_b{process.pid}"
    try:
        until(lambda: left_of(name, "/job_*"), 120, "a job's cgroup")
    finally:
        process.terminate()
    assert process.wait(timeout=90) == 0
    assert not left_of(name)
    assert not [one for one in psutil.process_iter(["cmdline"]) if name in str(one.info)]
