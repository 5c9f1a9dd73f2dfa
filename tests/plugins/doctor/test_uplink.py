"""The way to the brain: clock, token, versions, and the same jobs seen on both ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobmend.jobs.version import VERSION
from jobmend.plugins.doctor import asking, uplink
from jobmend.plugins.doctor.findings import Finding, Level
from jobmend.plugins.doctor.page import parse
from jobmend.plugins.doctor.settings import Settings
from tests.plugins.doctor.web import Web, served

NOW = 1_800_000_000.0
REQUESTS = "jobmend_agent_uplink_requests_total"
ENDED = 'jobmend_job_exit_info{scheduler="slurm",jobid="7",run="0",kind="success"} 1\n'
CPU = 'jobmend_job_cpu_user_seconds_total{scheduler="slurm",jobid="7",run="0"} 3\n'


@pytest.fixture
def brain() -> Iterator[Web]:
    with served() as web:
        web.pages["/api/v1/status"] = json.dumps({"version": VERSION})
        web.pages["/api/v1/jobs"] = json.dumps({"jobs": []})
        yield web


@pytest.fixture
def told(brain: Web, tmp_path: Path) -> Settings:
    token = tmp_path / "token"
    token.write_text("x" * 20)
    token.chmod(0o600)
    return Settings(uplink=brain.url, token_file=str(token), known=True)


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {one.check: one for one in found}


def test_a_way_in_order(told: Settings) -> None:
    page = parse(f'{REQUESTS}{{result="ok"}} 5\njobmend_build_info{{version="{VERSION}"}} 1')
    found = by_check(uplink.examine(told, page))
    assert set(found) == {"uplink", "clock", "uplink token", "recent jobs", "versions"}
    assert {one.level for name, one in found.items() if name != "recent jobs"} == {Level.GOOD}
    assert f"brain {VERSION}, agent {VERSION}" in found["versions"].text


def test_no_address_is_a_note_and_nobody_there_is_bad() -> None:
    assert by_check(uplink.examine(Settings(), None))["uplink"].level is Level.NOTE
    found = by_check(uplink.examine(Settings(uplink="http://127.0.0.1:9"), None))
    assert found["uplink"].level is Level.BAD and "refused" in found["uplink"].text
    found = by_check(uplink.examine(Settings(uplink="file:///etc/passwd"), None))
    assert "no http:// or https:// address" in found["uplink"].text


@pytest.mark.parametrize("page", ["", "[1]", "{}", "[" * 100_000, '{"version": ""}', "\x00"])
def test_what_is_no_brain_is_bad(told: Settings, brain: Web, page: str) -> None:
    brain.pages = {"/api/v1/status": page, "/api/v1/jobs": page}
    assert "not as a brain" in by_check(uplink.examine(told, parse("")))["uplink"].text


@pytest.mark.parametrize(("away", "word"), [(90, "ahead of"), (-90, "behind")])
def test_a_clock_that_is_off_is_named(told: Settings, brain: Web, away: int, word: str) -> None:
    brain.date = time.time() + away
    found = by_check(uplink.examine(told, None))["clock"]
    assert found.level is Level.BAD and word in found.text
    assert 85 < float(found.text.split("clock is ")[1].split()[0]) < 95


def test_a_server_without_a_date_tells_no_clock() -> None:
    assert uplink.check_clock(asking._skew(None, 0), "its").level is Level.NOTE
    assert uplink.check_clock(asking._skew("yesterday", 0), "its").level is Level.NOTE


@pytest.mark.parametrize(
    ("line", "level", "words"),
    [
        (f'{REQUESTS}{{result="failed"}} 3', Level.BAD, "took none of 3"),
        ("jobmend_agent_spool_oldest_seconds 1200", Level.BAD, "waited for 20 minutes"),
        ('jobmend_agent_uplink_messages_total{result="rejected"} 1', Level.NOTE, "rejected 1"),
    ],
)
def test_a_brain_that_does_not_take_what_is_sent(
    told: Settings, line: str, level: Level, words: str
) -> None:
    found = by_check(uplink.examine(told, parse(line)))["uplink"]
    assert (found.level, words in found.text) == (level, True)


def test_the_token_must_be_there_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert uplink.check_token("").level is Level.BAD
    assert uplink.check_token(str(path)).level is Level.BAD
    path.write_text("x")
    path.chmod(0o640)
    assert uplink.check_token(str(path)).cure == f"chmod 600 {path}"
    path.chmod(0o600)
    assert uplink.check_token(str(path)).level is Level.GOOD


def test_parts_of_other_versions_are_a_note() -> None:
    found = uplink.check_versions({"agent": "0.1.0", "brain": "0.2.0", "this doctor": ""})
    assert (found.level, found.text) == (Level.NOTE, "agent 0.1.0, brain 0.2.0")


def record(workflow: str = "ada/merge", trace: object = None, ended: float = NOW - 300) -> Any:
    run = {"cluster": "c1", "scheduler": "slurm", "job_id": "7", "run": "0"}
    return {"run": run, "facts": {"workflow": workflow}, "trace": trace, "ended": ended}


@pytest.mark.parametrize(
    ("page", "jobs", "level", "words"),
    [
        ("", [], Level.NOTE, "no job ended here"),
        (ENDED + CPU, [record()], Level.GOOD, "seen by hook and cgroup and accounting"),
        (ENDED, [record(trace={"samples": 3})], Level.GOOD, "seen by hook and cgroup"),
        (ENDED + CPU, None, Level.NOTE, "not asked: accounting"),
        (ENDED + CPU, [], Level.NOTE, "not asked: accounting"),
        (ENDED, [record()], Level.BAD, "none was seen by cgroup"),
        (ENDED + CPU, [record("")], Level.BAD, "none was seen by accounting"),
        (ENDED + CPU, [record("", ended=NOW - 5)], Level.NOTE, "not asked: accounting"),
        (
            ENDED.replace('kind="success"', 'reason="no end hook spoke"') + CPU,
            [record()],
            Level.BAD,
            "none was seen by hook",
        ),
        (
            ENDED + CPU,
            ["x", {}, {"run": None}, {"run": [1]}, {**record(), "facts": 1, "trace": 2}],
            Level.NOTE,
            "not asked",
        ),
    ],
)
def test_a_recent_job_is_looked_for_on_both_ends(
    page: str, jobs: list[Any] | None, level: Level, words: str
) -> None:
    found = uplink.check_jobs(parse(page), jobs, NOW)
    assert (found.level, words in found.text) == (level, True), found.text
