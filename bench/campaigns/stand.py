"""A whole jobmend on this machine for a while: brain, agent, and their files in one directory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

BIN = Path(sys.executable).parent


def free_port() -> int:
    """A TCP port of the loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours in an orderly way, or else by force."""
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], seconds: float, what: str, every: float = 0.1) -> Any:
    """The first true answer of ``condition``; TimeoutError naming ``what`` after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


class Stand:
    """Starts an agent and a brain as processes of their own and ends exactly those."""

    def __init__(self, root: Path, *, cluster: str, schedulers: str, sample_seconds: float) -> None:
        """Write both configurations below ``root``; ``schedulers`` is TOML for the brain."""
        self.root = root
        self.brain_url = f"http://127.0.0.1:{free_port()}"
        self.metrics_url = f"http://127.0.0.1:{free_port()}/metrics"
        self.hook_socket = root / "hook.sock"
        self.brain_config = root / "brain.toml"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (root / "agent.toml").write_text(f"""\
cluster = "{cluster}"
[sample]
period_seconds = {sample_seconds}
ring_seconds = 120
[metrics]
listen = "{self.metrics_url.split("/")[2]}"
[hooks]
socket = "{self.hook_socket}"
[spool]
path = "{root}/spool.db"
[uplink]
url = "{self.brain_url}"
token_file = "{root}/tokens/ingest"
interval_seconds = 0.5
[watch]
stall_seconds = 6
contention_seconds = 6
[window]
steps = 16
interval_seconds = 1.6
""")
        self.brain_config.write_text(f"""\
[server]
listen = "{self.brain_url.split("/")[2]}"
[store]
path = "{root}/brain.db"
models = "{root}/models"
tokens = "{root}/tokens"
[advice]
settle_seconds = 2
poll_seconds = 1
site_window_seconds = 600
{schedulers}
""")

    def __enter__(self) -> Stand:
        """Start both and wait until they answer."""
        self.start_brain()
        self._start("agent", "jobmend-agent")
        until(lambda: self._answers(self.metrics_url), 60, "the agent's /metrics")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop both, the agent first so that its last events find the brain."""
        for name in ("agent", "brain"):
            self.stop(name)

    def start_brain(self) -> None:
        """Start the brain and wait until it is ready."""
        self._start("brain", "jobmend-brain")
        until(lambda: self._answers(f"{self.brain_url}/-/ready"), 60, "the brain's /-/ready")

    def kill_brain(self) -> None:
        """End the brain as a power cut would."""
        brain = self._processes.pop("brain")
        brain.send_signal(signal.SIGKILL)
        brain.wait()

    def stop(self, name: str) -> None:
        """End one of the two in an orderly way."""
        process = self._processes.pop(name, None)
        if process is not None:
            end_process(process)

    def get(self, path: str) -> Any:
        """A GET of the brain's API, decoded."""
        answer = httpx2.get(self.brain_url + path, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The operator's ``jobmend`` against this stand, as a person would type it."""
        environment = {
            **os.environ,
            "JOBMEND_URL": self.brain_url,
            "JOBMEND_TOKEN_FILE": str(self.root / "tokens" / "operator"),
        }
        done = subprocess.run(
            [BIN / "jobmend", *words], env=environment, capture_output=True, text=True
        )
        if check and done.returncode:
            raise RuntimeError(f"jobmend {' '.join(words)}: {done.stderr.strip()}")
        return done

    def _start(self, name: str, program: str) -> None:
        log = (self.root / f"{name}.log").open("ab")
        self._processes[name] = subprocess.Popen(
            [BIN / program, "--config", self.root / f"{name}.toml"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.nice(
                10
            ),  # jobs first: here they share the machine with the brain
        )
        log.close()

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx2.get(url, timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False
