"""The trace model on its way to nodes: exported when it changes, served to those with the token."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from jobmend.agent.config import Scorer, Uplink
from jobmend.agent.delivery import Delivery
from jobmend.agent.scorer import archive
from jobmend.agent.scorer.model import EdgeModel
from jobmend.brain import tokens
from jobmend.brain.api import models as api_models
from jobmend.brain.api.app import create_app
from jobmend.brain.models.exporting import Exporter
from jobmend.classifier.traces.export import export, of_trace_model
from jobmend.classifier.traces.model import TraceModel
from jobmend.classifier.traces.samples import values_of
from tests.agent.running import until
from tests.brain.scene import MemoryScheduler, config_of
from tests.classifier.traces.synthetic import healthy_windows

PATH = "/api/v1/models/traces"


@pytest.fixture(scope="module")
def model() -> TraceModel:
    windows = healthy_windows(np.random.default_rng(0), 600, per_run=1)
    types = {f"run-{run}": "fit" if run % 7 else "io" for run in range(600)}
    fitted = TraceModel(reconstruction="pca").fit(windows, types=types)
    assert set(fitted.calibration_.newest()) == {"", "fit"}  # of the others there are too few
    return fitted


@pytest.fixture
def http(tmp_path: Path, scheduler: MemoryScheduler) -> Iterator[TestClient]:
    app = create_app(config_of(tmp_path, poll_seconds=3600), {("c1", "memory"): scheduler})
    app.include_router(api_models.router)
    with TestClient(app) as client:
        client.headers["Authorization"] = f"Bearer {app.state.brain.tokens.ingest}"
        yield client


def folder(http: TestClient) -> Path:
    found: Path = http.app.state.brain.config.store.models / "traces"  # type: ignore[attr-defined]
    return found


def key(http: TestClient) -> bytes:
    store = http.app.state.brain.config.store  # type: ignore[attr-defined]
    return tokens.read(store.tokens / tokens.SCORER_KEY).encode()


def test_nodes_get_what_scores_and_judges_as_the_brain_does(
    http: TestClient, model: TraceModel
) -> None:
    assert http.get(PATH).status_code == 404
    model.save(folder(http))
    answer = http.get(PATH)
    assert answer.status_code == 200 and answer.headers["content-type"].endswith("octet-stream")
    edge = EdgeModel(archive.read(answer.content, key(http)))
    assert answer.headers["ETag"] == f'"{edge.version}"'
    for window in healthy_windows(np.random.default_rng(7), 2):
        for kinds in ({}, {window.owners[0] or "": "fit"}, {window.owners[0] or "": "other"}):
            told = edge.judge(values_of(window), window.owners, kinds)
            for run, p in model.run_p_values(window, kinds).items():
                assert told[run]["p"] == pytest.approx(p, abs=1e-9)


def test_a_node_that_has_it_is_not_sent_it_again(http: TestClient, model: TraceModel) -> None:
    model.save(folder(http))
    tag = http.get(PATH).headers["ETag"]
    for known, status in (
        (tag, 304),
        (f'"other", W/{tag}', 304),
        ('"other"', 200),
        ("", 200),
    ):
        answer = http.get(PATH, headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["ETag"]) == (status, tag)
        assert bool(answer.content) == (status == 200)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app on a port of the loopback."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=60)


def test_an_agent_fetches_it_and_its_scorer_can_use_it(
    tmp_path: Path, scheduler: MemoryScheduler, model: TraceModel
) -> None:
    config = config_of(tmp_path, poll_seconds=3600)
    app = create_app(config, {("c1", "memory"): scheduler})
    app.include_router(api_models.router)
    model.save(config.store.models / "traces")
    secrets = config.store.tokens
    offered: list[str] = []

    def offer(path: str) -> bool:
        offered.append(path)
        return True

    with served(app) as url:
        settings = Scorer(
            enabled=True,
            key_file=str(secrets / tokens.SCORER_KEY),
            model_file=str(tmp_path / "node.npz"),
        )
        way = Uplink(url=url, token_file=str(secrets / tokens.INGEST))
        delivery = Delivery(settings, way, lambda: "", offer)
        assert [delivery.fetch() for _ in range(2)] == ["ok", "unchanged"]
    (path,) = offered
    assert EdgeModel(archive.load(path, settings.key_file)).name == "pca"


def test_only_agents_get_it(http: TestClient) -> None:
    operator = http.app.state.brain.tokens.operator  # type: ignore[attr-defined]
    for header in ("Bearer wrong", f"Bearer {operator}", ""):
        assert http.get(PATH, headers={"Authorization": header}).status_code == 401


def test_a_model_that_cannot_be_read_leaves_the_one_before(
    tmp_path: Path, model: TraceModel, caplog: pytest.LogCaptureFixture
) -> None:
    store = config_of(tmp_path).store
    tokens.ensure(store.tokens)
    exporter = Exporter(store)
    assert exporter.current() is None
    model.save(store.models / "traces")
    before = exporter.current()
    assert before is not None and exporter.current() is before
    (store.models / "traces" / "manifest.json").write_text("{}")
    with caplog.at_level(logging.WARNING):
        assert exporter.current() is before
        assert exporter.current() is before
    assert len(caplog.records) == 1 and "train it anew" in caplog.text
    model.save(store.models / "traces")
    again = exporter.current()
    assert again is not None and again.version == before.version


def test_a_model_that_is_not_trained_is_not_exported() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        export(of_trace_model(TraceModel()), b"a key of the site")
