"""From a recommendation to its models, their data, code and promotion, and what persons said."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result

from jobmend.agent.config import Scorer, Uplink
from jobmend.agent.delivery import Delivery
from jobmend.agent.scorer import archive
from jobmend.brain import advising, ingest, recommendations, tokens
from jobmend.brain.api.app import create_app
from jobmend.brain.brain import Brain
from jobmend.brain.cli.program import main
from jobmend.brain.models import champions, lineage, training
from jobmend.classifier import artifact
from jobmend.classifier.traces.model import TraceModel
from jobmend.jobs.actions import Recommendation
from jobmend.jobs.identity import Workflow
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.brain.conftest import Server, Tell
from tests.brain.scene import NOW, OOM, Clock, MemoryScheduler, config_of, documents, ended
from tests.brain.test_exporting import served

W1 = Workflow("c1", "w1")
HOSTILE = "it\x1b[2J won\nforged\u202e"
BODY = {
    "arm": "pca",
    "turn": "20260101T000000-0000000a",
    "params": {"epochs": 3},
    "parts": [{"name": "train", "digest": "a" * 64, "examples": 9, "first": NOW - 99, "last": NOW}],
    "code": "0.1.0+abc",
    "environment": {"numpy": "2"},
    "length": {"steps": 4, "step_seconds": 1.0},
    "loss": 0.125,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two trace models."""
    folders = []
    for level in (0.5, 0.7):
        windows = []
        for job in range(40):
            values = [level + 0.01 * ((job + n) % 5) for n in range(4 * len(FEATURES))]
            windows.append(
                TraceWindow("n1", NOW + job, 1.0, (0,), (f"run-{job}",), array("f", values))
            )
        folders.append(tmp_path_factory.mktemp("models") / "traces")
        TraceModel(reconstruction="pca").fit(windows).save(folders[-1])
    return folders


def promote(brain: Brain, model: Path, turn: str, now: float, why: str = "it won") -> None:
    models = brain.config.store.models
    champions.promote(brain.store, models, "traces", model, turn=turn, now=now, why=why, body=BODY)
    champions.publish(brain.store, models, "traces")


def judge(brain: Brain) -> Recommendation:
    advice = brain.config.advice
    found = advising.judge(brain.store, W1, brain.shelf.current(), advice, brain.clock())
    assert found is not None
    return found


def vet(brain: Brain, key: str, time: float, said: float, after: str = "normal") -> None:
    with brain.store.write() as db:
        db.execute(
            "INSERT OR IGNORE INTO quarantine"
            " VALUES ('traces',?,'t',?,?,'k',.001,'new','waiting','','{}')",
            (key, time, time),
        )
        db.execute(
            "INSERT INTO vettings (time, who, subject, key, before, after, label)"
            " VALUES (?,'operator ann','traces',?,'waiting',?,'')",
            (said, key, after),
        )


def lineage_of(brain: Brain, id: int = 1) -> lineage.Lineage:
    with brain.store.read() as db:
        return lineage.of_recommendation(db, id, brain.config.store.models)


def test_a_recommendation_remembers_the_models_that_judged_it(
    brain: Brain, tell: Tell, trained: list[Path], clock: Clock
) -> None:
    promote(brain, trained[0], "t1", NOW - 50)
    tell(*ended(1, OOM))
    one = judge(brain)
    assert one.models == {"traces": artifact.digest(trained[0])}
    for key, time, said, after in (
        ("in", NOW - 9, NOW - 60, "normal"),
        ("too late", NOW - 9, NOW, "normal"),
        ("other days", NOW - 999, NOW - 60, "anomaly"),
        ("undone", NOW - 9, NOW - 70, "normal"),
        ("undone", NOW - 9, NOW - 60, "waiting"),
    ):
        vet(brain, key, time, said, after)
    clock.time += 100
    promote(brain, trained[1], "t2", clock.time)
    (model,) = lineage_of(brain).models
    assert (model.subject, model.origin, model.champion, model.arm) == ("traces", "turn", 1, "pca")
    assert (model.turn, model.code, model.why) == (BODY["turn"], "0.1.0+abc", "it won")
    (part,) = model.parts
    assert (part.name, part.digest, part.examples, part.last) == ("train", "a" * 64, 9, NOW)
    assert [(word.key, word.who, word.after) for word in model.words] == [
        ("in", "operator ann", "normal")
    ]
    champions.roll_back(
        brain.store, brain.config, "traces", None, "operator ann", "worse", clock.time + 1
    )
    tell(*ended(2, OOM))
    clock.time += 5
    judge(brain)
    (model,) = lineage_of(brain, 2).models
    assert (model.champion, model.trained_as, model.why) == (3, 1, "worse")
    assert model.about == "champion 1 of the learning loop, restored by operator ann as champion 3"


def test_models_trained_by_hand_say_so(brain: Brain, tell: Tell, trained: list[Path]) -> None:
    models = brain.config.store.models
    artifact.copy(trained[0], models / "traces")
    wanted = training.Wanted(examples=150, arms=("majority",), track=False)
    training.train_failures(brain.config, wanted, lambda what, done, total: None)
    tell(*ended(1, OOM))
    assert set(judge(brain).models) == {"failures", "traces"}
    failures, traces = lineage_of(brain).models
    assert (failures.origin, failures.arm, failures.champion) == ("hand", "majority", None)
    assert failures.about.startswith("trained by hand on 1") and "synthetic" in failures.about
    assert (traces.origin, traces.arm) == ("hand", "pca")
    assert (traces.length, failures.length) == ({"steps": 4, "step_seconds": 1.0}, {})
    artifact.copy(trained[1], models / "traces")
    assert lineage_of(brain).models[1].origin == "unknown"
    (models / "failures" / "manifest.json").unlink()
    assert lineage_of(brain).models[0].origin == "unknown"


def test_without_models_rules_alone_judged_and_old_rows_are_read(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OOM))
    assert judge(brain).models == {}
    with brain.store.write() as db:
        (body,) = db.execute("SELECT body FROM recommendations").fetchone()
        old = json.loads(body)
        del old["models"]
        db.execute("UPDATE recommendations SET body = ?", (json.dumps(old),))
        assert recommendations.get(db, 1).models == {}
    assert lineage_of(brain).models == [] and "rules alone" in lineage_of(brain).about


@dataclass
class Desk:
    """An operator beside a served brain, and an agent that fetches its models."""

    brain: Brain
    url: str
    folder: Path

    def __call__(self, *arguments: str) -> Result:
        env = {
            "JOBMEND_URL": self.url,
            "JOBMEND_TOKEN_FILE": str(self.folder / "tokens" / "operator"),
            "HOME": str(self.folder),
        }
        return CliRunner().invoke(main, arguments, env=env)


@pytest.fixture
def desk(tmp_path: Path, scheduler: MemoryScheduler) -> Iterator[Desk]:
    config = config_of(tmp_path, settle_seconds=0, poll_seconds=3600)
    app = create_app(config, {("c1", "memory"): scheduler})
    with served(app) as url:
        yield Desk(app.state.brain, url, tmp_path)


def test_a_rollback_in_one_command_and_agents_follow_with_their_next_poll(
    desk: Desk, trained: list[Path]
) -> None:
    secrets = desk.brain.config.store.tokens
    settings = Scorer(
        enabled=True,
        key_file=str(secrets / tokens.SCORER_KEY),
        model_file=str(desk.folder / "node.npz"),
    )
    taken: list[str] = []

    def offer(path: str) -> bool:
        taken.append(archive.load(path, settings.key_file).version)
        return True

    way = Uplink(url=desk.url, token_file=str(secrets / tokens.INGEST))
    node = Delivery(settings, way, lambda: taken[-1] if taken else "", offer)
    promote(desk.brain, trained[0], "t1", NOW)
    assert node.fetch() == "ok"
    promote(desk.brain, trained[1], "t2", NOW)
    assert [node.fetch(), node.fetch()] == ["ok", "unchanged"]
    first, second = taken
    path, headers = f"{desk.url}/api/v1/models/traces", {"If-None-Match": f'"{second}"'}
    headers["Authorization"] = f"Bearer {desk.brain.tokens.ingest}"
    assert httpx2.get(path, headers=headers, timeout=60).status_code == 304
    done = desk("models", "rollback", "traces", "--why", "odd scores")
    assert done.exit_code == 0, done.output
    assert "champion 3 has the model of champion 1" in done.stderr and done.stdout == ""
    assert httpx2.get(path, headers=headers, timeout=60).status_code == 200
    assert [node.fetch(), node.fetch()] == ["ok", "unchanged"]
    assert taken == [first, second, first]
    assert desk.brain.shelf.current().digests == {"traces": artifact.digest(trained[0])}
    audit = httpx2.get(f"{desk.url}/api/v1/audit", timeout=60).json()["audit"][0]
    assert audit["what"] == "champion rolled back" and audit["who"].startswith("operator")
    again = desk("models", "rollback", "traces", "--to", "1", "--why", "x", "--json")
    assert again.exit_code == 1 and "in use already" in again.stderr


def test_models_and_their_history_in_tables_and_json(desk: Desk, trained: list[Path]) -> None:
    promote(desk.brain, trained[0], "t1", NOW, HOSTILE)
    shadow = {"shadow": {"turn": "t2", "arm": "vae", "won": 1, "body": {}}}
    with desk.brain.store.write() as db:
        db.execute(
            "INSERT INTO turns VALUES ('t2', 'traces', 1, 2, 'shadow', ?)", (json.dumps(shadow),)
        )
    header, failures, traces = desk("models").stdout.splitlines()
    assert header.split("\t")[0] == "SUBJECT" and failures.startswith("failures\t-\t-")
    cells = traces.split("\t")
    assert cells[:3] == ["traces", "1", "pca"] and cells[4] == "0.125"
    assert (
        cells[6:8] == ["vae (t2)", "4 steps of 1 s"]
        and "\x1b" not in traces
        and "\u202e" not in traces
    )
    told = json.loads(desk("models", "--json").stdout)["models"][1]
    assert told["champion"]["number"] == 1 and told["challenger"]["arm"] == "vae"
    assert told["in_use"] == artifact.digest(trained[0]) and not told["by_hand"]
    artifact.copy(trained[1], desk.brain.config.store.models / "traces")
    assert "by hand" in desk("models").stdout
    assert len(desk("models", "history").stdout.splitlines()) == 2
    (row,) = json.loads(desk("models", "history", "traces", "--json").stdout)
    assert row["restores"] == 1 and row["version"] == ""
    assert row["length"] == {"steps": 4, "step_seconds": 1.0}
    assert "\t4 steps of 1 s\t" in desk("models", "history").stdout
    assert desk("models", "history", "toys").exit_code == 2


def test_why_and_from_what_in_one_command(desk: Desk, trained: list[Path]) -> None:
    promote(desk.brain, trained[0], "t1", NOW - 50, HOSTILE)
    vet(desk.brain, "k\x1b[2J\nforged", NOW - 9, NOW - 60)
    ingest.take_documents(
        desk.brain.store, documents(*ended(1, OOM)), now=desk.brain.clock(), max_windows=9
    )
    judge(desk.brain)
    why = desk("explain", "1").stdout
    assert "recommendation  1: c1/w1" in why and f"traces {artifact.digest(trained[0])[:12]}" in why
    lines = desk("explain", "1", "--lineage").stdout
    for told in (
        "turn            20260101T000000-0000000a",
        "windows         4 steps of 1 s",
        f"sha256 {'a' * 64}",
        "0.1.0+abc",
    ):
        assert told in lines
    assert "vetted          1 examples" in lines and "operator ann" in lines
    assert "\x1b" not in lines and "\nforged" not in lines and "\u202e" not in lines
    document = json.loads(desk("explain", "1", "--lineage", "--json").stdout)
    assert document["models"][0]["champion"] == 1 and document["recommendation"] == 1
    assert json.loads(desk("explain", "1", "--json").stdout)["models"]
    assert desk("explain", "9", "--lineage").exit_code == 1


def test_going_back_needs_the_operators_token_and_a_known_champion(server: Server) -> None:
    path = "/api/v1/models/traces/rollback"
    for headers in ({}, server.agent):
        assert server.http.post(path, json={"why": "x"}, headers=headers).status_code == 401
    orders: list[object] = [{}, {"why": ""}, {"why": "x", "to": 0}, {"why": "x", "more": 1}]
    for order in orders:
        assert server.http.post(path, json=order, headers=server.operator).status_code == 422
    answer = server.http.post(path, json={"why": "x"}, headers=server.operator)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "cannot_roll_back")
    order = {"why": "x"}
    toys = server.http.post("/api/v1/models/toys/rollback", json=order, headers=server.operator)
    assert toys.status_code == 422
    assert server.http.get("/api/v1/models").json()["models"][0]["champion"] is None
    assert server.http.get("/api/v1/models/traces/history").json() == {"champions": []}
    assert server.http.get("/api/v1/recommendations/9/lineage").status_code == 404
