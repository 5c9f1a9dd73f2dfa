"""What an agent tells systemd: that it is ready, that it samples, that it ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.config import Config, render

EVERY_SECONDS = 0.25  # a quarter of WATCHDOG_USEC below


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def start(config: Config, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "agent.toml").write_text(render(config))
    watched = {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": str(int(4e6 * EVERY_SECONDS))}
    command = [sys.executable, "-m", "jobmend.agent", "--config", f"{folder}/agent.toml"]
    return subprocess.Popen(command, cwd="/", env={**os.environ, **watched})


def test_ready_fed_and_stopping(config: Config, tmp_path: Path, manager: socket.socket) -> None:
    agent = start(config, tmp_path)
    try:
        ready = manager.recv(1000).decode()
        assert ready.startswith("READY=1\nSTATUS=metrics on port ")
        assert os.path.exists(config.hooks.socket)
        assert [manager.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        agent.send_signal(signal.SIGTERM)
        told = manager.recv(1000)
        while told == b"WATCHDOG=1":
            told = manager.recv(1000)
        assert told == b"STOPPING=1"
        assert agent.wait(timeout=30) == 0
    finally:
        agent.kill()
        agent.wait()


def test_one_that_cannot_read_the_kernel_is_not_fed(
    config: Config, tmp_path: Path, manager: socket.socket
) -> None:
    """A FIFO in the place of /proc/stat: opening it waits for ever, as a broken file system can."""
    proc = tmp_path / "proc"
    proc.mkdir()
    os.mkfifo(proc / "stat")
    sample = dataclasses.replace(config.sample, proc_root=str(proc))
    agent = start(dataclasses.replace(config, sample=sample), tmp_path)
    try:
        assert manager.recv(1000).startswith(b"READY=1")
        manager.settimeout(8 * EVERY_SECONDS)
        with pytest.raises(socket.timeout):
            manager.recv(1000)
        assert agent.poll() is None
    finally:
        agent.kill()
        agent.wait()
