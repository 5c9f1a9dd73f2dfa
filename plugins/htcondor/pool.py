"""A pool as the brain asks it: each question goes to :mod:`bindings` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ...jobs.text import printable
from ..scheduler import SchedulerError

SILENCE_SECONDS = 300.0  # a question without a word of an answer for so long is given up

_PACKAGE = "jobmend"
_PASSED_ON = ("PATH", "LANG", "TZ", "HOME", "CONDOR_CONFIG")


class Pool:
    """A pool by the bindings' configuration; every instance may have another."""

    def __init__(self, pool: str = "", config: str = "", token_dir: str = "") -> None:
        """Ask the collector ``pool``, with configuration file ``config`` and the tokens there.

        Whatever is empty is as HTCondor's own tools have it on this machine.
        """
        self._env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if config:
            self._env["CONDOR_CONFIG"] = config
        elif pool and "CONDOR_CONFIG" not in self._env and not Path("/etc/condor").exists():
            self._env["CONDOR_CONFIG"] = "ONLY_ENV"
        if pool:
            self._env["_CONDOR_COLLECTOR_HOST"] = pool
        if token_dir:
            self._env["_CONDOR_SEC_TOKEN_DIRECTORY"] = token_dir
            self._env["_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY"] = token_dir

    def ask(self, question: str, **fields: object) -> Iterator[dict[str, Any]]:
        """What :mod:`bindings` answers to a question, lazily; SchedulerError where it cannot."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.plugins.htcondor.bindings"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the bindings' own log
            env=self._env,
            cwd="/",
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin as writing:
                writing.write(json.dumps({"ask": question, **fields}).encode())
            yield from _answers(process.stdout, question)
        finally:
            process.stdout.close()
            process.kill()
            process.wait()

    def ask_once(self, question: str, **fields: object) -> dict[str, Any]:
        """The only line of an answer."""
        lines = list(self.ask(question, **fields))
        return lines[0] if lines else {}


def _answers(stream: IO[bytes], question: str) -> Iterator[dict[str, Any]]:
    for line in _lines(stream.fileno()):
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            words = printable(str(answer["error"]).replace("\n", "; "), 400)
            raise SchedulerError(f"HTCondor: {words}", transient=bool(answer["transient"]))
        if "done" in answer:
            return
        yield dict(answer)
    raise SchedulerError(
        f"HTCondor's bindings ended without an answer to {question!r}: is htcondor installed?"
        " pip install 'jobmend[htcondor]'"
    )


def _lines(descriptor: int) -> Iterator[bytes]:
    """The whole lines that come out of a pipe; SchedulerError where it is silent too long."""
    rest = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(descriptor, selectors.EVENT_READ)
        while True:
            begun = time.monotonic()
            if not waiting.select(SILENCE_SECONDS):
                silent = time.monotonic() - begun
                raise SchedulerError(f"HTCondor gave no answer in {silent:.0f} s", transient=True)
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *whole, rest = (rest + data).split(b"\n")
            yield from whole
