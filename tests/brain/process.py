"""A brain as a process of its own, for what only a real process can show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from jobmend.brain import tokens
from tests.ports import reserved_port

PATIENCE_SECONDS = 200  # it loads much, and another suite may compute beside


class Process:
    """One ``jobmend-brain`` that can be killed and started again on the same files."""

    def __init__(self, folder: Path, more: str = "", **environ: str) -> None:
        self.folder = folder
        self.environ = {**os.environ, **environ}
        self._held = ExitStack()
        self.port = self._held.enter_context(reserved_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "brain.toml"
        self.config.write_text(
            f"[server]\nlisten = '127.0.0.1:{self.port}'\n"
            f"[store]\npath = '{folder}/brain.db'\nmodels = '{folder}/models'\n"
            f"tokens = '{folder}/tokens'\narchive = '{folder}/archive'\n"
            f"[advice]\nsettle_seconds = 0\npoll_seconds = 0.2\n{more}"
        )
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "jobmend.brain", "--config", self.config],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environ,
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{self.url}/-/ready", trust_env=False).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError("the brain does not answer")

    def end(self, by: signal.Signals) -> tuple[int, str, str]:
        assert self.child is not None
        self.child.send_signal(by)
        out, err = self.child.communicate(timeout=60)
        return self.child.returncode, out, err

    def header_of(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.read(self.folder / 'tokens' / token)}"}

    @property
    def headers(self) -> dict[str, str]:
        return self.header_of("ingest")

    def close(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.communicate()
        self._held.close()
