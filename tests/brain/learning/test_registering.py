"""What the registry is told of turns that came to nothing, and when a person goes back."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from jobmend.brain.api.app import create_app
from jobmend.brain.config import BrainConfig, parse_config
from jobmend.brain.learning.loop import Loop
from jobmend.brain.learning.registry.following import Following
from jobmend.brain.learning.registry.registering import catch_up
from jobmend.brain.learning.registry.registry import CHAMPION, Registry
from jobmend.brain.learning.subject import Example
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.models import champions
from jobmend.brain.store import Store
from jobmend.classifier.traces.model import TraceModel
from jobmend.classifier.tracking import default_uri
from tests.brain.learning.serving import Served, mlflow_server
from tests.brain.learning.toy import Toy
from tests.classifier.traces.synthetic import healthy_windows

NOW, DAY = 1_800_000_000.0, 86400.0
AWAY = "http://ann:hush-hush@127.0.0.1:9"
SOON = 10.0  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_server(f"sqlite:///{folder}/mlflow.db", folder) as served:
        yield served


def config_of(root: Path, uri: str = "") -> BrainConfig:
    places = {name: str(root / name) for name in ("models", "archive", "tokens")}
    return parse_config(
        {
            "store": {"path": str(root / "brain.db"), **places},
            "advice": {"poll_seconds": 3600},
            "learning": {"mlflow": uri},
        }
    )


# ---- turns -------------------------------------------------------------------------------------


class Broken(Toy):
    """A subject that cannot be gathered, for a reason with a password in it."""

    def gather(self, since: float, until: float) -> list[Example[float]]:
        raise OSError("http://ann:hush-hush@far:9090/api does not answer")


def turn(root: Path, store: Store, subject: Toy, uri: str, day: float) -> TurnRecord:
    loop = Loop(store, config_of(root), lambda: NOW + day * DAY, registry=Registry(uri))
    (turned,) = loop.learn([subject])
    return turned.record


def runs_of(uri: str, subject: str, turn: str) -> list[Any]:
    import mlflow

    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(f"jobmend {subject}").experiment_id
    return list(client.search_runs([experiment], f"tags.`jobmend.turn` = '{turn}'"))


def test_a_failed_turn_is_told_once_and_later_where_the_server_was_away(
    server: Served, tmp_path: Path
) -> None:
    store = Store(tmp_path / "brain.db")
    missed = turn(tmp_path, store, Broken(), AWAY, 1)
    why = "OSError: http://far:9090/api does not answer"
    assert (missed.state, missed.body["why"]) == (TurnState.FAILED, why)
    assert "nothing answers there" in missed.body["notes"][0]
    told = turn(tmp_path, store, Broken(), server.uri, 2)
    assert told.body["notes"] == []
    turn(tmp_path, store, Broken(), server.uri, 3)
    for record in (missed, told):
        (run,) = runs_of(server.uri, "toy", record.id)
        assert (run.info.status, run.info.start_time) == ("FAILED", record.begun * 1000)
        assert run.data.tags["mlflow.note.content"] == why
    store.close()


def test_a_turn_ends_as_it_did_whatever_becomes_of_telling_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "brain.db")
    monkeypatch.setattr(Registry, "log_turn", lambda *_: 1 / 0)
    record = turn(tmp_path, store, Broken(), default_uri(tmp_path / "models"), 1)
    assert record.state is TurnState.FAILED
    assert record.body["notes"] == ["ZeroDivisionError: division by zero"]
    store.close()


# ---- going back --------------------------------------------------------------------------------


@pytest.fixture
def served(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Store, Registry, Path]]:
    """A store of two champions, and a registry of their own that knows both."""
    monkeypatch.setattr(
        "jobmend.brain.learning.registry.registry.name_of", lambda subject: tmp_path.name
    )
    store, models = Store(tmp_path / "brain.db"), tmp_path / "models"
    for seed in (0, 1):
        windows = healthy_windows(np.random.default_rng(seed), 40, per_run=1)
        TraceModel(reconstruction="pca").fit(windows).save(tmp_path / "trained")
        body = {"arm": "pca", "turn": f"{tmp_path.name} {seed}"}
        champions.promote(
            store, models, "traces", tmp_path / "trained", turn=f"t{seed}", now=NOW, why="",
            body=body,
        )  # fmt: skip
    champions.publish(store, models, "traces")
    registry = Registry(server.uri)
    assert catch_up(store, registry, models, "traces", None) == ()
    assert registry.aliases("traces") == {CHAMPION: "2"}
    yield store, registry, tmp_path
    store.close()


def roll_back(root: Path, uri: str) -> float:
    """Have a brain whose registry is at ``uri`` go back; the seconds until it answered."""
    with TestClient(create_app(config_of(root, uri), {})) as http:
        token = {"Authorization": f"Bearer {http.app.state.brain.tokens.operator}"}  # type: ignore[attr-defined]
        begun = time.monotonic()
        answer = http.post(
            "/api/v1/models/traces/rollback", json={"why": "it is odd"}, headers=token
        )
        assert (answer.status_code, answer.json()["restores"]) == (200, 1), answer.text
        return time.monotonic() - begun


def until(what: Any) -> bool:
    deadline = time.monotonic() + 60
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(what())


def test_the_alias_follows_at_once(served: tuple[Store, Registry, Path], server: Served) -> None:
    store, registry, root = served
    assert roll_back(root, server.uri) < SOON
    assert until(lambda: registry.aliases("traces") == {CHAMPION: "1"})


@contextlib.contextmanager
def mute() -> Iterator[str]:
    """A server that takes what is said and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_is_away_or_hangs_keeps_nobody_and_is_told_by_the_next_turn(
    served: tuple[Store, Registry, Path], server: Served
) -> None:
    store, registry, root = served
    with mute() as hanging:
        assert roll_back(root, hanging) < SOON
    assert until(lambda: "alias-traces" not in {it.name for it in threading.enumerate()})
    assert registry.aliases("traces") == {CHAMPION: "2"}
    # A turn that has nothing to learn from, and that is told, catches up all the same.
    quiet = Toy(told=[])
    quiet.name = "traces"  # type: ignore[misc]
    record = turn(root, store, quiet, server.uri, 1)
    assert (record.state, record.body["notes"]) == (TurnState.KEPT, [])
    assert registry.aliases("traces") == {CHAMPION: "1"}
    assert not runs_of(server.uri, "traces", record.id)


def test_a_champion_that_the_registry_does_not_know_is_left_to_the_next_turn(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "brain.db")
    following = Following(store, config_of(tmp_path, AWAY))
    assert following.follow("traces") is None
    with store.write() as db:
        champions.add(db, "traces", digest="d", turn="t1", now=NOW, why="", body={})
    assert following.follow("traces") is None
    with store.write() as db:
        known = {"registry": {"version": "3"}}
        champions.add(db, "traces", digest="e", turn="t2", now=NOW, why="", body=known)
    thread = following.follow("traces")
    assert thread is not None
    thread.join(60)
    assert not thread.is_alive(), "away: told in the log, and nobody else suffers"
    store.close()


def test_of_two_who_follow_at_once_none_leaves_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobmend.brain.learning.registry import registering

    store, pointed = Store(tmp_path / "brain.db"), list[str | None]()

    def add(version: str) -> None:
        with store.write() as db:
            body = {"registry": {"version": version}}
            champions.add(db, "traces", digest="", turn=version, now=NOW, why="", body=body)

    def alias(_: Registry, subject: str, alias: str, version: str | None) -> None:
        if not pointed:
            add("2")  # a person is faster than the turn
        pointed.append(version)

    monkeypatch.setattr(Registry, "alias", alias)
    add("1")
    registering.follow(store, Registry(AWAY), "traces")
    assert pointed == ["1", "2"]
    store.close()
