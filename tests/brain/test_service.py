"""What the brain tells systemd: that it is ready, that it goes on, that it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.brain.process import PATIENCE_SECONDS
from tests.ports import reserved_port


@pytest.fixture
def address() -> Iterator[str]:
    with reserved_port() as port:
        yield f"127.0.0.1:{port}"


def test_ready_fed_and_stopping(tmp_path: Path, address: str) -> None:
    config = tmp_path / "brain.toml"
    config.write_text(
        f"[server]\nlisten = '{address}'\n[store]\npath = '{tmp_path}/brain.db'\n"
        f"models = '{tmp_path}/models'\ntokens = '{tmp_path}/tokens'\n"
    )
    environ = {**os.environ, "NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": "4000000"}
    command = [sys.executable, "-m", "jobmend.brain", "--config", str(config)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.settimeout(PATIENCE_SECONDS)
        brain = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL)
        try:
            assert manager.recv(1000).decode() == f"READY=1\nSTATUS=panel on {address}"
            answer = httpx2.get(f"http://{address}/-/ready", trust_env=False, timeout=60)
            assert answer.status_code == 200
            assert [manager.recv(1000) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            brain.send_signal(signal.SIGTERM)
            told = manager.recv(1000)
            while told == b"WATCHDOG=1":
                told = manager.recv(1000)
            assert told == b"STOPPING=1"
            assert brain.wait(timeout=60) == -signal.SIGTERM
        finally:
            brain.kill()
            brain.wait()
