"""The plugin where no pool answers: errors that say so, and no process left behind."""

from __future__ import annotations

import importlib.util
import math
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobmend.plugins.htcondor import pool as asking
from jobmend.plugins.htcondor.pool import Pool
from jobmend.plugins.htcondor.scheduler import HTCondorScheduler
from jobmend.plugins.scheduler import SchedulerError

pytest.importorskip("htcondor2")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def configured(tmp_path: Path, port: int) -> str:
    file = tmp_path / "condor_config"
    file.write_text(
        f"COLLECTOR_HOST = 127.0.0.1:{port}\nSEC_CLIENT_AUTHENTICATION = NEVER\n"
        f"LOG = {tmp_path}\nUSE_SHARED_PORT = False\n"
    )
    return str(file)


def children() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [process for process in found if "jobmend.plugins.htcondor" in str(process.cmdline())]


def test_no_collector_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    scheduler = HTCondorScheduler("pool", config=configured(tmp_path, port))
    with pytest.raises(SchedulerError, match="HTCondor: "):
        list(scheduler.history(0.0))
    with pytest.raises(SchedulerError, match="HTCondor: "):
        scheduler.nodes(0.0)
    assert not children()


def test_a_collector_that_says_nothing_is_given_up(
    tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SILENCE_SECONDS", 2.0)
    scheduler = HTCondorScheduler("pool", config=configured(tmp_path, silent))
    with pytest.raises(SchedulerError, match="no answer in") as caught:
        list(scheduler.history(0.0, math.inf))
    assert caught.value.transient and not children()


def test_an_answer_that_nobody_wants_any_more_ends(tmp_path: Path) -> None:
    log = tmp_path / "EventLog"
    event = "028 (001.000.000) 2026-11-21 12:00:00 Job ad information event triggered.\n"
    log.write_text((event + 'EventTypeNumber = 28\nOwner = "ada"\n...\n') * 20_000)
    answers = Pool().ask("event_log", path=str(log), inode=0, offset=0, attributes=["Owner"])
    assert next(answers)["ad"] == {"Owner": "ada"} and len(children()) == 1
    answers.close()  # type: ignore[attr-defined]
    assert not children()


def test_a_question_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(SchedulerError, match="unheard"):
        list(Pool().ask("unheard"))


def test_only_what_is_needed_of_the_environment_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_BRAIN", "x")
    monkeypatch.delenv("CONDOR_CONFIG", raising=False)
    env = Pool("cm:9618", "/etc/c", "/etc/tokens")._env
    assert "SECRET_OF_THE_BRAIN" not in env
    assert env["CONDOR_CONFIG"] == "/etc/c" and env["_CONDOR_COLLECTOR_HOST"] == "cm:9618"
    assert env["_CONDOR_SEC_TOKEN_DIRECTORY"] == "/etc/tokens"


def test_missing_bindings_are_told_with_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError) as caught:
        HTCondorScheduler("pool")
    assert caught.value.name == "htcondor2"
