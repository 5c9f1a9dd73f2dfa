"""An agent in a process of its own, looked at from outside: its page, and what it costs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from campaigns.stand import end_process, free_port, until

_PATIENCE_SECONDS = 60.0
_CPU_CLOCK = 2  # CPUCLOCK_SCHED of <linux/posix-timers.h>
_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Scrape:
    """One answer of the agent."""

    seconds: float  # from connecting to the last byte
    page: bytes

    @property
    def series(self) -> int:
        """Samples on the page."""
        return sum(line[:1] != b"#" for line in self.page.splitlines())

    def value(self, name: str) -> float:
        """The value of a series without labels; 0 where it is not on the page."""
        found = re.search(rb"^%b (\S+)$" % re.escape(name.encode()), self.page, re.M)
        return float(found[1]) if found else 0.0

    def jobs(self) -> set[str]:
        """Ids of this bench's jobs."""
        ids = re.findall(rb'^jobmend_job_info\{[^}]*\bjobid="(7\d{6})"', self.page, re.M)
        return {one.decode() for one in ids}


class AgentProcess:
    """The agent, started and ended with a ``with`` block."""

    python = [sys.executable]  # the interpreter and its options

    def __init__(self, folder: Path, cgroup_root: Path, config: str) -> None:
        """Write its configuration into ``folder``; ``config`` holds further tables of TOML."""
        self.folder = folder
        self.hook_socket = folder / "hook.sock"
        self.spool = folder / "spool.db"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "agent.conf.d").mkdir(parents=True)
        (folder / "agent.conf.d" / "bench.toml").write_text(config)
        (folder / "agent.toml").write_text(f"""\
cluster = "bench"
node = "n1"
[sample]
cgroup_root = "{cgroup_root}"
[metrics]
listen = "127.0.0.1:{self.port}"
[hooks]
socket = "{self.hook_socket}"
[spool]
path = "{self.spool}"
""")

    def __enter__(self) -> AgentProcess:
        """Start it and wait for its first answer."""
        # As the unit file sets it: glibc otherwise gives each thread an arena of its own.
        environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
        with (self.folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.python, "-m", "jobmend.agent", "--config", self.folder / "agent.toml"],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(self._answers, _PATIENCE_SECONDS, f"the agent; see {self.folder}/agent.log")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """End it in an orderly way, or else by force."""
        process, self._process = self._process, None
        if process is not None:
            end_process(process)

    @property
    def pid(self) -> int:
        """Its process id; RuntimeError while it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the agent has ended: {(self.folder / 'agent.log').read_text()}")
        return self._process.pid

    def scrape(self) -> Scrape:
        """Ask for the page once, on a connection of its own, as a scraper without gzip does."""
        began = time.perf_counter()
        pieces = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as channel:
            channel.sendall(_REQUEST)
            while piece := channel.recv(1 << 18):
                pieces.append(piece)
        seconds = time.perf_counter() - began
        head, _, page = b"".join(pieces).partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"the agent answers {head.decode(errors='replace')!r}")
        return Scrape(seconds, page)

    def cpu_seconds(self) -> float:
        """CPU time of the whole process, threads that have ended included, in nanoseconds' steps.

        This is the clock that clock_getcpuclockid(3) names. ``/proc/<pid>/stat`` says the same in
        ticks of 10 ms, and ``task/*/schedstat`` forgets the threads that are gone.
        """
        return time.clock_gettime((~self.pid << 3) | _CPU_CLOCK)

    def resident_mb(self) -> float:
        """Resident memory in MB of 10**6 bytes."""
        return 1024 * int(self._status("status", "VmRSS:")) / 1e6

    def reads(self) -> int:
        """Calls of read(2) and pread(2) so far."""
        return int(self._status("io", "syscr:"))

    def descriptors(self) -> int:
        """Files it holds open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def kept_files(self, parents: Sequence[Path], proc_root: str = "/proc") -> list[str]:
        """Kernel files it keeps open: those below ``parents``, and ``stat`` of ``proc_root``."""
        kept = []
        for entry in os.scandir(f"/proc/{self.pid}/fd"):
            path = os.readlink(entry.path)
            of_job = any(path.startswith(f"{parent}/") for parent in parents)
            if path == f"{proc_root}/stat" or (of_job and os.path.isfile(path)):
                kept.append(path)
        return sorted(kept)

    def _status(self, file: str, name: str) -> str:
        for line in Path(f"/proc/{self.pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return line.split()[1]
        raise RuntimeError(f"/proc/{self.pid}/{file} has no {name}")

    def _answers(self) -> bool:
        _ = self.pid
        try:
            return bool(self.scrape().page)
        except ConnectionError:
            return False
