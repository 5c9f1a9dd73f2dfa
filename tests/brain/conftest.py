"""Brains with real stores in temporary directories."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jobmend.brain import ingest
from jobmend.brain.api.app import create_app
from jobmend.brain.brain import Brain, assemble
from jobmend.jobs import wire
from tests.brain.scene import Clock, MemoryScheduler, config_of, documents


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scheduler() -> MemoryScheduler:
    return MemoryScheduler()


@pytest.fixture
def brain(tmp_path: Path, clock: Clock, scheduler: MemoryScheduler) -> Iterator[Brain]:
    """A brain whose rounds the test goes itself."""
    brain = assemble(config_of(tmp_path), {("c1", "memory"): scheduler}, clock)
    yield brain
    brain.store.close()


Tell = Callable[..., ingest.Receipt]


@pytest.fixture
def tell(brain: Brain) -> Tell:
    def tell(*events: wire.Message) -> ingest.Receipt:
        return ingest.take_documents(
            brain.store, documents(*events), now=brain.clock(), max_windows=10
        )

    return tell


@dataclass
class Server:
    """An app in process, with the headers of its two tokens."""

    http: TestClient
    brain: Brain
    scheduler: MemoryScheduler

    @property
    def agent(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.brain.tokens.ingest}"}

    @property
    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.brain.tokens.operator}"}

    def tell(self, *events: wire.Message) -> dict[str, object]:
        batch = {"jobmend": 1, "messages": documents(*events)}
        answer = self.http.post("/api/v1/ingest", json=batch, headers=self.agent)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found


@pytest.fixture
def server(tmp_path: Path, scheduler: MemoryScheduler) -> Iterator[Server]:
    """A served brain that judges at once and polls rarely, so that tests go its rounds."""
    config = config_of(tmp_path, settle_seconds=0, poll_seconds=3600)
    app = create_app(config, {("c1", "memory"): scheduler})
    with TestClient(app) as http:
        while not all(app.state.brain.watcher.last_polls().values()):
            time.sleep(0.01)
        yield Server(http, app.state.brain, scheduler)
